//! Settings of forward-auth: path of the policy, and signing of identities.

use std::path::Path;
use std::time::Duration;

use maxlab_auth_core::identity_token::SigningKeys;
use secrecy::ExposeSecret as _;

use super::super::SettingsSource;
use super::{development, faults, load, names, production, settings, warned_of};

#[test]
fn neither_is_switched_on_by_itself() {
    let forward_auth = settings(&[]).forward_auth;
    assert!(forward_auth.policy_file.is_none() && forward_auth.identity.is_none());
}

#[test]
fn the_policy_is_a_path_although_its_name_ends_like_that_of_a_secrets_file() {
    let vars = [
        ("POLICY_FILE", "/etc/policy.toml"),
        ("SECRET_KEY", super::LONG_KEY),
        ("SESSION_ENCRYPTION_KEY", super::FERNET_KEY),
    ];
    let vars = vars.map(|(name, value)| (name.into(), value.into()));
    let (settings, warnings) = load(&SettingsSource::from_vars_and_dotenv(
        vars,
        Path::new("no-such-file"),
    ));
    assert_eq!(
        settings.forward_auth.policy_file.as_deref(),
        Some(Path::new("/etc/policy.toml"))
    );
    assert!(warned_of(&warnings, "POLICY_FILE"), "no proxy is trusted");
    let (_, warnings) = load(&development(&[
        ("POLICY_FILE", "p.toml"),
        ("TRUSTED_PROXIES", "10.0.0.7"),
    ]));
    assert!(!warned_of(&warnings, "POLICY_FILE"));
}

#[test]
fn identities_are_signed_with_a_given_key_or_one_of_ones_own() {
    let key = SigningKeys::generate().unwrap();
    let given = [
        ("IDENTITY_TOKEN", "on"),
        ("IDENTITY_SIGNING_KEY", key.expose_secret()),
        ("IDENTITY_TOKEN_SECONDS", "30"),
    ];
    let identity = settings(&given).forward_auth.identity.unwrap();
    assert!(identity.keys.is_some());
    assert_eq!(
        (identity.lifetime, identity.issuer.as_str()),
        (Duration::from_secs(30), "maxlab-auth")
    );
    let (settings, warnings) = load(&production(&[("IDENTITY_TOKEN", "on")]));
    assert!(settings.forward_auth.identity.unwrap().keys.is_none());
    assert!(warned_of(&warnings, "IDENTITY_SIGNING_KEY"));
}

#[test]
fn faults_are_found_also_while_it_is_off_and_no_key_is_shown() {
    let wrong = [
        ("IDENTITY_TOKEN", "perhaps"),
        ("IDENTITY_TOKEN_SECONDS", "5"),
        ("IDENTITY_SIGNING_KEY", "canary-is-no-key"),
    ];
    let faults = faults(&development(&wrong));
    assert_eq!(names(&faults), wrong.map(|(name, _)| name));
    let message = faults.to_string();
    assert!(
        message.contains("openssl ecparam") && !message.contains("canary"),
        "{message}"
    );
}
