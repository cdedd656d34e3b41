//! `keygen`: new keys, ready for `.env`.

use std::io;

use maxlab_auth_core::identity_token::SigningKeys;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use crate::config::random_text;

/// New keys. They are secrets, and printing them is what the command is for; `Debug` is not given.
#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Keys {
    secret_key: String,
    session_encryption_key: String,
    jwt_secret_key: String,
    identity_signing_key: String,
}

/// What `keygen` prints: one line for each key, or JSON.
///
/// # Errors
/// The operating system gave no random bytes.
pub fn keygen(json: bool) -> io::Result<String> {
    let keys = Keys {
        secret_key: random_text::<32>()?,
        session_encryption_key: random_text::<32>()?,
        // Long enough for HS512 (RFC 7518 §3.2).
        jwt_secret_key: random_text::<64>()?,
        identity_signing_key: SigningKeys::generate()
            .map_err(io::Error::other)?
            .expose_secret()
            .to_owned(),
    };
    if json {
        return Ok(serde_json::to_string_pretty(&keys)? + "\n");
    }
    Ok(format!(
        "# Keep these secret. The same SECRET_KEY and SESSION_ENCRYPTION_KEY go to every instance.\n\
         SECRET_KEY={}\n\
         SESSION_ENCRYPTION_KEY={}\n\
         # Only where the authorization server signs with a shared secret; it needs the same one. Remove the # then.\n\
         # JWT_SECRET_KEY={}\n\
         # Only with IDENTITY_TOKEN=on, to let several instances sign with one key. Remove the # then.\n\
         # IDENTITY_SIGNING_KEY={}\n",
        keys.secret_key, keys.session_encryption_key, keys.jwt_secret_key, keys.identity_signing_key
    ))
}
