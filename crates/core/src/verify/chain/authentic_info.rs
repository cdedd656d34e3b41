//! Info about a signed token, even if it is not valid now.

use std::sync::Arc;

use jiff::Timestamp;

use super::VerifyChain;
use super::other_issuers::TokenJudge;
use crate::identity::VerificationSource;
use crate::verdict::CredentialInfo;
use crate::verify::ParsedToken;
use crate::verify::claims::ClaimsReader;
use maxlab_auth_jose::TokenShape;

impl VerifyChain {
    /// Returns the info in a signed token whose signature a cached key proves, and whose
    /// issuer, audience and type are right.
    ///
    /// The token may have expired or be not valid yet. So this authenticates no one. It proves to whom the
    /// token was issued, so that its holder may end that login (decision 17). No request is made.
    pub fn authentic_info(&self, parsed: &ParsedToken<'_>, now: Timestamp) -> Option<Arc<CredentialInfo>> {
        let TokenShape::Jws(jws) = parsed.shape() else {
            return None;
        };
        match self.judge_of(parsed, now) {
            TokenJudge::This => {}
            TokenJudge::Other(other) => return other.authentic_info(parsed, now),
            TokenJudge::Untrusted | TokenJudge::Unknown => return None,
        }
        let (claims, valid_at) = self.jwt.as_ref()?.authentic_claims(jws, now)?;
        let reader = ClaimsReader {
            claim_paths: &self.claim_paths,
            issuer: &self.issuer,
            issuers: &self.issuers,
            leeway: self.leeway(),
            parsed,
            proven: Some(&claims),
            // Read as at a time when the token is valid, so that its expiry is no reason to reject it.
            now: valid_at,
        };
        let info = reader.credential_info(VerificationSource::LocalJwt, &claims);
        info.ok().map(Arc::new)
    }
}
