//! Values that clients send and that are logged once each, within a bound.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Number of different values that are logged. A client can invent any number of them, and must not fill the
/// log (docs/LOGGING.md).
const MAX_VALUES: usize = 64;
/// Longest text of a value in the log, in characters.
const MAX_VALUE_CHARS: usize = 200;

/// Values that were logged already.
#[derive(Debug, Default)]
pub struct LogOnce(Mutex<HashSet<String>>);

impl LogOnce {
    /// Returns the value as it is logged, if it was not logged before and there is room for it.
    pub fn first(&self, value: &str) -> Option<String> {
        let shown = printable(value);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.len() < MAX_VALUES && seen.insert(shown.clone())).then_some(shown)
    }
}

/// Returns a text from a client in a form that is safe in a log or an error: no control characters, which could
/// forge lines, and not too long.
pub(in crate::http) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_VALUE_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n13_each_value_comes_once_and_a_flood_ends() {
        let once = LogOnce::default();
        assert_eq!(once.first("https://a"), Some("https://a".to_owned()));
        assert_eq!(once.first("https://a"), None);
        assert_eq!(once.first("x\r\ny"), Some("xy".to_owned()));
        let logged = (0..10_000).filter(|number| once.first(&format!("https://{number}")).is_some());
        assert_eq!(logged.count(), MAX_VALUES - 2);
    }
}
