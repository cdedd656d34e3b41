//! `keygen`: makes new keys, ready for `.env`.

use std::io;
use std::path::Path;

use anyhow::Context as _;
use maxlab_auth_core::identity_token::SigningKeys;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use super::args::KeygenArgs;
use super::{CommandError, output};
use crate::config::{KeysWritten, random_base64url, write_missing_keys};

/// New keys.
// No `Debug`, so that the secrets cannot get into a log. `Serialize` is there because the command prints
// them.
#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct NewKeys {
    secret_key: String,
    session_encryption_key: String,
    jwt_secret_key: String,
    identity_signing_key: String,
}

/// Prints new keys, or writes the missing ones into a file.
pub(super) fn run(args: &KeygenArgs) -> Result<(), CommandError> {
    let Some(file) = &args.write else {
        return Ok(output::print(&render_new_keys(args.output.json)?)?);
    };
    let result = write_to_dotenv(file).with_context(|| format!("{} was not changed", file.display()))?;
    if args.output.json {
        return Ok(output::print_json(&serde_json::json!(result))?);
    }
    for name in &result.written {
        output::print(&format!("{name}: new key written to {}\n", file.display()))?;
    }
    for name in &result.kept {
        output::print(&format!("{name}: has a key already, which was not changed\n"))?;
    }
    Ok(())
}

fn write_to_dotenv(file: &Path) -> io::Result<KeysWritten> {
    let keys = NewKeys::generate()?;
    // Only what production requires. The other two appear as comments in a new file.
    let required = [
        ("SECRET_KEY", keys.secret_key.as_str()),
        ("SESSION_ENCRYPTION_KEY", keys.session_encryption_key.as_str()),
    ];
    write_missing_keys(file, &required, &keys.to_dotenv())
}

/// Returns the output of `keygen`: one line for each key, or JSON.
///
/// # Errors
/// If the operating system gives no random bytes.
pub fn render_new_keys(json: bool) -> io::Result<String> {
    let keys = NewKeys::generate()?;
    if json {
        return Ok(serde_json::to_string_pretty(&keys)? + "\n");
    }
    Ok(keys.to_dotenv())
}

impl NewKeys {
    fn generate() -> io::Result<Self> {
        Ok(Self {
            secret_key: random_base64url::<32>()?,
            session_encryption_key: random_base64url::<32>()?,
            // Long enough for HS512 (RFC 7518 §3.2).
            jwt_secret_key: random_base64url::<64>()?,
            identity_signing_key: SigningKeys::generate()
                .map_err(io::Error::other)?
                .expose_secret()
                .to_owned(),
        })
    }

    fn to_dotenv(&self) -> String {
        format!(
            "# Keep these secret. Every instance needs the same SECRET_KEY and SESSION_ENCRYPTION_KEY.\n\
         SECRET_KEY={}\n\
         SESSION_ENCRYPTION_KEY={}\n\
         # Only if the authorization server signs with a shared secret: give it the same one, and remove the # here.\n\
         # JWT_SECRET_KEY={}\n\
         # Only with IDENTITY_TOKEN=on and several instances, which must sign with one key: remove the # then.\n\
         # IDENTITY_SIGNING_KEY={}\n",
            self.secret_key, self.session_encryption_key, self.jwt_secret_key, self.identity_signing_key
        )
    }
}
