//! The journal that a Redis belongs to (docs/decisions/0025).

use maxlab_auth_core::unavailable::Unavailable;

use super::RedisStore;
use super::script::{SET_IF_ABSENT, eval_command};

/// Key with the name of the journal whose instances may use this Redis.
const JOURNAL_KEY: &str = "gateway:{revocations}:journal";

impl RedisStore {
    /// Makes the store refuse revocation requests if Redis belongs to another journal.
    #[must_use]
    pub fn for_one_journal(self) -> Self {
        Self {
            serves_one_journal: true,
            ..self
        }
    }

    /// Registers this journal if none is registered. Returns the name of the registered one.
    ///
    /// # Errors
    /// Redis does not answer.
    pub async fn register_journal(&self, journal: &str) -> Result<String, Unavailable> {
        // In one step, so that of two instances that start at the same time both see the same journal.
        let mut register = eval_command(SET_IF_ABSENT, &[JOURNAL_KEY]);
        register.arg(journal);
        self.client.query(&register).await
    }

    /// Registers this journal and replaces any other.
    ///
    /// # Errors
    /// Redis does not answer.
    pub async fn replace_journal(&self, journal: &str) -> Result<(), Unavailable> {
        self.client
            .query::<()>(redis::cmd("SET").arg(JOURNAL_KEY).arg(journal))
            .await
    }

    /// Fails if the store serves one journal and Redis belongs to another one.
    pub(super) async fn reject_other_journal(&self, journal: &str) -> Result<(), Unavailable> {
        if self.serves_one_journal && self.register_journal(journal).await? != journal {
            return Err(Unavailable::store(
                "this Redis belongs to instances of another journal: check DATABASE_URL and REDIS_URL",
            ));
        }
        Ok(())
    }
}
