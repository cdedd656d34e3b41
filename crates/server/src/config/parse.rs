//! The plain forms that values have: numbers in a range, switches, choices, lists, spans of time.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::fault::Wrong;

/// Any text at all.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it is one of the parsers, which may fail"
)]
pub(super) fn text(text: &str) -> Result<String, Wrong> {
    Ok(text.to_owned())
}

/// `true` or `false`, and the words people use for them.
pub(super) fn switch(text: &str) -> Result<bool, Wrong> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(Wrong::new("is neither true nor false", "write true or false")),
    }
}

/// A whole number in `range`.
pub(super) fn number<T>(range: RangeInclusive<T>) -> impl FnOnce(&str) -> Result<T, Wrong>
where
    T: FromStr + PartialOrd + Display,
{
    move |text| {
        let (low, high) = (range.start(), range.end());
        text.parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                Wrong::new(
                    format!("is not a whole number from {low} to {high}"),
                    format!("write a number from {low} to {high}"),
                )
            })
    }
}

/// Whole seconds.
pub(super) fn seconds(range: RangeInclusive<u64>) -> impl FnOnce(&str) -> Result<Duration, Wrong> {
    move |text| number(range)(text).map(Duration::from_secs)
}

/// Seconds with a fraction, for time limits.
pub(super) fn fractional_seconds(range: RangeInclusive<f64>) -> impl FnOnce(&str) -> Result<Duration, Wrong> {
    move |text| {
        let (low, high) = (range.start(), range.end());
        text.parse()
            .ok()
            .filter(|seconds| range.contains(seconds))
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .ok_or_else(|| {
                Wrong::new(
                    format!("is not a number of seconds from {low} to {high}"),
                    format!("write seconds from {low} to {high}, such as 10 or 2.5"),
                )
            })
    }
}

/// One of the words of `choices`, in any case.
pub(super) fn choice<T: Copy>(choices: &[(&str, T)]) -> impl FnOnce(&str) -> Result<T, Wrong> {
    move |text| {
        choices
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text))
            .map(|&(_, value)| value)
            .ok_or_else(|| {
                let words: Vec<&str> = choices.iter().map(|&(word, _)| word).collect();
                let words = words.join(", ");
                Wrong::new(format!("is none of {words}"), format!("choose one of {words}"))
            })
    }
}

/// A JSON list of strings, or texts between commas. Empty places between commas count for nothing.
pub(super) fn list(text: &str) -> Result<Vec<String>, Wrong> {
    let text = text.trim();
    if text.starts_with('[') {
        return serde_json::from_str(text).map_err(|_| {
            Wrong::new(
                "begins like a JSON list but is not a JSON list of strings",
                "write [\"a\", \"b\"] or a, b",
            )
        });
    }
    Ok(text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect())
}

/// A list in which each element is parsed, and none stands twice.
pub(super) fn list_of<T: PartialEq>(
    parse: impl Fn(&str) -> Result<T, Wrong>,
) -> impl FnOnce(&str) -> Result<Vec<T>, Wrong> {
    move |text| {
        let mut values = Vec::new();
        for item in list(text)? {
            let value = parse(&item)?;
            if values.contains(&value) {
                return Err(Wrong::new("names one element twice", "name each once"));
            }
            values.push(value);
        }
        Ok(values)
    }
}

/// [`list_of`], with at least one element.
pub(super) fn some_list_of<T: PartialEq>(
    parse: impl Fn(&str) -> Result<T, Wrong>,
) -> impl FnOnce(&str) -> Result<Vec<T>, Wrong> {
    move |text| {
        let values = list_of(parse)(text)?;
        if values.is_empty() {
            return Err(Wrong::new("is an empty list", "name at least one"));
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_json_or_commas() {
        for text in ["a,b", " a , b ,", r#"["a","b"]"#, r#" ["a", "b"] "#] {
            assert_eq!(list(text).unwrap(), ["a", "b"], "{text}");
        }
        assert_eq!(list("[]").unwrap(), Vec::<String>::new());
        assert_eq!(list(r#"["a,b"]"#).unwrap(), ["a,b"]);
        for text in ["[a, b]", "[1]", r#"["a""#, r#"["a"] x"#] {
            assert!(list(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_keep_to_their_range() {
        assert_eq!(number(1..=5)("5"), Ok(5));
        for bad in ["0", "6", "-1", "2.5", "x", "", "1e1"] {
            assert!(number(1_u64..=5)(bad).is_err(), "{bad}");
        }
        assert_eq!(
            fractional_seconds(0.1..=600.0)("0.5"),
            Ok(Duration::from_millis(500))
        );
        for bad in ["NaN", "inf", "-1", "0", "601", "1s"] {
            assert!(fractional_seconds(0.1..=600.0)(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn switches_know_the_usual_words() {
        for (word, value) in [
            ("true", true),
            ("ON", true),
            ("1", true),
            ("False", false),
            ("no", false),
        ] {
            assert_eq!(switch(word), Ok(value));
        }
        assert!(switch("maybe").is_err());
    }
}
