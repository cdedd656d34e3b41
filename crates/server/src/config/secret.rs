//! What makes a text fit to be a secret: it is not the guide's sample, and it is long enough.

use maxlab_auth_core::seal::SealingKeys;
use secrecy::SecretString;

use super::app::Environment;
use super::fault::Wrong;
use super::reader::Reader;

/// How the guide and other samples begin: `your-super-secret-key-here`, `change-me`.
const SAMPLE_BEGINNINGS: [&str; 6] = ["your-", "your_", "change-me", "change_me", "changeme", "<"];

/// Whether the text is a placeholder that a person was to replace.
pub(super) fn is_sample(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    SAMPLE_BEGINNINGS
        .iter()
        .any(|beginning| text.starts_with(beginning))
}

/// A key that the gateway makes for itself; a sample is refused in every environment.
pub(super) fn own_key(text: &str) -> Result<SecretString, Wrong> {
    if is_sample(text) {
        return Err(Wrong::new(
            "is the guide's sample, not a key",
            "make one with `maxlab-auth keygen`",
        ));
    }
    Ok(SecretString::from(text))
}

/// A secret that somebody else gave.
pub(super) fn given_secret(text: &str) -> Result<SecretString, Wrong> {
    if is_sample(text) {
        return Err(Wrong::new(
            "is a sample, not a secret",
            "set the secret that the authorization server knows for this client",
        ));
    }
    Ok(SecretString::from(text))
}

/// Fernet keys between commas; the first seals, all of them open.
pub(super) fn sealing_keys(text: &str) -> Result<SealingKeys, Wrong> {
    let remedy =
        "make one with `maxlab-auth keygen`; to rotate, put the new key first and keep the old after a comma";
    if text.split(',').any(is_sample) {
        return Err(Wrong::new("is the guide's sample, not a key", remedy));
    }
    SealingKeys::parse(text)
        .map_err(|fault| Wrong::new(format!("is not a list of Fernet keys: {fault}"), remedy))
}

/// Objects to a secret of fewer than `least` bytes: a fault in production, a warning elsewhere.
pub(super) fn object_if_short(
    reader: &mut Reader<'_>,
    environment: Environment,
    name: &'static str,
    length: usize,
    least: usize,
) {
    if length < least {
        let problem = format!("it is shorter than {least} bytes");
        reader.object(environment, name, &problem, "make one with `maxlab-auth keygen`");
    }
}
