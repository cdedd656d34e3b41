//! The record of used authorization codes (RFC 6749 §4.1.2, docs/decisions/0018).

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::used_codes::{CodeKey, UsedCodes};

use super::{SqlDatabase, sql_values};
use crate::millis::{ceil_ms, floor_ms};

/// Claims a code in one statement, so that only one of two claims succeeds. Replaces an expired claim.
const CLAIM: &str = "INSERT INTO used_codes (code, claimed_at_ms, expires_at_ms) VALUES ($1, $2, $3)
     ON CONFLICT (code) DO UPDATE SET claimed_at_ms = $2, expires_at_ms = $3 WHERE used_codes.expires_at_ms <= $2";

// Releasing a code that is not claimed changes nothing and is no error.
const RELEASE: &str = "DELETE FROM used_codes WHERE code = $1";

const PURGE: &str = "DELETE FROM used_codes WHERE code IN
     (SELECT code FROM used_codes WHERE expires_at_ms <= $1 LIMIT $2)";

#[async_trait]
impl UsedCodes for SqlDatabase {
    #[tracing::instrument(name = "used_codes.claim_code", level = "debug", skip_all)]
    async fn claim_code(
        &self,
        code: &CodeKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        let values = sql_values![code.as_str(), floor_ms(now), ceil_ms(until)];
        // No row changes if an unexpired claim exists.
        Ok(conn.execute(CLAIM, &values).await? > 0)
    }

    #[tracing::instrument(name = "used_codes.release_code", level = "debug", skip_all)]
    async fn release_code(&self, code: &CodeKey) -> Result<(), Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        conn.execute(RELEASE, &sql_values![code.as_str()]).await?;
        Ok(())
    }

    #[tracing::instrument(name = "used_codes.purge_codes", level = "debug", skip_all)]
    async fn purge_codes(&self, now: Timestamp) -> Result<u64, Unavailable> {
        self.database.delete_in_batches(PURGE, floor_ms(now)).await
    }
}
