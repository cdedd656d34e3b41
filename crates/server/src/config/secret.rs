//! Checks of secrets: not a sample value, and long enough.

use maxlab_auth_core::seal::SealingKeys;
use secrecy::SecretString;

use super::app::Environment;
use super::faults::InvalidValue;
use super::reader::SettingsReader;

/// Beginnings of sample values, such as `your-super-secret-key-here` in docs/GUIDE.md, or `change-me`.
const SAMPLE_PREFIXES: [&str; 6] = ["your-", "your_", "change-me", "change_me", "changeme", "<"];

/// Returns whether the text is a placeholder that the operator should have replaced.
pub(super) fn is_sample(text: &str) -> bool {
    // Samples are written in either case: `CHANGE-ME`, `change-me`.
    let text = text.trim().to_ascii_lowercase();
    SAMPLE_PREFIXES
        .iter()
        .any(|beginning| text.starts_with(beginning))
}

/// Parses a key of the gateway itself. A sample value is refused in every environment: everyone knows it.
pub(super) fn gateway_secret(text: &str) -> Result<SecretString, InvalidValue> {
    if is_sample(text) {
        return Err(InvalidValue::new(
            "is a sample value, not a key",
            "generate one with `maxlab-auth keygen`",
        ));
    }
    Ok(SecretString::from(text))
}

/// Parses a secret that another service issued.
pub(super) fn external_secret(text: &str) -> Result<SecretString, InvalidValue> {
    if is_sample(text) {
        return Err(InvalidValue::new(
            "is a sample value, not a secret",
            "set the secret that the authorization server knows for this client",
        ));
    }
    Ok(SecretString::from(text))
}

/// Parses Fernet keys, separated by commas. The first one encrypts, all of them decrypt.
pub(super) fn sealing_keys(text: &str) -> Result<SealingKeys, InvalidValue> {
    let remedy = "generate one with `maxlab-auth keygen`; to rotate, put the new key first and keep the old one after a comma";
    // Each key by itself, so that the fault names the sample and not the form.
    if text.split(',').any(is_sample) {
        return Err(InvalidValue::new("is a sample value, not a key", remedy));
    }
    SealingKeys::parse(text)
        .map_err(|fault| InvalidValue::new(format!("is not a list of Fernet keys: {fault}"), remedy))
}

/// Reports a secret of fewer than `least` bytes: a fault in production, a warning elsewhere.
pub(super) fn check_length(
    reader: &mut SettingsReader<'_>,
    environment: Environment,
    name: &'static str,
    length: usize,
    least: usize,
) {
    if length < least {
        let problem = format!("it is shorter than {least} bytes");
        reader.fault_in_production(
            environment,
            name,
            &problem,
            "generate one with `maxlab-auth keygen`",
        );
    }
}
