//! JWT that the issuer signs as an answer, and not as a token: userinfo (OpenID Connect Core §5.3.2).

use std::fmt::Display;
use std::time::Duration;

use jiff::Timestamp;

use super::JwtCheck;
use crate::clock;
use crate::unavailable::Unavailable;
use maxlab_auth_jose::{AuthenticClaims, CompactJws};

impl JwtCheck {
    /// Returns the claims of an answer that a published key of the issuer signs, that names the issuer in
    /// `iss`, and that has not expired. The rules for access tokens (audience, kind) do not apply.
    ///
    /// # Errors
    /// Fails if the answer is not proven. That says nothing about the token that it is about.
    pub async fn signed_answer(&self, text: &str, now: Timestamp) -> Result<AuthenticClaims, Unavailable> {
        let jws = CompactJws::parse(text.trim()).map_err(unproven)?;
        let header = jws.header();
        let Some(source) = self.published_keys.as_ref().filter(|_| {
            header
                .algorithm()
                .is_some_and(|algorithm| !algorithm.is_symmetric())
        }) else {
            return Err(unproven("it can only be verified with a published key"));
        };
        let Some(keys) = source.keys_for(header.kid(), now).await? else {
            return Err(unproven("the issuer publishes no keys"));
        };
        let claims = self.signed_claims(&jws, &keys).map_err(unproven)?;
        // After the fetch, which may have found the issuer.
        let Some(issuer) = self.issuer(now) else {
            return Err(unproven("the issuer is unknown; set JWT_ISSUER"));
        };
        if claims.issuer().map_err(unproven)? != Some(&issuer) {
            return Err(unproven("its iss is not the issuer"));
        }
        let leeway = Duration::from_secs(self.claims_policy.leeway_seconds);
        match claims.expires_at().map_err(unproven)? {
            Some(at) if clock::after(at, leeway) <= now => Err(unproven("it has expired")),
            _ => Ok(claims),
        }
    }
}

fn unproven(why: impl Display) -> Unavailable {
    Unavailable::upstream(format_args!("its signed answer is not accepted: {why}"))
}
