//! Revocations in the embedded store.

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::revocation::{
    Epoch, Findings, Found, Reason, Revocation, RevocationKey, RevocationStore, Spare, TokenKey,
};
use maxlab_auth_core::unavailable::Unavailable;
use serde::Serialize;

use super::EmbeddedStore;
use crate::moment::{ceil_ms, floor_ms, moment};
use crate::sql::{Held, Row, escaped, json, values};

/// The later cut-off and the later expiry stay; reason, time and user go with the cut-off, or with the expiry of what
/// has none.
const APPLY: &str = "INSERT INTO revoked (kind, name, cutoff_ms, reason, revoked_at_ms, expires_at_ms, user_id)
     SELECT value ->> 'kind', value ->> 'name', value ->> 'cutoff_ms', value ->> 'reason', value ->> 'revoked_at_ms',
         value ->> 'expires_at_ms', value ->> 'user_id'
     FROM json_each($1) WHERE true ORDER BY key
     ON CONFLICT (kind, name) DO UPDATE SET
         reason        = iif(coalesce(excluded.cutoff_ms > cutoff_ms, excluded.expires_at_ms > expires_at_ms), excluded.reason, reason),
         revoked_at_ms = iif(coalesce(excluded.cutoff_ms > cutoff_ms, excluded.expires_at_ms > expires_at_ms), excluded.revoked_at_ms, revoked_at_ms),
         user_id       = iif(coalesce(excluded.cutoff_ms > cutoff_ms, excluded.expires_at_ms > expires_at_ms), excluded.user_id, user_id),
         cutoff_ms     = max(cutoff_ms, excluded.cutoff_ms),
         expires_at_ms = max(expires_at_ms, excluded.expires_at_ms)";

const SPARE: &str = "INSERT INTO spared (kind, name, began_at_ms, expires_at_ms, user_id)
     SELECT value ->> 'kind', value ->> 'name', value ->> 'began_at_ms', value ->> 'expires_at_ms', value ->> 'user_id'
     FROM json_each($1) WHERE true ORDER BY key
     ON CONFLICT (kind, name) DO UPDATE SET
         began_at_ms   = max(began_at_ms, excluded.began_at_ms),
         expires_at_ms = max(expires_at_ms, excluded.expires_at_ms)";

/// All answers of one `find` in one statement, so in one snapshot. The keys come as `[[kind, name], …]`.
const FIND: &str = "
    SELECT 'revoked', asked.key, r.reason, r.cutoff_ms FROM json_each($1) AS asked
        JOIN revoked AS r ON r.kind = asked.value ->> 0 AND r.name = asked.value ->> 1
        WHERE r.expires_at_ms > $3
    UNION ALL
    SELECT 'spared', asked.key, '', s.began_at_ms FROM json_each($2) AS asked
        JOIN spared AS s ON s.kind = asked.value ->> 0 AND s.name = asked.value ->> 1
        WHERE s.expires_at_ms > $3
    UNION ALL
    SELECT 'generation', 0, value, NULL FROM meta WHERE name = 'generation'";

const LIST: &str = "SELECT name, reason, revoked_at_ms, expires_at_ms, user_id FROM revoked
     WHERE kind = 'token' AND name > $1 AND expires_at_ms > $2
     ORDER BY name LIMIT $3";

const LIST_OF_USER: &str = "SELECT name, reason, revoked_at_ms, expires_at_ms, user_id FROM revoked
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

/// Beyond this many tokens of one user, those that expire first are no longer noted.
const MOST_USER_TOKENS: u32 = 1_000;

#[async_trait]
impl RevocationStore for EmbeddedStore {
    async fn find(
        &self,
        revoked: &[RevocationKey],
        spared: &[RevocationKey],
        now: Timestamp,
    ) -> Result<Findings, Unavailable> {
        let values = values![pairs(revoked).as_str(), pairs(spared).as_str(), floor_ms(now)];
        let mut held = self.database.reader().await?;
        let mut findings = Findings {
            revoked: vec![None; revoked.len()],
            spared: vec![None; spared.len()],
            epoch: None,
        };
        for row in held.rows(FIND, &values).await? {
            let index = usize::try_from(row.int(1)?).map_err(|_| row.unreadable("answer"))?;
            match row.text(0)?.as_str() {
                "revoked" => {
                    let found = Found {
                        reason: Reason::parse(&row.text(2)?),
                        cutoff: row.opt_int(3)?.map(moment),
                    };
                    *findings
                        .revoked
                        .get_mut(index)
                        .ok_or_else(|| row.unreadable("answer"))? = Some(found);
                }
                "spared" => {
                    let began = row.opt_int(3)?.map(moment);
                    *findings
                        .spared
                        .get_mut(index)
                        .ok_or_else(|| row.unreadable("answer"))? = began;
                }
                _ => findings.epoch = Some(Epoch::new(row.text(2)?)),
            }
        }
        Ok(findings)
    }

    async fn shared_time(&self, local: Timestamp) -> Result<Timestamp, Unavailable> {
        Ok(local)
    }

    async fn list(
        &self,
        user_id: Option<&str>,
        after: Option<&str>,
        limit: u32,
        now: Timestamp,
    ) -> Result<(Vec<Revocation>, Option<String>), Unavailable> {
        let (after, now_ms) = (after.unwrap_or_default(), floor_ms(now));
        let mut held = self.database.reader().await?;
        let rows = match user_id {
            None => held.rows(LIST, &values![after, now_ms, limit]).await?,
            Some(user) => {
                held.rows(LIST_OF_USER, &values![after, now_ms, limit, user])
                    .await?
            }
        };
        let full = u32::try_from(rows.len()).is_ok_and(|count| count >= limit);
        let next = rows.last().filter(|_| full).map(|row| row.text(0)).transpose()?;
        Ok((rows.iter().map(revocation).collect::<Result<_, _>>()?, next))
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable> {
        let mut count = 0;
        for purge in PURGES {
            count += self.database.delete_in_batches(purge, floor_ms(now)).await?;
        }
        Ok(count)
    }

    async fn note_user_token(
        &self,
        user_id: &str,
        token: &TokenKey,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let mut held = self.database.begin().await?;
        held.execute(
            "INSERT INTO user_tokens (user_id, token, expires_at_ms) VALUES ($1, $2, $3)
             ON CONFLICT DO UPDATE SET expires_at_ms = max(expires_at_ms, excluded.expires_at_ms)",
            &values![user_id, token.as_str(), ceil_ms(expires_at)],
        )
        .await?;
        held.execute(
            "DELETE FROM user_tokens WHERE user_id = $1 AND (expires_at_ms <= $2 OR token IN
                 (SELECT token FROM user_tokens WHERE user_id = $1 ORDER BY expires_at_ms DESC LIMIT -1 OFFSET $3))",
            &values![user_id, floor_ms(now), MOST_USER_TOKENS],
        )
        .await?;
        held.commit().await
    }

    async fn user_tokens(&self, user_id: &str) -> Result<Vec<TokenKey>, Unavailable> {
        let mut held = self.database.reader().await?;
        let rows = held
            .rows(
                "SELECT token FROM user_tokens WHERE user_id = $1",
                &values![user_id],
            )
            .await?;
        rows.iter()
            .map(|row| Ok(TokenKey::from_stored(row.text(0)?)))
            .collect()
    }
}

/// A revocation as it is kept.
#[derive(Serialize)]
struct Revoked {
    kind: &'static str,
    name: String,
    cutoff_ms: Option<i64>,
    reason: &'static str,
    revoked_at_ms: i64,
    expires_at_ms: i64,
    user_id: Option<String>,
}

/// Records any number of revocations within the caller's transaction.
pub(super) async fn record<'o>(
    held: &mut Held,
    orders: impl IntoIterator<Item = &'o Revocation>,
) -> Result<(), Unavailable> {
    let rows: Vec<_> = orders
        .into_iter()
        .map(|order| Revoked {
            kind: order.key.kind(),
            name: escaped(&order.key.name()),
            cutoff_ms: order
                .key
                .is_cutoff()
                .then(|| ceil_ms(order.cutoff.unwrap_or(order.revoked_at))),
            reason: order.reason.as_str(),
            revoked_at_ms: floor_ms(order.revoked_at),
            expires_at_ms: ceil_ms(order.expires_at),
            user_id: order.user_id.as_deref().map(escaped),
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    held.execute(APPLY, &values![json(&rows)?.as_str()])
        .await
        .map(drop)
}

/// A spared login as it is kept.
#[derive(Serialize)]
struct Spared {
    kind: &'static str,
    name: String,
    began_at_ms: i64,
    expires_at_ms: i64,
    user_id: String,
}

/// Records any number of spares within the caller's transaction.
pub(super) async fn exempt<'s>(
    held: &mut Held,
    spares: impl IntoIterator<Item = &'s Spare>,
) -> Result<(), Unavailable> {
    let rows: Vec<_> = spares
        .into_iter()
        .map(|spare| Spared {
            kind: spare.key.kind(),
            name: escaped(&spare.key.name()),
            began_at_ms: floor_ms(spare.began_at),
            expires_at_ms: ceil_ms(spare.expires_at),
            user_id: escaped(&spare.user_id),
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    held.execute(SPARE, &values![json(&rows)?.as_str()])
        .await
        .map(drop)
}

fn pairs(keys: &[RevocationKey]) -> String {
    let pairs: Vec<_> = keys
        .iter()
        .map(|key| serde_json::json!([key.kind(), key.name()]))
        .collect();
    serde_json::Value::from(pairs).to_string()
}

fn revocation(row: &Row) -> Result<Revocation, Unavailable> {
    Ok(Revocation {
        key: RevocationKey::Token(TokenKey::from_stored(row.text(0)?)),
        cutoff: None,
        reason: Reason::parse(&row.text(1)?),
        revoked_at: moment(row.int(2)?),
        expires_at: moment(row.int(3)?),
        token_expires_at: None,
        user_id: row.opt_text(4)?,
    })
}
