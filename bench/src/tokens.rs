//! Tokens of usual length.

use maxlab_auth_testkit::TokenForge;
use maxlab_auth_testkit::forge::TokenBuilder;
use serde_json::json;

/// Approximate length of a token, in bytes.
pub const TOKEN_BYTES: usize = 900;

/// Signs `count` different tokens.
pub fn sign_tokens(forge: &TokenForge, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| {
            // Signed twice: the first one shows how many bytes are missing. Base64 makes four bytes of three.
            let short = builder(forge, number).sign().len();
            let missing = TOKEN_BYTES.saturating_sub(short) * 3 / 4;
            builder(forge, number)
                .claim("ctx", "x".repeat(missing.saturating_sub(9)))
                .sign()
        })
        .collect()
}

/// Returns a token with the claims that the gateway passes on.
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
