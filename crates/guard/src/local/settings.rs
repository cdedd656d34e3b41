//! Settings of a guard that verifies in this process.

use std::time::Duration;

use maxlab_auth_core::guard::GuardConfig;
use maxlab_auth_core::identity::ClaimPaths;
use maxlab_auth_jose::{Algorithm, TypRule};
use maxlab_auth_store::RedisStore;

use crate::setup_fault::SetupFault;

/// Largest difference of the clocks. A gateway's cut-off covers tokens that are issued up to that much later,
/// and no later ones.
const MAX_SKEW: Duration = Duration::from_secs(60);

/// Returns the default of the gateway's `ADMIN_ROLES`, so that both agree unless the application differs.
pub(crate) fn default_admin_roles() -> Vec<String> {
    ["admin", "administrator"].map(str::to_owned).to_vec()
}

/// Settings of a guard that verifies in this process. They must be the gateways' own:
/// [`from_gateway`](Self::from_gateway) reads them from what `maxlab-auth guard-config` prints.
///
/// ```
/// # use maxlab_auth_guard::{LocalVerifierSettings, RedisStore};
/// # use std::time::Duration;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let redis = RedisStore::open("redis://127.0.0.1:6379")?;
/// let settings = LocalVerifierSettings::new(redis, "https://auth.example.com/jwks", "https://auth.example.com")
///     .audiences(["my-api"])
///     .lease(Duration::from_secs(3));
/// # Ok(())
/// # }
/// ```
///
/// This mode accepts tokens only. Session cookies need the keys that seal sessions, and only the gateways
/// have those.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LocalVerifierSettings {
    /// The Redis that the gateways share.
    pub store: RedisStore,
    /// URL at which the issuer publishes its keys (`JWKS_URL`). It is fetched through `HTTPS_PROXY` or
    /// `HTTP_PROXY` of the environment, if `NO_PROXY` does not name its host.
    pub jwks_url: String,
    /// The issuer, compared exactly (`JWT_ISSUER`).
    pub issuer: String,
    /// Accepted audiences: `aud` must contain one of them. An empty list accepts any (`JWT_AUDIENCE`).
    pub audiences: Vec<String>,
    /// Accepted signature algorithms; the default is every asymmetric one (`JWT_ALGORITHM`).
    pub algorithms: Vec<Algorithm>,
    /// Required `typ` of a token's header (`JWT_TYPE`).
    pub token_types: TypRule,
    /// Claims from which each part of an identity is read (`CLAIM_*`).
    pub claim_paths: ClaimPaths,
    /// Tolerated difference of the issuer's clock: 10 s by default, at most 60 s (`CLOCK_SKEW_SECONDS`).
    pub skew: Duration,
    /// Time for which the result of a signature check is cached: 5 s by default. Revocations are still
    /// checked on every request (`VERIFY_CACHE_SECONDS`).
    pub cache_ttl: Duration,
    /// Lifetime of a token without `exp`, counted from its `iat`: 15 minutes by default
    /// (`JWT_EXPIRE_MINUTES`).
    pub lifetime_without_exp: Duration,
    /// Time for which this process goes on answering when it cannot reach Redis: 5 s by default. It must not
    /// be longer than the gateways' (`REVOCATION_LEASE_SECONDS`): after a flush they wait for one of their
    /// own leases before they acknowledge.
    pub lease: Duration,
    /// Time limit of fetching the key set: 10 s by default (`UPSTREAM_TIMEOUT_SECONDS`).
    pub timeout: Duration,
    /// Roles that make an administrator; `admin` and `administrator` by default (`ADMIN_ROLES`).
    pub admin_roles: Vec<String>,
}

impl LocalVerifierSettings {
    /// Returns settings with the gateways' defaults for everything else.
    pub fn new(store: RedisStore, jwks_url: impl Into<String>, issuer: impl Into<String>) -> Self {
        // Never a symmetric one: with an HMAC under a published key, anyone could sign.
        let asymmetric = Algorithm::ALL
            .into_iter()
            .filter(|algorithm| !algorithm.is_symmetric());
        Self {
            store,
            jwks_url: jwks_url.into(),
            issuer: issuer.into(),
            audiences: Vec::new(),
            algorithms: asymmetric.collect(),
            token_types: TypRule::Any,
            claim_paths: ClaimPaths::default(),
            skew: Duration::from_secs(10),
            cache_ttl: Duration::from_secs(5),
            lifetime_without_exp: Duration::from_secs(15 * 60),
            lease: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            admin_roles: default_admin_roles(),
        }
    }

    /// Reads the gateways' settings from the document that `maxlab-auth guard-config` prints. The address and
    /// the password of Redis are not in it, so that it is no secret.
    ///
    /// # Errors
    /// [`SetupFault::GatewayConfig`] if a member is missing, unknown or malformed, so that no setting of the
    /// gateways is ignored.
    pub fn from_gateway(store: RedisStore, document: &str) -> Result<Self, SetupFault> {
        let config: GuardConfig =
            serde_json::from_str(document).map_err(|fault| SetupFault::GatewayConfig(fault.to_string()))?;
        let settings = Self {
            store,
            jwks_url: config.jwks_url,
            issuer: config.issuer,
            audiences: config.audiences,
            algorithms: config.algorithms,
            token_types: config.token_type,
            claim_paths: config.claims,
            skew: Duration::from_secs(config.clock_skew_seconds),
            cache_ttl: Duration::from_secs(config.verify_cache_seconds),
            lifetime_without_exp: Duration::from_secs(config.lifetime_without_exp_seconds),
            lease: Duration::from_secs(config.revocation_lease_seconds),
            timeout: Duration::from_millis(config.upstream_timeout_milliseconds),
            admin_roles: config.admin_roles,
        };
        settings.check()?;
        Ok(settings)
    }

    /// Checks what the types do not.
    pub(super) fn check(&self) -> Result<(), SetupFault> {
        let symmetric = self.algorithms.iter().any(|algorithm| algorithm.is_symmetric());
        if self.lease.is_zero() || symmetric {
            return Err(SetupFault::Settings(
                "lease must be longer than zero, and algorithms must not contain HS256, HS384 or HS512",
            ));
        }
        if self.skew > MAX_SKEW {
            return Err(SetupFault::Settings("skew must be at most 60 seconds"));
        }
        // An issuer is what makes the keys prove anything: without one, no `iss` would equal it.
        if self.issuer.is_empty() {
            return Err(SetupFault::Settings("issuer must not be empty"));
        }
        Ok(())
    }
}

/// Makes the methods that set one member each.
macro_rules! setters {
    ($($(#[$doc:meta])+ $name:ident: $type:ty;)+) => {
        impl LocalVerifierSettings { $(
            $(#[$doc])+
            #[must_use]
            pub fn $name(mut self, $name: $type) -> Self {
                self.$name = $name;
                self
            }
        )+ }
    };
}

setters! {
    /// Sets the accepted algorithms.
    algorithms: Vec<Algorithm>;
    /// Sets the rule for the `typ` of a token's header.
    token_types: TypRule;
    /// Sets the claims from which an identity is read.
    claim_paths: ClaimPaths;
    /// Sets the tolerated difference of the issuer's clock.
    skew: Duration;
    /// Sets the time for which the result of a signature check is cached.
    cache_ttl: Duration;
    /// Sets the lifetime of a token without `exp`.
    lifetime_without_exp: Duration;
    /// Sets the time for which this process answers without Redis.
    lease: Duration;
    /// Sets the time limit of fetching the key set.
    timeout: Duration;
}

impl LocalVerifierSettings {
    /// Sets the accepted audiences.
    #[must_use]
    pub fn audiences<A: Into<String>>(mut self, audiences: impl IntoIterator<Item = A>) -> Self {
        self.audiences = audiences.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the roles that make an administrator.
    #[must_use]
    pub fn admin_roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.admin_roles = roles.into_iter().map(Into::into).collect();
        self
    }
}
