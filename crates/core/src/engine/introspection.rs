//! Introspection of an access token (RFC 7662): is it active, and what is known about it.

use jiff::Timestamp;

use super::{AuthFault, Engine};
use crate::credential::PresentedToken;
use crate::identity::Identity;
use crate::unavailable::Unavailable;
use crate::verdict::{IssueTime, RevocationKey};
use crate::verify::UpstreamBudget;

/// Active access token, as introspection describes it (RFC 7662 §2.2).
#[derive(Clone, Debug)]
pub struct IntrospectedToken {
    /// Identity of its user.
    pub identity: Identity,
    /// `jti` at the default issuer, if the token has one.
    pub jti: Option<String>,
    /// Time at which it was issued, if that is known.
    pub issued_at: Option<Timestamp>,
    /// Time at which it expires, if that is known.
    pub expires_at: Option<Timestamp>,
}

impl Engine {
    /// Introspects an access token. `None` for a token that is not active, for any reason. A request to the
    /// authorization server is charged to `budget`.
    ///
    /// # Errors
    /// Fails if a component does not answer: the token may be active then.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn introspect(
        &self,
        token: &PresentedToken,
        budget: &dyn UpstreamBudget,
    ) -> Result<Option<IntrospectedToken>, Unavailable> {
        let active = match self.authenticate_token_within(token, budget).await {
            Ok(active) => active,
            Err(AuthFault::Unavailable(fault)) => return Err(fault),
            Err(_) => return Ok(None),
        };
        let info = active.info();
        // A key that begins with `@` is a hash that stands in for a missing `jti` (decision 2).
        let jti = info.revocation_keys.iter().find_map(|name| match name {
            RevocationKey::Token(key) if !key.as_str().starts_with('@') => Some(key.as_str().to_owned()),
            _ => None,
        });
        Ok(Some(IntrospectedToken {
            jti,
            issued_at: match info.issue_time {
                IssueTime::At(at) | IssueTime::WithinSecond(at) => Some(at),
                IssueTime::Unknown => None,
            },
            expires_at: info.expires_at,
            identity: active.identity().clone(),
        }))
    }
}
