//! The register of issued tokens.

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::credential::SessionHandle;
use maxlab_auth_core::revocation::{IssuedToken, IssuedTokens, TokenKey, TokenUse};
use maxlab_auth_core::unavailable::Unavailable;

use super::{Row, SqlDatabase, values};
use crate::moment::{ceil_ms, floor_ms, moment};

const RECORD: &str = "INSERT INTO issued_tokens
     (key, token_use, user_id, session, login_at_ms, expires_at_ms, superseded_at_ms)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key) DO NOTHING";

/// The columns of a token, in the order in which [`token`] reads them.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT key, token_use, user_id, session, login_at_ms, expires_at_ms, superseded_at_ms
             FROM issued_tokens ",
            $rest
        )
    };
}

#[async_trait]
impl IssuedTokens for SqlDatabase {
    async fn record(&self, tokens: &[IssuedToken]) -> Result<(), Unavailable> {
        let mut held = self.database.begin().await?;
        for token in tokens {
            let values = values![
                token.key.as_str(),
                token.token_use.as_str(),
                token.user_id.as_str(),
                token.session.as_ref().map(SessionHandle::as_str),
                floor_ms(token.login_at),
                ceil_ms(token.expires_at),
                token.superseded_at.map(floor_ms),
            ];
            held.execute(RECORD, &values).await?;
        }
        held.commit().await
    }

    async fn find(&self, key: &TokenKey) -> Result<Option<IssuedToken>, Unavailable> {
        let mut held = self.database.reader().await?;
        held.row(select!("WHERE key = $1"), &values![key.as_str()])
            .await?
            .as_ref()
            .map(token)
            .transpose()
    }

    async fn of_user(
        &self,
        user_id: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<IssuedToken>, Unavailable> {
        let mut held = self.database.reader().await?;
        let newest = select!(
            "WHERE user_id = $1 AND expires_at_ms > $2 ORDER BY login_at_ms DESC, expires_at_ms DESC, key LIMIT $3"
        );
        held.rows(newest, &values![user_id, floor_ms(now), limit])
            .await?
            .iter()
            .map(token)
            .collect()
    }

    async fn of_session(
        &self,
        session: &SessionHandle,
        now: Timestamp,
    ) -> Result<Vec<IssuedToken>, Unavailable> {
        let mut held = self.database.reader().await?;
        let unexpired = select!("WHERE session = $1 AND expires_at_ms > $2 ORDER BY login_at_ms, key");
        held.rows(unexpired, &values![session.as_str(), floor_ms(now)])
            .await?
            .iter()
            .map(token)
            .collect()
    }

    async fn supersede(&self, key: &TokenKey, at: Timestamp) -> Result<bool, Unavailable> {
        let mut held = self.database.writer().await?;
        let supersede =
            "UPDATE issued_tokens SET superseded_at_ms = $2 WHERE key = $1 AND superseded_at_ms IS NULL";
        Ok(held
            .execute(supersede, &values![key.as_str(), floor_ms(at)])
            .await?
            > 0)
    }

    async fn begin_exchange(
        &self,
        key: &TokenKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let mut held = self.database.writer().await?;
        let claim = "UPDATE issued_tokens SET exchange_until_ms = $2
             WHERE key = $1 AND superseded_at_ms IS NULL
             AND (exchange_until_ms IS NULL OR exchange_until_ms <= $3)";
        Ok(held
            .execute(claim, &values![key.as_str(), ceil_ms(until), floor_ms(now)])
            .await?
            > 0)
    }

    async fn end_exchange(&self, key: &TokenKey) -> Result<(), Unavailable> {
        let mut held = self.database.writer().await?;
        let release = "UPDATE issued_tokens SET exchange_until_ms = NULL WHERE key = $1";
        held.execute(release, &values![key.as_str()]).await?;
        Ok(())
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable> {
        self.database
            .delete_in_batches(
                "DELETE FROM issued_tokens WHERE key IN
                 (SELECT key FROM issued_tokens WHERE expires_at_ms <= $1 LIMIT $2)",
                floor_ms(now),
            )
            .await
    }
}

fn token(row: &Row) -> Result<IssuedToken, Unavailable> {
    let handle = row.opt_text(3)?;
    let session = match handle {
        None => None,
        Some(text) => Some(SessionHandle::parse(&text).ok_or_else(|| row.unreadable("session handle"))?),
    };
    Ok(IssuedToken {
        key: TokenKey::from_stored(row.text(0)?),
        token_use: TokenUse::parse(&row.text(1)?).ok_or_else(|| row.unreadable("token use"))?,
        user_id: row.text(2)?,
        session,
        login_at: moment(row.int(4)?),
        expires_at: moment(row.int(5)?),
        superseded_at: row.opt_int(6)?.map(moment),
    })
}
