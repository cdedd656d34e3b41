//! Guarantee of a revocation, which depends on the configured stores.

use serde::Serialize;

use crate::config::{DatabaseUrl, StoreSettings, StoreUrl};

/// Reach of the guarantee that a revoked credential is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
// The names are part of `check --json`.
#[serde(rename_all = "snake_case")]
pub(super) enum RevocationGuarantee {
    /// One gateway process on one machine.
    OneInstance,
    /// Every instance, even if Redis loses its data.
    AllInstances,
    /// One gateway process, which is the only one that may use its Redis.
    OneJournal,
    /// Every instance, as long as Redis keeps its data and the login was made at that instance.
    OwnJournals,
}

impl RevocationGuarantee {
    /// Returns the guarantee that these stores can keep (docs/REVOCATION.md, "What each topology promises").
    pub(super) fn for_stores(stores: &StoreSettings) -> Self {
        match (&stores.store, &stores.database) {
            // Even with PostgreSQL: other instances cannot open the embedded store's file.
            (StoreUrl::Embedded, _) => Self::OneInstance,
            (_, DatabaseUrl::Postgres(_)) => Self::AllInstances,
            (_, DatabaseUrl::Sqlite(_)) if stores.allow_own_journals => Self::OwnJournals,
            (_, DatabaseUrl::Sqlite(_)) => Self::OneJournal,
        }
    }

    /// Describes the guarantee to an operator.
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::OneInstance => {
                "One gateway process on this machine, and the command line next to it: a revoked credential is refused from \
                 the moment the revoke is answered, also after a crash. A second instance on another machine would not \
                 know of the revocation. For several instances, set the same REDIS_URL and the same PostgreSQL DATABASE_URL."
            }
            Self::AllInstances => {
                "All instances with this REDIS_URL and DATABASE_URL: each of them refuses a revoked credential from the \
                 moment the revoke is answered, also after a crash, and also after Redis has lost its data. It is refilled \
                 from the shared journal."
            }
            Self::OneJournal => {
                "One gateway process with this REDIS_URL: a revoked credential is refused from the moment the revoke is \
                 answered, also after a crash, and also after Redis has lost its data. A second instance with another journal \
                 does not start. For several instances, set the same PostgreSQL DATABASE_URL."
            }
            Self::OwnJournals => {
                "Weaker (ALLOW_OWN_JOURNALS): all instances with this REDIS_URL refuse what was revoked by name, as long as \
                 Redis keeps its data. What does not hold: if a login is ended at an instance other than its own, its refresh \
                 token and its access tokens go on; a code or a refresh token may be exchanged once at each instance; and if \
                 Redis loses its data, an instance restores only what was revoked through itself."
            }
        }
    }

    /// Returns what to fix if the guarantee is weaker than it could be.
    pub(super) fn warning(self) -> Option<&'static str> {
        (self == Self::OwnJournals).then_some(
            "ALLOW_OWN_JOURNALS is set, and the journal is an SQLite file of this instance: with several instances, logins \
             are not ended everywhere, and if Redis loses its data, revocations of other instances are lost. To fix this, set \
             DATABASE_URL to one PostgreSQL for all instances, and remove ALLOW_OWN_JOURNALS.",
        )
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::config::SessionPlace;

    #[test]
    fn the_promise_is_no_greater_than_the_stores_can_keep() {
        let redis = || StoreUrl::Redis {
            url: SecretString::from("redis://localhost"),
            tls: false,
            ca_certificates: None,
        };
        let postgres = || DatabaseUrl::Postgres(SecretString::from("postgresql://localhost/x"));
        let sqlite = || DatabaseUrl::Sqlite("x.db".into());
        for (store, database, allow_own_journals, expected, warns) in [
            (
                StoreUrl::Embedded,
                sqlite(),
                false,
                RevocationGuarantee::OneInstance,
                false,
            ),
            (
                StoreUrl::Embedded,
                postgres(),
                false,
                RevocationGuarantee::OneInstance,
                false,
            ),
            (
                redis(),
                postgres(),
                false,
                RevocationGuarantee::AllInstances,
                false,
            ),
            (redis(), sqlite(), false, RevocationGuarantee::OneJournal, false),
            (redis(), sqlite(), true, RevocationGuarantee::OwnJournals, true),
        ] {
            let guarantee = RevocationGuarantee::for_stores(&StoreSettings {
                database,
                store,
                allow_own_journals,
                sessions: SessionPlace::Sql,
                audit_retention: None,
            });
            assert_eq!((guarantee, guarantee.warning().is_some()), (expected, warns));
        }
    }
}
