//! Defaults of the command `dev`.

use std::collections::BTreeMap;

/// Client id that the development authorization server knows.
pub const DEV_CLIENT_ID: &str = "maxlab-dev";

/// Returns the defaults of a gateway next to the development authorization server on `idp_port`. Both are
/// reachable from this machine only. For [`super::SettingsSource::with_defaults`].
#[must_use]
pub fn dev_defaults(idp_port: u16) -> BTreeMap<String, String> {
    [
        ("ENVIRONMENT", "development".to_owned()),
        ("HOST", "127.0.0.1".to_owned()),
        ("EXTERNAL_AUTH_URL", format!("http://localhost:{idp_port}")),
        ("OAUTH_CLIENT_ID", DEV_CLIENT_ID.to_owned()),
        // The front end of the sample in docs/GUIDE.md, and the pages of the development authorization
        // server.
        (
            "CORS_ORIGINS",
            format!("http://localhost:3000,http://localhost:{idp_port}"),
        ),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
