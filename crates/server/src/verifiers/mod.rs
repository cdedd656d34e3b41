//! The layers that ask the authorization server, one file each.

mod account;
mod introspection;
mod userinfo;

pub use account::AccountVerifier;
pub use introspection::IntrospectionVerifier;
pub use userinfo::UserinfoVerifier;

use maxlab_auth_core::credential::PresentedToken;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::{Rejection, Testimony, Verdict};
use reqwest::Method;

use crate::upstream::{AuthServer, Endpoint};

/// Shows a token to an endpoint that answers with its bearer's claims, and reads the answer by the table of the
/// design: 200 is a yes, 401 and 403 are a no, 404, 405 and 501 mean that there is no such endpoint, and anything else
/// means nothing.
async fn shown_to(server: &AuthServer, endpoint: Endpoint, token: &PresentedToken) -> Verdict {
    let Some(request) = server.request(Method::GET, endpoint).await else {
        return Verdict::NotMine;
    };
    let answer = match server.send(endpoint, request.bearer_auth(token.expose())).await {
        Ok(answer) => answer,
        Err(fault) => return Verdict::Unavailable(fault.into()),
    };
    match answer.status.as_u16() {
        200 => match answer.json() {
            Ok(claims) => Verdict::Verified(Box::new(Testimony {
                claims: claims.into(),
                expires_at: None,
                key_id: None,
            })),
            Err(fault) => Verdict::Unavailable(fault.into()),
        },
        401 | 403 => Verdict::Rejected(Rejection::Refused),
        404 | 405 | 501 => Verdict::NotMine,
        status => Verdict::Unavailable(Unavailable::upstream(format_args!(
            "{} answers {status}",
            endpoint.as_str()
        ))),
    }
}
