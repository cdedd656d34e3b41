//! What `dev` takes for granted where the operator said nothing else.

use std::collections::BTreeMap;

/// The client that the development authorization server knows.
pub const DEV_CLIENT_ID: &str = "maxlab-dev";

/// Defaults for a gateway beside the development authorization server on `idp_port`, this machine only.
/// For [`super::Source::with_defaults`].
#[must_use]
pub fn dev_defaults(idp_port: u16) -> BTreeMap<String, String> {
    [
        ("ENVIRONMENT", "development".to_owned()),
        ("HOST", "127.0.0.1".to_owned()),
        ("EXTERNAL_AUTH_URL", format!("http://localhost:{idp_port}")),
        ("OAUTH_CLIENT_ID", DEV_CLIENT_ID.to_owned()),
        (
            "CORS_ORIGINS",
            format!("http://localhost:3000,http://localhost:{idp_port}"),
        ),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
