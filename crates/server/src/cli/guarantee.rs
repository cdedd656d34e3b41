//! What is promised of a revocation, which depends on where things are kept.

use serde::Serialize;

use crate::config::{DatabaseUrl, StoreSettings, StoreUrl};

/// How far the promise "revoked means revoked" reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Guarantee {
    /// One gateway process on one machine.
    OneInstance,
    /// Every instance, whatever happens to Redis.
    AllInstances,
    /// Every instance, as long as Redis keeps its data.
    WhileRedisRemembers,
}

impl Guarantee {
    /// The promise that these stores can keep (DESIGN §11, "Journals").
    pub(super) fn of(stores: &StoreSettings) -> Self {
        match (&stores.store, &stores.database) {
            (StoreUrl::Embedded, _) => Self::OneInstance,
            (_, DatabaseUrl::Postgres(_)) => Self::AllInstances,
            (_, DatabaseUrl::Sqlite(_)) => Self::WhileRedisRemembers,
        }
    }

    /// The promise in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::OneInstance => {
                "One gateway process on this machine, and the command line beside it: what was revoked is refused from \
                 the moment the revoke is answered, and still is after a crash. A second instance elsewhere would not \
                 know of it; give both one REDIS_URL and one PostgreSQL DATABASE_URL."
            }
            Self::AllInstances => {
                "Every instance with this REDIS_URL and DATABASE_URL: what was revoked is refused by all of them from the \
                 moment the revoke is answered, and still is after a crash and after Redis has lost its data, which is \
                 filled again from the shared journal."
            }
            Self::WhileRedisRemembers => {
                "Weaker: every instance with this REDIS_URL refuses what was revoked from the moment the revoke is \
                 answered, as long as Redis keeps its data. If Redis loses it, an instance brings back only what was \
                 revoked through itself, from the journal on its own disk."
            }
        }
    }

    /// What to mend, if the promise is weaker than it could be.
    pub(super) fn warning(self) -> Option<&'static str> {
        (self == Self::WhileRedisRemembers).then_some(
            "REDIS_URL is set and the journal is SQLite on this machine alone. That is enough for one instance. With \
             several, a Redis that loses its data forgets what the others revoked: set DATABASE_URL to one PostgreSQL \
             for all.",
        )
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    #[test]
    fn the_promise_is_no_greater_than_the_stores_can_keep() {
        let redis = || StoreUrl::Redis {
            url: SecretString::from("redis://localhost"),
            tls: false,
        };
        let postgres = || DatabaseUrl::Postgres(SecretString::from("postgresql://localhost/x"));
        let sqlite = || DatabaseUrl::Sqlite("x.db".into());
        for (store, database, promise, warns) in [
            (StoreUrl::Embedded, sqlite(), Guarantee::OneInstance, false),
            (StoreUrl::Embedded, postgres(), Guarantee::OneInstance, false),
            (redis(), postgres(), Guarantee::AllInstances, false),
            (redis(), sqlite(), Guarantee::WhileRedisRemembers, true),
        ] {
            let guarantee = Guarantee::of(&StoreSettings { database, store });
            assert_eq!((guarantee, guarantee.warning().is_some()), (promise, warns));
        }
    }
}
