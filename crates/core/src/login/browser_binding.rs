//! Random value in a cookie that binds login attempts to the browser that began them.

use crate::credential::{hex, sha256};
use crate::random;
use crate::unavailable::Unavailable;

/// Number of random bytes.
const LENGTH: usize = 16;

/// Value of the browser cookie: 32 hexadecimal digits. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserBinding(String);

impl BrowserBinding {
    /// Creates a random value.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn generate() -> Result<Self, Unavailable> {
        Ok(Self(hex(&random::bytes::<LENGTH>()?)))
    }

    /// Reads the value of a cookie. `None` if it is not one that the gateway has set.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 2 * LENGTH && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// Returns the value, only for the cookie.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the hash by which an attempt names its browser.
    pub(super) fn hash(&self) -> String {
        hex(&sha256(format!("maxlab-auth/browser/{}", self.0).as_bytes()))
    }
}

impl std::fmt::Debug for BrowserBinding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("BrowserBinding(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_gateway_sets_is_read() {
        let made = BrowserBinding::generate().unwrap();
        assert_eq!(BrowserBinding::parse(made.expose()), Some(made.clone()));
        let upper = made.expose().to_uppercase();
        for other in [
            "",
            "00",
            "zz000000000000000000000000000000",
            &format!("{}0", made.expose()),
        ] {
            assert_eq!(BrowserBinding::parse(other), None, "{other}");
        }
        assert!(upper == made.expose() || BrowserBinding::parse(&upper).is_none());
        assert!(!format!("{made:?}").contains(made.expose()));
    }
}
