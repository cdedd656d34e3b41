//! Revocations in the embedded store.

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::revocation::{
    CutoffExemption, FoundRevocation, Revocation, RevocationFindings, RevocationReason, RevocationStore,
};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::{Epoch, RevocationKey, TokenKey};
use serde::Serialize;

use super::EmbeddedStore;
use crate::millis::{ceil_ms, floor_ms, ms_to_timestamp};
use crate::sql::{PooledConnection, SqlRow, escape_text, sql_values, to_json_rows};

/// Keeps the later cut-off and the later expiry, so that no write narrows an entry. Reason, time and user
/// come from the entry with the later cut-off, or with the later expiry if the key is no cut-off.
// `WHERE true` separates the SELECT from ON CONFLICT, which SQLite's parser would take for a join condition.
const UPSERT_REVOCATIONS: &str = "INSERT INTO revoked (kind, name, cutoff_ms, reason, revoked_at_ms, expires_at_ms, user_id)
     SELECT value ->> 'kind', value ->> 'name', value ->> 'cutoff_ms', value ->> 'reason', value ->> 'revoked_at_ms',
         value ->> 'expires_at_ms', value ->> 'user_id'
     FROM json_each($1) WHERE true ORDER BY key
     ON CONFLICT (kind, name) DO UPDATE SET
         reason        = iif(coalesce(excluded.cutoff_ms > cutoff_ms, excluded.expires_at_ms > expires_at_ms), excluded.reason, reason),
         revoked_at_ms = iif(coalesce(excluded.cutoff_ms > cutoff_ms, excluded.expires_at_ms > expires_at_ms), excluded.revoked_at_ms, revoked_at_ms),
         user_id       = iif(coalesce(excluded.cutoff_ms > cutoff_ms, excluded.expires_at_ms > expires_at_ms), excluded.user_id, user_id),
         cutoff_ms     = max(cutoff_ms, excluded.cutoff_ms),
         expires_at_ms = max(expires_at_ms, excluded.expires_at_ms)";

/// Keeps the later beginning and the later expiry of an exempt login.
const UPSERT_EXEMPTIONS: &str = "INSERT INTO spared (kind, name, began_at_ms, expires_at_ms, user_id)
     SELECT value ->> 'kind', value ->> 'name', value ->> 'began_at_ms', value ->> 'expires_at_ms', value ->> 'user_id'
     FROM json_each($1) WHERE true ORDER BY key
     ON CONFLICT (kind, name) DO UPDATE SET
         began_at_ms   = max(began_at_ms, excluded.began_at_ms),
         expires_at_ms = max(expires_at_ms, excluded.expires_at_ms)";

/// Answers one `find` from one snapshot of the file. The keys come as `[[kind, name], …]`.
// The generation is in the same snapshot, so that an answer names the data set that it came from.
const SELECT_FINDINGS: &str = "
    SELECT 'revoked', requested.key, r.reason, r.cutoff_ms FROM json_each($1) AS requested
        JOIN revoked AS r ON r.kind = requested.value ->> 0 AND r.name = requested.value ->> 1
        WHERE r.expires_at_ms > $3
    UNION ALL
    SELECT 'spared', requested.key, '', s.began_at_ms FROM json_each($2) AS requested
        JOIN spared AS s ON s.kind = requested.value ->> 0 AND s.name = requested.value ->> 1
        WHERE s.expires_at_ms > $3
    UNION ALL
    SELECT 'generation', 0, value, NULL FROM meta WHERE name = 'generation'";

const SELECT_PAGE: &str = "SELECT name, reason, revoked_at_ms, expires_at_ms, user_id FROM revoked
     WHERE kind = 'token' AND name > $1 AND expires_at_ms > $2
     ORDER BY name LIMIT $3";

const SELECT_PAGE_OF_USER: &str = "SELECT name, reason, revoked_at_ms, expires_at_ms, user_id FROM revoked
     WHERE kind = 'token' AND name > $1 AND expires_at_ms > $2 AND user_id = $4
     ORDER BY name LIMIT $3";

const PURGES: [&str; 3] = [
    "DELETE FROM revoked WHERE (kind, name) IN
         (SELECT kind, name FROM revoked WHERE expires_at_ms <= $1 LIMIT $2)",
    "DELETE FROM spared WHERE (kind, name) IN
         (SELECT kind, name FROM spared WHERE expires_at_ms <= $1 LIMIT $2)",
    "DELETE FROM user_tokens WHERE (user_id, token) IN
         (SELECT user_id, token FROM user_tokens WHERE expires_at_ms <= $1 LIMIT $2)",
];

/// Number of tokens that are recorded for one user. Beyond it, those that expire first are dropped.
const MAX_USER_TOKENS: u32 = 1_000;

#[async_trait]
impl RevocationStore for EmbeddedStore {
    async fn find(
        &self,
        revocation_keys: &[RevocationKey],
        exemption_keys: &[RevocationKey],
        now: Timestamp,
    ) -> Result<RevocationFindings, Unavailable> {
        let values = sql_values![
            key_pairs_json(revocation_keys).as_str(),
            key_pairs_json(exemption_keys).as_str(),
            floor_ms(now)
        ];
        let mut conn = self.database.acquire_reader().await?;
        let mut findings = RevocationFindings {
            revoked: vec![None; revocation_keys.len()],
            exempt_since: vec![None; exemption_keys.len()],
            epoch: None,
        };
        for row in conn.fetch_all(SELECT_FINDINGS, &values).await? {
            // The index of the key in the request. Keys without an entry have no row.
            let index = usize::try_from(row.int(1)?).map_err(|_| row.decode_error("answer"))?;
            match row.text(0)?.as_str() {
                "revoked" => {
                    let finding = FoundRevocation {
                        reason: RevocationReason::parse(&row.text(2)?),
                        cutoff: row.opt_int(3)?.map(ms_to_timestamp),
                    };
                    *findings
                        .revoked
                        .get_mut(index)
                        .ok_or_else(|| row.decode_error("answer"))? = Some(finding);
                }
                "spared" => {
                    let began_at = row.opt_int(3)?.map(ms_to_timestamp);
                    *findings
                        .exempt_since
                        .get_mut(index)
                        .ok_or_else(|| row.decode_error("answer"))? = began_at;
                }
                _ => findings.epoch = Some(Epoch::new(row.text(2)?)),
            }
        }
        Ok(findings)
    }

    async fn shared_time(&self, local: Timestamp) -> Result<Timestamp, Unavailable> {
        // One machine has one clock.
        Ok(local)
    }

    #[tracing::instrument(name = "revocation_store.list", level = "debug", skip_all)]
    async fn list(
        &self,
        subject: Option<&Subject>,
        after: Option<&str>,
        limit: u32,
        now: Timestamp,
    ) -> Result<(Vec<Revocation>, Option<String>), Unavailable> {
        let (after, now_ms) = (after.unwrap_or_default(), floor_ms(now));
        let mut conn = self.database.acquire_reader().await?;
        let rows = match subject {
            None => {
                conn.fetch_all(SELECT_PAGE, &sql_values![after, now_ms, limit])
                    .await?
            }
            Some(subject) => {
                let user = subject.storage_name();
                let values = sql_values![after, now_ms, limit, &*user];
                conn.fetch_all(SELECT_PAGE_OF_USER, &values).await?
            }
        };
        // A page that is not full is the last one, so it has no position to go on from.
        let full = u32::try_from(rows.len()).is_ok_and(|count| count >= limit);
        let next = rows.last().filter(|_| full).map(|row| row.text(0)).transpose()?;
        Ok((
            rows.iter().map(revocation_from_row).collect::<Result<_, _>>()?,
            next,
        ))
    }

    #[tracing::instrument(name = "revocation_store.purge", level = "debug", skip_all)]
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable> {
        let mut count = 0;
        for purge in PURGES {
            count += self.database.delete_in_batches(purge, floor_ms(now)).await?;
        }
        Ok(count)
    }

    #[tracing::instrument(name = "revocation_store.record_user_token", level = "debug", skip_all)]
    async fn record_user_token(
        &self,
        subject: &Subject,
        token: &TokenKey,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let user_id = subject.storage_name();
        // One transaction for insert and trim, so that the bound holds at any time.
        let mut conn = self.database.begin_write().await?;
        conn.execute(
            "INSERT INTO user_tokens (user_id, token, expires_at_ms) VALUES ($1, $2, $3)
             ON CONFLICT DO UPDATE SET expires_at_ms = max(expires_at_ms, excluded.expires_at_ms)",
            &sql_values![&*user_id, token.as_str(), ceil_ms(expires_at)],
        )
        .await?;
        conn.execute(
            "DELETE FROM user_tokens WHERE user_id = $1 AND (expires_at_ms <= $2 OR token IN
                 (SELECT token FROM user_tokens WHERE user_id = $1 ORDER BY expires_at_ms DESC LIMIT -1 OFFSET $3))",
            &sql_values![&*user_id, floor_ms(now), MAX_USER_TOKENS],
        )
        .await?;
        conn.commit().await
    }

    #[tracing::instrument(name = "revocation_store.user_tokens", level = "debug", skip_all)]
    async fn user_tokens(&self, subject: &Subject) -> Result<Vec<TokenKey>, Unavailable> {
        let mut conn = self.database.acquire_reader().await?;
        let rows = conn
            .fetch_all(
                "SELECT token FROM user_tokens WHERE user_id = $1",
                &sql_values![&*subject.storage_name()],
            )
            .await?;
        rows.iter()
            .map(|row| Ok(TokenKey::from_stored(row.text(0)?)))
            .collect()
    }
}

/// A row of the table `revoked`.
#[derive(Serialize)]
struct RevokedRow {
    kind: &'static str,
    name: String,
    cutoff_ms: Option<i64>,
    reason: &'static str,
    revoked_at_ms: i64,
    expires_at_ms: i64,
    user_id: Option<String>,
}

/// Records any number of revocations within the caller's transaction.
pub(super) async fn upsert_revocations<'r>(
    conn: &mut PooledConnection,
    revocations: impl IntoIterator<Item = &'r Revocation>,
) -> Result<(), Unavailable> {
    let rows: Vec<_> = revocations
        .into_iter()
        .map(|revocation| RevokedRow {
            kind: revocation.key.kind(),
            name: escape_text(&revocation.key.name()),
            // Cut-off and expiry round up, so that neither covers less than was asked.
            cutoff_ms: revocation
                .key
                .is_cutoff()
                .then(|| ceil_ms(revocation.cutoff.unwrap_or(revocation.revoked_at))),
            reason: revocation.reason.as_str(),
            revoked_at_ms: floor_ms(revocation.revoked_at),
            expires_at_ms: ceil_ms(revocation.expires_at),
            user_id: subject_text(revocation.subject.as_ref()),
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    conn.execute(UPSERT_REVOCATIONS, &sql_values![to_json_rows(&rows)?.as_str()])
        .await
        .map(drop)
}

/// A row of the table `spared`: an exempt login.
#[derive(Serialize)]
struct ExemptionRow {
    kind: &'static str,
    name: String,
    began_at_ms: i64,
    expires_at_ms: i64,
    user_id: String,
}

/// Records any number of exemptions within the caller's transaction.
pub(super) async fn upsert_exemptions<'e>(
    conn: &mut PooledConnection,
    exemptions: impl IntoIterator<Item = &'e CutoffExemption>,
) -> Result<(), Unavailable> {
    let rows: Vec<_> = exemptions
        .into_iter()
        .map(|exemption| ExemptionRow {
            kind: exemption.key.kind(),
            name: escape_text(&exemption.key.name()),
            // Rounded down: a login must not count as later than it began.
            began_at_ms: floor_ms(exemption.began_at),
            expires_at_ms: ceil_ms(exemption.expires_at),
            user_id: subject_text(exemption.subject.as_ref()).unwrap_or_default(),
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    conn.execute(UPSERT_EXEMPTIONS, &sql_values![to_json_rows(&rows)?.as_str()])
        .await
        .map(drop)
}

fn subject_text(subject: Option<&Subject>) -> Option<String> {
    subject.map(|subject| escape_text(&subject.storage_name()))
}

fn key_pairs_json(keys: &[RevocationKey]) -> String {
    let pairs: Vec<_> = keys
        .iter()
        .map(|key| serde_json::json!([key.kind(), key.name()]))
        .collect();
    serde_json::Value::from(pairs).to_string()
}

/// Converts a row of [`SELECT_PAGE`], which has only tokens.
fn revocation_from_row(row: &SqlRow) -> Result<Revocation, Unavailable> {
    Ok(Revocation {
        key: RevocationKey::Token(TokenKey::from_stored(row.text(0)?)),
        cutoff: None,
        reason: RevocationReason::parse(&row.text(1)?),
        revoked_at: ms_to_timestamp(row.int(2)?),
        expires_at: ms_to_timestamp(row.int(3)?),
        token_expires_at: None,
        subject: row.opt_text(4)?.map(|text| Subject::from_storage_name(&text)),
    })
}
