//! Provenance of tokens: the client that they were issued to, their issuer, and their session there.

use jiff::Timestamp;

use super::Engine;
use crate::credential::PresentedToken;
use crate::identity::UpstreamSession;
use crate::verdict::{CutoffScope, IssueTime};
use maxlab_auth_jose::{TokenShape, shape_of};

/// Client, issuer and upstream session that a signed token names. If the token is unproven, they may only be used to
/// refuse it.
#[derive(Clone, Debug, Default)]
pub(super) struct TokenProvenance {
    pub(super) client_id: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) upstream_session: Option<UpstreamSession>,
    pub(super) issued_at: Option<Timestamp>,
}

impl Engine {
    /// Reads the claims of a signed token without a signature check. Returns an empty value for an opaque
    /// token.
    pub(super) fn provenance_of(&self, token: &PresentedToken) -> TokenProvenance {
        let shape = shape_of(token.expose());
        let issuer = self.deps.chain.issuer_of(&shape);
        let TokenShape::Jws(jws) = shape else {
            return TokenProvenance::default();
        };
        // A false name in these claims can only make the gateway refuse more, never accept.
        let claims = jws.claims_vouched_by_issuer();
        let text = |name: &str| {
            let value = claims.get(name)?.as_str()?;
            Some(value.to_owned())
        };
        let issued_at = claims.get("iat").and_then(serde_json::Value::as_i64);
        let sid = text("sid").filter(|sid| !sid.is_empty());
        TokenProvenance {
            // RFC 9068 §2.2 names the client in `client_id`; other servers use `azp` of OpenID Connect Core
            // §2.
            client_id: text("client_id").or_else(|| text("azp")),
            issuer: text("iss"),
            upstream_session: sid.map(|sid| UpstreamSession::new(issuer, sid)),
            issued_at: issued_at.and_then(|at| Timestamp::from_second(at).ok()),
        }
    }
}

impl TokenProvenance {
    pub(super) fn issued(&self) -> IssueTime {
        self.issued_at.map_or(IssueTime::Unknown, IssueTime::WithinSecond)
    }

    /// Returns the scopes whose cut-offs cover such a token.
    pub(super) fn cutoff_scopes(self) -> impl Iterator<Item = CutoffScope> {
        let client = self.client_id.map(CutoffScope::Client);
        let upstream_session = self.upstream_session.map(CutoffScope::UpstreamSession);
        let issuer = self.issuer.map(CutoffScope::Issuer);
        client.into_iter().chain(issuer).chain(upstream_session)
    }
}

/// Adds the scopes that are not in the list yet.
pub(super) fn add_cutoff_scopes(
    scopes: &mut Vec<CutoffScope>,
    additional: impl IntoIterator<Item = CutoffScope>,
) {
    for scope in additional {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
}
