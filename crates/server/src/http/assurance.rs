//! Reports the grounds on which a credential was accepted: in the debug log, and in development also in a
//! response header (invariant I3).

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use maxlab_auth_core::verdict::ActiveCredential;

use super::app_state::SharedState;

const X_AUTH_ASSURANCE: HeaderName = HeaderName::from_static("x-auth-assurance");

/// Adds the grounds to `headers` if the settings allow that, and logs them at DEBUG.
pub(crate) fn report(gateway: &SharedState, active: &ActiveCredential, headers: &mut HeaderMap) {
    // A closure, because in production the text is neither sent nor logged.
    let grounds = || {
        let info = active.info();
        let layer = info.identity.verification_source.as_str();
        let key = info.key_id.as_deref().unwrap_or("-");
        format!("layer={layer}; key={key}; {}", active.assurance())
    };
    if gateway.shows_assurance
        && let Ok(value) = HeaderValue::from_bytes(grounds().as_bytes())
    {
        headers.insert(X_AUTH_ASSURANCE, value);
    }
    if tracing::enabled!(tracing::Level::DEBUG) {
        tracing::debug!(
            user_id = %active.identity().subject(),
            grounds = grounds(),
            "credential accepted"
        );
    }
}
