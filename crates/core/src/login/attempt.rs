//! Attempt to log in: what the gateway must remember from the start to the callback, sealed into `state`.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::browser_binding::BrowserBinding;
use crate::clock;
use crate::credential::{hex, sha256};
use crate::random;
use crate::seal::{SealFault, SealedValue, SealingKeyFault, SealingKeys};
use crate::unavailable::Unavailable;

/// Time for which an attempt is still recognized, so that its target is known when it is begun again. The
/// limit for a login is shorter (`LOGIN_ATTEMPT_SECONDS`).
const RECOGNIZED_FOR: Duration = Duration::from_secs(24 * 3_600);

/// Keys that seal attempts, from `SECRET_KEY`: the first one seals, every one opens.
#[derive(Clone)]
pub struct LoginKeys(SealingKeys);

impl LoginKeys {
    /// Derives the keys from the comma-separated secrets of `SECRET_KEY`.
    ///
    /// # Errors
    /// The list is empty.
    pub fn derive(secrets: &str) -> Result<Self, SealingKeyFault> {
        let derived: Vec<String> = secrets
            .split(',')
            .map(str::trim)
            .filter(|secret| !secret.is_empty())
            .map(|secret| {
                let input = Zeroizing::new(format!("maxlab-auth/login/{secret}").into_bytes());
                URL_SAFE.encode(sha256(&input))
            })
            .collect();
        SealingKeys::parse(&derived.join(",")).map(Self)
    }
}

impl std::fmt::Debug for LoginKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("LoginKeys(..)")
    }
}

/// Wishes of the request that began the login, passed on to the provider (OpenID Connect Core §3.1.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginWishes {
    /// `prompt`: `none`, `login`, `consent` or `select_account`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// `max_age`: longest time since the person proved who they are, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
    /// `acr_values`: wanted strengths of the proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
}

impl LoginWishes {
    /// Returns `true` if a session that exists does not satisfy them.
    pub fn need_provider(&self) -> bool {
        self.max_age.is_some() || self.acr.is_some() || self.prompt.as_deref().is_some_and(|it| it != "none")
    }
}

/// Attempt to log in. Its secrets are in here and nowhere else, so only the sealed form leaves the gateway.
#[derive(Clone, Serialize, Deserialize)]
pub struct LoginAttempt {
    /// Random part. Nonce and verifier are derived from it.
    seed: String,
    /// Id of the provider.
    pub provider: String,
    /// Address to which the browser goes after the login.
    pub return_to: String,
    /// Start of the attempt, by the gateway's clock.
    pub started_at: Timestamp,
    /// Hash of the browser's cookie.
    browser: String,
    /// `true` if it was begun again by the gateway, which happens once.
    #[serde(default)]
    pub is_restart: bool,
    /// Wishes of the request.
    #[serde(default)]
    pub wishes: LoginWishes,
}

/// Reason for which a `state` is no attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttemptFault {
    /// Not sealed by this gateway, changed, or far too old.
    #[error("the state is not one of this gateway")]
    NotAuthentic,
    /// Begun longer ago than a login may take. Its target is known.
    #[error("the login took too long")]
    Expired,
}

impl LoginAttempt {
    /// Begins an attempt.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn begin(
        provider: &str,
        return_to: &str,
        browser: &BrowserBinding,
        wishes: LoginWishes,
        now: Timestamp,
    ) -> Result<Self, Unavailable> {
        Ok(Self {
            seed: hex(&random::bytes::<32>()?),
            provider: provider.to_owned(),
            return_to: return_to.to_owned(),
            started_at: now,
            browser: browser.hash(),
            is_restart: false,
            wishes,
        })
    }

    /// Begins the same login again, for this browser. Returns `None` if that was done before.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn begin_again(&self, browser: &BrowserBinding, now: Timestamp) -> Result<Option<Self>, Unavailable> {
        if self.is_restart {
            return Ok(None);
        }
        let begun = Self::begin(&self.provider, &self.return_to, browser, self.wishes.clone(), now)?;
        Ok(Some(Self {
            is_restart: true,
            ..begun
        }))
    }

    /// Seals the attempt into the text of the `state` parameter.
    pub fn seal(&self, keys: &LoginKeys, now: Timestamp) -> String {
        // Fails for no value of this type. An empty state would be refused at the callback.
        let text = Zeroizing::new(serde_json::to_vec(self).unwrap_or_default());
        keys.0.seal(&text, now).as_str().to_owned()
    }

    /// Opens a `state` parameter. It may be older than a login may take: see [`check_age`](Self::check_age).
    ///
    /// # Errors
    /// [`AttemptFault::NotAuthentic`].
    pub fn open(keys: &LoginKeys, state: &str, now: Timestamp) -> Result<Self, AttemptFault> {
        // One spelling: base64 ignores the last bits of a text that was not encoded by us.
        let canonical = |text: &str| URL_SAFE.decode(text).map(|bytes| URL_SAFE.encode(bytes));
        if canonical(state).as_deref() != Ok(state) {
            return Err(AttemptFault::NotAuthentic);
        }
        let sealed = SealedValue::from_stored(state.to_owned());
        let opened = keys
            .0
            .open(&sealed, RECOGNIZED_FOR, now)
            .map_err(|fault| match fault {
                SealFault::NotAuthentic | SealFault::Stale | SealFault::SealedInFuture => {
                    AttemptFault::NotAuthentic
                }
            })?;
        serde_json::from_slice(&opened).map_err(|_| AttemptFault::NotAuthentic)
    }

    /// Checks that the login took no longer than `limit`.
    ///
    /// # Errors
    /// [`AttemptFault::Expired`].
    pub fn check_age(&self, limit: Duration, now: Timestamp) -> Result<(), AttemptFault> {
        if clock::after(self.started_at, limit) < now {
            return Err(AttemptFault::Expired);
        }
        Ok(())
    }

    /// Returns `true` if this browser began the attempt.
    pub fn is_of(&self, browser: &BrowserBinding) -> bool {
        self.browser == browser.hash()
    }

    /// Returns the name under which a callback of this attempt is claimed.
    pub fn claim_name(&self) -> String {
        format!("login attempt {}", hex(&self.derive("claim", "")))
    }

    /// Returns the `nonce` (OpenID Connect Core §3.1.2.1).
    pub fn nonce(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.derive("nonce", ""))
    }

    /// Returns the `code_verifier` (RFC 7636 §4.1). It needs the browser's cookie, so that no other browser can
    /// redeem the code.
    pub fn code_verifier(&self, browser: &BrowserBinding) -> String {
        URL_SAFE_NO_PAD.encode(self.derive("pkce", browser.expose()))
    }

    /// Returns the `code_challenge` for the method S256 (RFC 7636 §4.2).
    pub fn code_challenge(&self, browser: &BrowserBinding) -> String {
        URL_SAFE_NO_PAD.encode(sha256(self.code_verifier(browser).as_bytes()))
    }

    fn derive(&self, purpose: &str, with: &str) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.seed.as_bytes());
        hmac::sign(&key, format!("{purpose}/{with}").as_bytes())
            .as_ref()
            .to_vec()
    }
}

impl std::fmt::Debug for LoginAttempt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("LoginAttempt")
            .field("provider", &self.provider)
            .field("started_at", &self.started_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn attempt(browser: &BrowserBinding) -> LoginAttempt {
        LoginAttempt::begin("default", "/a?b=1", browser, LoginWishes::default(), now()).unwrap()
    }

    #[test]
    fn c01_a_state_opens_as_it_was_sealed_and_in_no_other_form() {
        let keys = LoginKeys::derive("first").unwrap();
        let state = attempt(&BrowserBinding::generate().unwrap()).seal(&keys, now());
        assert_eq!(
            LoginAttempt::open(&keys, &state, now()).unwrap().return_to,
            "/a?b=1"
        );
        let mut flipped = state.clone().into_bytes();
        flipped[20] ^= 1;
        let flipped = String::from_utf8_lossy(&flipped).into_owned();
        let cut = state[..state.len() - 4].to_owned();
        for other in [
            "",
            "x",
            &flipped,
            &cut,
            &format!("{state}="),
            &format!(" {state}"),
        ] {
            assert_eq!(
                LoginAttempt::open(&keys, other, now()).unwrap_err(),
                AttemptFault::NotAuthentic,
                "{other}"
            );
        }
        assert!(state.len() <= 1_024, "{}", state.len());
    }

    #[test]
    fn c43_a_state_of_the_key_before_opens_and_one_of_another_key_does_not() {
        let state =
            attempt(&BrowserBinding::generate().unwrap()).seal(&LoginKeys::derive("old").unwrap(), now());
        assert!(LoginAttempt::open(&LoginKeys::derive("new, old").unwrap(), &state, now()).is_ok());
        assert!(LoginAttempt::open(&LoginKeys::derive("new").unwrap(), &state, now()).is_err());
        assert!(LoginKeys::derive(" , ").is_err());
    }

    #[test]
    fn c02_a_slow_login_is_recognized_for_a_day() {
        let keys = LoginKeys::derive("key").unwrap();
        let attempt = attempt(&BrowserBinding::generate().unwrap());
        let state = attempt.seal(&keys, now());
        let at = |hours: u64| clock::after(now(), Duration::from_secs(hours * 3_600 + 1));
        let limit = Duration::from_secs(3_600);
        assert!(attempt.check_age(limit, at(0)).is_ok());
        let late = LoginAttempt::open(&keys, &state, at(23)).unwrap();
        assert_eq!(late.check_age(limit, at(23)), Err(AttemptFault::Expired));
        assert!(LoginAttempt::open(&keys, &state, at(24)).is_err());
    }

    #[test]
    fn c03_nonce_and_verifier_belong_to_one_attempt_and_one_browser() {
        let (own, other) = (
            BrowserBinding::generate().unwrap(),
            BrowserBinding::generate().unwrap(),
        );
        let (one, two) = (attempt(&own), attempt(&own));
        assert!(one.is_of(&own) && !one.is_of(&other));
        assert_ne!(one.nonce(), two.nonce());
        assert_ne!(one.claim_name(), two.claim_name());
        assert_ne!(one.code_verifier(&own), one.code_verifier(&other));
        assert_eq!(one.code_verifier(&own).len(), 43);
        let challenge = URL_SAFE_NO_PAD.encode(sha256(one.code_verifier(&own).as_bytes()));
        assert_eq!(one.code_challenge(&own), challenge);
    }
}
