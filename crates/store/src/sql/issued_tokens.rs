//! The register of issued tokens (docs/decisions/0004).

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::credential::SessionHandle;
use maxlab_auth_core::identity::{Subject, UpstreamSession};
use maxlab_auth_core::issued_tokens::{CredentialCounts, IssuedToken, IssuedTokens, RefreshAnswer, TokenUse};
use maxlab_auth_core::seal::SealedValue;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::{CutoffScope, TokenKey};

use super::party_credentials::{count_credentials, list_party_names};
use super::{SqlDatabase, SqlRow, sql_values};
use crate::millis::{ceil_ms, floor_ms, ms_to_timestamp};

/// Records a token once. A token that is known keeps its user, its session and the time of its login.
// The column `names_client` is the field `has_client_claim`.
const INSERT_TOKEN: &str = "INSERT INTO issued_tokens
     (key, token_use, user_id, session, login_at_ms, expires_at_ms, superseded_at_ms, client_id, names_client, issuer,
      upstream_session)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (key) DO NOTHING";

/// Selects the columns of a token, in the order that [`token_from_row`] expects.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT key, token_use, user_id, session, login_at_ms, expires_at_ms, superseded_at_ms,
                 client_id, names_client, issuer, upstream_session
             FROM issued_tokens ",
            $rest
        )
    };
}

#[async_trait]
impl IssuedTokens for SqlDatabase {
    #[tracing::instrument(name = "issued_tokens.record", level = "debug", skip_all, fields(tokens = tokens.len()))]
    async fn record(&self, tokens: &[IssuedToken]) -> Result<(), Unavailable> {
        let mut conn = self.database.begin_write().await?;
        // All tokens of an exchange, or none: one that is missing here would outlive the end of its session.
        for token in tokens {
            let user_id = token.subject.as_ref().map(Subject::storage_name);
            let upstream_session = token.upstream_session.as_ref().map(UpstreamSession::storage_name);
            let values = sql_values![
                token.key.as_str(),
                token.token_use.as_str(),
                // Empty for an unknown user: the column has a value in every row.
                user_id.as_deref().unwrap_or_default(),
                token.session.as_ref().map(SessionHandle::as_str),
                floor_ms(token.login_at),
                ceil_ms(token.expires_at),
                token.superseded_at.map(floor_ms),
                token.client_id.as_deref(),
                i64::from(token.has_client_claim),
                token.issuer.as_deref(),
                upstream_session.as_deref(),
            ];
            conn.execute(INSERT_TOKEN, &values).await?;
        }
        conn.commit().await
    }

    #[tracing::instrument(name = "issued_tokens.find", level = "debug", skip_all)]
    async fn find(&self, key: &TokenKey) -> Result<Option<IssuedToken>, Unavailable> {
        let mut conn = self.database.acquire_reader().await?;
        conn.fetch_first(select!("WHERE key = $1"), &sql_values![key.as_str()])
            .await?
            .as_ref()
            .map(token_from_row)
            .transpose()
    }

    #[tracing::instrument(name = "issued_tokens.of_user", level = "debug", skip_all)]
    async fn of_user(
        &self,
        subject: &Subject,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<IssuedToken>, Unavailable> {
        let mut conn = self.database.acquire_reader().await?;
        // Newest first: if there are more than `limit`, a logout-all revokes the rest by its cut-off only.
        let newest = select!(
            "WHERE user_id = $1 AND expires_at_ms > $2 ORDER BY login_at_ms DESC, expires_at_ms DESC, key LIMIT $3"
        );
        let values = sql_values![&*subject.storage_name(), floor_ms(now), limit];
        conn.fetch_all(newest, &values)
            .await?
            .iter()
            .map(token_from_row)
            .collect()
    }

    #[tracing::instrument(name = "issued_tokens.of_upstream_session", level = "debug", skip_all)]
    async fn of_upstream_session(
        &self,
        upstream: &UpstreamSession,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<IssuedToken>, Unavailable> {
        let mut conn = self.database.acquire_reader().await?;
        let newest = select!(
            "WHERE upstream_session = $1 AND expires_at_ms > $2 ORDER BY login_at_ms DESC, key LIMIT $3"
        );
        let values = sql_values![&*upstream.storage_name(), floor_ms(now), limit];
        let rows = conn.fetch_all(newest, &values).await?;
        rows.iter().map(token_from_row).collect()
    }

    #[tracing::instrument(name = "issued_tokens.of_session", level = "debug", skip_all)]
    async fn of_session(
        &self,
        session: &SessionHandle,
        now: Timestamp,
    ) -> Result<Vec<IssuedToken>, Unavailable> {
        let mut conn = self.database.acquire_reader().await?;
        let unexpired = select!("WHERE session = $1 AND expires_at_ms > $2 ORDER BY login_at_ms, key");
        conn.fetch_all(unexpired, &sql_values![session.as_str(), floor_ms(now)])
            .await?
            .iter()
            .map(token_from_row)
            .collect()
    }

    #[tracing::instrument(name = "issued_tokens.of_client_without_claim", level = "debug", skip_all)]
    async fn of_client_without_claim(
        &self,
        client_id: &str,
        after: Option<&TokenKey>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<IssuedToken>, Unavailable> {
        let mut conn = self.database.acquire_reader().await?;
        // Pages by key: it is unique, so a page boundary neither repeats nor skips a token.
        let unnamed = select!(
            "WHERE client_id = $1 AND names_client = 0 AND token_use = $2 AND key > $3 AND expires_at_ms > $4
             ORDER BY key LIMIT $5"
        );
        let values = sql_values![
            client_id,
            TokenUse::Access.as_str(),
            after.map_or("", TokenKey::as_str),
            floor_ms(now),
            limit,
        ];
        conn.fetch_all(unnamed, &values)
            .await?
            .iter()
            .map(token_from_row)
            .collect()
    }

    #[tracing::instrument(name = "issued_tokens.count_in_scope", level = "debug", skip_all)]
    async fn count_in_scope(
        &self,
        scope: &CutoffScope,
        now: Timestamp,
    ) -> Result<CredentialCounts, Unavailable> {
        count_credentials(&mut self.database.acquire_reader().await?, scope, now).await
    }

    #[tracing::instrument(name = "issued_tokens.ids_of_same_kind", level = "debug", skip_all)]
    async fn ids_of_same_kind(&self, scope: &CutoffScope, limit: u32) -> Result<Vec<String>, Unavailable> {
        list_party_names(&mut self.database.acquire_reader().await?, scope, limit).await
    }

    #[tracing::instrument(name = "issued_tokens.supersede", level = "debug", skip_all)]
    async fn supersede(
        &self,
        key: &TokenKey,
        at: Timestamp,
        answer: Option<&RefreshAnswer>,
    ) -> Result<bool, Unavailable> {
        let mut conn = self.database.begin_write().await?;
        // The condition decides a race in the statement: only the first of several callers changes the row.
        let supersede =
            "UPDATE issued_tokens SET superseded_at_ms = $2 WHERE key = $1 AND superseded_at_ms IS NULL";
        let is_first = conn
            .execute(supersede, &sql_values![key.as_str(), floor_ms(at)])
            .await?
            > 0;
        if let (true, Some(answer)) = (is_first, answer) {
            let values = sql_values![key.as_str(), answer.sealed.as_str(), ceil_ms(answer.expires_at)];
            let keep = "INSERT INTO refresh_answers (key, sealed, expires_at_ms) VALUES ($1, $2, $3)
                 ON CONFLICT (key) DO NOTHING";
            conn.execute(keep, &values).await?;
        }
        conn.commit().await?;
        Ok(is_first)
    }

    #[tracing::instrument(name = "issued_tokens.refresh_answer", level = "debug", skip_all)]
    async fn refresh_answer(
        &self,
        key: &TokenKey,
        now: Timestamp,
    ) -> Result<Option<RefreshAnswer>, Unavailable> {
        let mut conn = self.database.acquire_reader().await?;
        let unexpired =
            "SELECT sealed, expires_at_ms FROM refresh_answers WHERE key = $1 AND expires_at_ms > $2";
        let row = conn
            .fetch_first(unexpired, &sql_values![key.as_str(), floor_ms(now)])
            .await?;
        let answer = |row: &SqlRow| {
            Ok(RefreshAnswer {
                sealed: SealedValue::from_stored(row.text(0)?),
                expires_at: ms_to_timestamp(row.int(1)?),
            })
        };
        row.as_ref().map(answer).transpose()
    }

    #[tracing::instrument(name = "issued_tokens.begin_exchange", level = "debug", skip_all)]
    async fn begin_exchange(
        &self,
        key: &TokenKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        // A claim has an end of its own, because its holder may die before it calls `end_exchange`.
        let claim = "UPDATE issued_tokens SET exchange_until_ms = $2
             WHERE key = $1 AND superseded_at_ms IS NULL
             AND (exchange_until_ms IS NULL OR exchange_until_ms <= $3)";
        Ok(conn
            .execute(claim, &sql_values![key.as_str(), ceil_ms(until), floor_ms(now)])
            .await?
            > 0)
    }

    #[tracing::instrument(name = "issued_tokens.end_exchange", level = "debug", skip_all)]
    async fn end_exchange(&self, key: &TokenKey) -> Result<(), Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        let release = "UPDATE issued_tokens SET exchange_until_ms = NULL WHERE key = $1";
        conn.execute(release, &sql_values![key.as_str()]).await?;
        Ok(())
    }

    #[tracing::instrument(name = "issued_tokens.purge", level = "debug", skip_all)]
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable> {
        self.database
            .delete_in_batches(
                "DELETE FROM refresh_answers WHERE key IN
                 (SELECT key FROM refresh_answers WHERE expires_at_ms <= $1 LIMIT $2)",
                floor_ms(now),
            )
            .await?;
        self.database
            .delete_in_batches(
                "DELETE FROM issued_tokens WHERE key IN
                 (SELECT key FROM issued_tokens WHERE expires_at_ms <= $1 LIMIT $2)",
                floor_ms(now),
            )
            .await
    }
}

/// Converts a row of the macro `select`.
fn token_from_row(row: &SqlRow) -> Result<IssuedToken, Unavailable> {
    let session_text = row.opt_text(3)?;
    let session = match session_text {
        None => None,
        // An unreadable handle is an error: without its session, the token would outlive the session's end.
        Some(text) => Some(SessionHandle::parse(&text).ok_or_else(|| row.decode_error("session handle"))?),
    };
    Ok(IssuedToken {
        key: TokenKey::from_stored(row.text(0)?),
        token_use: TokenUse::parse(&row.text(1)?).ok_or_else(|| row.decode_error("token use"))?,
        subject: Some(row.text(2)?)
            .filter(|text| !text.is_empty())
            .map(|text| Subject::from_storage_name(&text)),
        session,
        login_at: ms_to_timestamp(row.int(4)?),
        expires_at: ms_to_timestamp(row.int(5)?),
        superseded_at: row.opt_int(6)?.map(ms_to_timestamp),
        client_id: row.opt_text(7)?,
        has_client_claim: row.int(8)? != 0,
        issuer: row.opt_text(9)?,
        upstream_session: row
            .opt_text(10)?
            .map(|text| UpstreamSession::from_storage_name(&text)),
    })
}
