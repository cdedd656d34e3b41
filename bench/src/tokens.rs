//! Tokens of a usual length.

use maxlab_auth_testkit::TokenForge;
use maxlab_auth_testkit::forge::TokenBuilder;
use serde_json::json;

/// About so many bytes each.
pub const LENGTH: usize = 900;

/// So many different ones.
pub fn of(forge: &TokenForge, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| {
            let short = builder(forge, number).sign().len();
            let missing = LENGTH.saturating_sub(short) * 3 / 4;
            builder(forge, number)
                .claim("ctx", "x".repeat(missing.saturating_sub(9)))
                .sign()
        })
        .collect()
}

fn builder(forge: &TokenForge, number: usize) -> TokenBuilder {
    forge
        .access_token(&format!("user-{number}"))
        .expires_in(3_600)
        .claim("email", format!("user-{number}@example.test"))
        .claim("name", format!("User {number}"))
        .claim("roles", json!(["member", "editor"]))
        .claim("groups", json!(["research", "platform"]))
        .claim("scope", "openid profile")
}
