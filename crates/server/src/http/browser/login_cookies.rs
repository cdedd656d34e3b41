//! Cookies of the login: the browser's own value, and a counter of returns that stops loops.

use axum::http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use maxlab_auth_core::credential::{hex, sha256};
use maxlab_auth_core::login::BrowserBinding;

/// Name of the browser cookie over https (RFC 6265bis §4.1.3.2), and over http in development.
const BROWSER_COOKIE: [&str; 2] = ["maxlab_browser", "__Host-maxlab_browser"];
/// Life of the browser cookie: browsers open many tabs again after a restart.
const BROWSER_SECONDS: u32 = 30 * 24 * 3_600;
/// Name of the counter. Only the login reads it.
const LOOP_COOKIE: &str = "maxlab_returns";
/// Seconds in which returns are counted.
const LOOP_SECONDS: i64 = 60;
/// Number of returns to one target that is a loop.
const LOOP_LIMIT: u32 = 5;

/// Finding about the browser cookie of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BrowserCookie {
    /// None that the gateway has set.
    Absent,
    /// One.
    Present(BrowserBinding),
    /// Two different ones: one of them was planted.
    Ambiguous,
}

/// Returns the browser cookie of a request.
pub(super) fn browser_cookie(headers: &HeaderMap, is_secure: bool) -> BrowserCookie {
    let values = cookie_values(headers, BROWSER_COOKIE[usize::from(is_secure)]);
    let mut known: Vec<_> = values
        .iter()
        .filter_map(|value| BrowserBinding::parse(value))
        .collect();
    known.dedup();
    match (known.pop(), known.is_empty()) {
        (None, _) => BrowserCookie::Absent,
        (Some(binding), true) => BrowserCookie::Present(binding),
        (Some(_), false) => BrowserCookie::Ambiguous,
    }
}

/// Returns the `Set-Cookie` value of the browser cookie.
pub(super) fn set_browser_cookie(binding: &BrowserBinding, is_secure: bool) -> Option<HeaderValue> {
    let name = BROWSER_COOKIE[usize::from(is_secure)];
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!(
        "{name}={}; Path=/; Max-Age={BROWSER_SECONDS}; HttpOnly; SameSite=Lax{secure}",
        binding.expose()
    );
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Returns of a logged-in person to one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReturnCount {
    target: String,
    count: u32,
    first_at: i64,
}

impl ReturnCount {
    /// Counts one more return to this target, after those in the request's cookie.
    pub(super) fn next(headers: &HeaderMap, target: &str, now: Timestamp) -> Self {
        let target: String = hex(&sha256(target.as_bytes())).chars().take(16).collect();
        let now = now.as_second();
        let known = cookie_values(headers, LOOP_COOKIE)
            .iter()
            .find_map(|value| Self::parse(value));
        let known = known.filter(|known| {
            known.target == target && (0..LOOP_SECONDS).contains(&(now.saturating_sub(known.first_at)))
        });
        match known {
            Some(known) => Self {
                count: known.count.saturating_add(1),
                ..known
            },
            None => Self {
                target,
                count: 1,
                first_at: now,
            },
        }
    }

    /// Returns `true` if the browser comes back again and again.
    pub(super) fn is_loop(&self) -> bool {
        self.count >= LOOP_LIMIT
    }

    /// Returns the `Set-Cookie` value.
    pub(super) fn set_cookie(&self, is_secure: bool) -> Option<HeaderValue> {
        let secure = if is_secure { "; Secure" } else { "" };
        let Self {
            target,
            count,
            first_at,
        } = self;
        HeaderValue::from_str(&format!(
            "{LOOP_COOKIE}={target}.{count}.{first_at}; Path=/auth/login; Max-Age={LOOP_SECONDS}; HttpOnly; SameSite=Lax{secure}"
        ))
        .ok()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let parsed = Self {
            target: parts.next()?.to_owned(),
            count: parts.next()?.parse().ok()?,
            first_at: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(parsed)
    }
}

/// Returns the values of all cookies with this name. Other cookies may hold any bytes.
fn cookie_values(headers: &HeaderMap, name: &str) -> Vec<String> {
    let fields = headers.get_all(header::COOKIE).iter();
    fields
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| std::str::from_utf8(pair.trim_ascii()).ok()?.split_once('='))
        .filter(|(own, _)| *own == name)
        .map(|(_, value)| value.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(cookie).unwrap())])
    }

    #[test]
    fn c04_two_different_values_are_ambiguous_and_other_texts_are_none() {
        let (one, two) = (
            BrowserBinding::generate().unwrap(),
            BrowserBinding::generate().unwrap(),
        );
        let pair = |binding: &BrowserBinding| format!("__Host-maxlab_browser={}", binding.expose());
        let found = |cookie: &str| browser_cookie(&request(cookie), true);
        assert_eq!(found(&pair(&one)), BrowserCookie::Present(one.clone()));
        assert_eq!(
            found(&format!("{}; {}", pair(&one), pair(&two))),
            BrowserCookie::Ambiguous
        );
        assert_eq!(
            found(&format!("{}; {}", pair(&one), pair(&one))),
            BrowserCookie::Present(one.clone())
        );
        assert_eq!(found("a=b; __Host-maxlab_browser=x"), BrowserCookie::Absent);
        // A cookie over http may be planted by another host.
        assert_eq!(
            found(&format!("maxlab_browser={}", one.expose())),
            BrowserCookie::Absent
        );
        assert!(
            set_browser_cookie(&one, true)
                .unwrap()
                .to_str()
                .unwrap()
                .contains("; Secure")
        );
    }

    #[test]
    fn t23_five_returns_to_one_target_in_a_minute_are_a_loop_and_to_others_they_are_not() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let cookie = |count: &ReturnCount| {
            let set = count.set_cookie(true).unwrap();
            request(set.to_str().unwrap().split(';').next().unwrap())
        };
        let mut count = ReturnCount::next(&HeaderMap::new(), "/a", at(0));
        for second in 1..4 {
            count = ReturnCount::next(&cookie(&count), "/a", at(second));
            assert!(!count.is_loop(), "{second}");
        }
        assert!(ReturnCount::next(&cookie(&count), "/a", at(5)).is_loop());
        assert!(!ReturnCount::next(&cookie(&count), "/b", at(5)).is_loop());
        assert!(!ReturnCount::next(&cookie(&count), "/a", at(60)).is_loop());
    }
}
