//! On what grounds a credential was accepted, for those who want to see it: in the debug log, and in development in a
//! header of the answer (invariant I3).

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use maxlab_auth_core::revocation::Live;

use super::gateway::Gateway;

const HEADER: HeaderName = HeaderName::from_static("x-auth-assurance");

/// Says it, as far as anybody may know.
pub(crate) fn show(gateway: &Gateway, live: &Live, headers: &mut HeaderMap) {
    let grounds = || {
        let facts = live.facts();
        let layer = facts.identity.verification_source.as_str();
        let key = facts.key_id.as_deref().unwrap_or("-");
        format!("layer={layer}; key={key}; {}", live.assurance())
    };
    if gateway.shows_assurance
        && let Ok(value) = HeaderValue::from_bytes(grounds().as_bytes())
    {
        headers.insert(HEADER, value);
    }
    if tracing::enabled!(tracing::Level::DEBUG) {
        tracing::debug!(user_id = live.identity().user_id, grounds = grounds(), "accepted");
    }
}
