//! Settings that a guard in another process must share with the gateways, as one JSON document.

use maxlab_auth_jose::{Algorithm, TypRule};
use serde::{Deserialize, Serialize};

use crate::identity::ClaimPaths;

/// Settings of the gateways that decide which tokens a guard accepts. `maxlab-auth guard-config` prints them
/// and the guard library reads them. Contains no secret.
///
/// Every member is required and an unknown one is an error: a guard that ignored a setting of the gateways
/// could accept what they refuse.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardConfig {
    /// Issuer of the tokens: `JWT_ISSUER`, or the one that the metadata names.
    pub issuer: String,
    /// URL of the issuer's keys: `JWKS_URL`, or the one that the metadata names.
    pub jwks_url: String,
    /// `JWT_AUDIENCE`. An empty list accepts any audience.
    pub audiences: Vec<String>,
    /// `JWT_ALGORITHM`: asymmetric algorithms.
    #[serde(with = "algorithm_names")]
    pub algorithms: Vec<Algorithm>,
    /// `JWT_TYPE`.
    #[serde(with = "TypRuleWord")]
    pub token_type: TypRule,
    /// `JWT_EXPIRE_MINUTES`, in seconds.
    pub lifetime_without_exp_seconds: u64,
    /// `CLOCK_SKEW_SECONDS`.
    pub clock_skew_seconds: u64,
    /// `VERIFY_CACHE_SECONDS`.
    pub verify_cache_seconds: u64,
    /// `REVOCATION_LEASE_SECONDS`.
    pub revocation_lease_seconds: u64,
    /// `UPSTREAM_TIMEOUT_SECONDS`, which may be a fraction, in milliseconds.
    pub upstream_timeout_milliseconds: u64,
    /// `ADMIN_ROLES`.
    pub admin_roles: Vec<String>,
    /// `CLAIM_*`, `UNVERIFIED_EMAIL`, and whether `WORKSPACE_SOURCE` excludes claims.
    pub claims: ClaimPaths,
}

/// Spelling of [`TypRule`], equal to that of `JWT_TYPE`.
#[derive(Serialize, Deserialize)]
#[serde(remote = "TypRule")]
enum TypRuleWord {
    #[serde(rename = "any")]
    Any,
    #[serde(rename = "at+jwt")]
    AccessToken,
}

/// Algorithms by their registered names (RFC 7518 §3.1).
mod algorithm_names {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Algorithm;

    pub(super) fn serialize<S: Serializer>(
        algorithms: &[Algorithm],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(algorithms.iter().map(|algorithm| algorithm.name()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Algorithm>, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let parsed = names.iter().map(|name| name.parse().map_err(D::Error::custom));
        parsed.collect()
    }
}
