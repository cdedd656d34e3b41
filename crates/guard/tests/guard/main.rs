//! The guard library as an application sees it: its own names, its settings, and its tests' equipment. None
//! of these tests needs a server; those with a real gateway and a real Redis are in `crates/server/tests/guard`.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod causes;
mod examples;
mod fixed;
mod gateway;
mod settings;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use serde_json::Value;
use tower::ServiceExt as _;

/// Answer of a router.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) challenge: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) text: String,
}

impl Answer {
    /// Returns status and `code`.
    pub(crate) fn verdict(&self) -> (u16, String) {
        let body: Value = serde_json::from_str(&self.text).unwrap_or_default();
        (self.status, body["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// Sends a request, with a bearer token if there is one.
pub(crate) async fn send(app: &Router, method: &str, path: &str, token: Option<&str>) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    read(
        app.clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap(),
    )
    .await
}

/// Reads an answer whole.
pub(crate) async fn read(response: Response<Body>) -> Answer {
    let header = |name| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
    let (challenge, retry_after) = (header("www-authenticate"), header("retry-after"));
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    Answer {
        status,
        challenge,
        retry_after,
        text: String::from_utf8(body.to_vec()).unwrap(),
    }
}
