//! Parsers for the common forms of values: numbers in a range, booleans, choices, lists, durations.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::faults::InvalidValue;

/// Accepts any text.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it is one of the parsers, which may fail"
)]
pub(crate) fn text(text: &str) -> Result<String, InvalidValue> {
    Ok(text.to_owned())
}

/// Parses `true` or `false`, or a common word for one of them.
pub(crate) fn boolean(text: &str) -> Result<bool, InvalidValue> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(InvalidValue::new(
            "is neither true nor false",
            "write true or false",
        )),
    }
}

/// Returns a parser for a whole number in `range`.
pub(crate) fn number<T>(range: RangeInclusive<T>) -> impl FnOnce(&str) -> Result<T, InvalidValue>
where
    T: FromStr + PartialOrd + Display,
{
    move |text| {
        let (low, high) = (range.start(), range.end());
        text.parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                InvalidValue::new(
                    format!("is not a whole number from {low} to {high}"),
                    format!("write a number from {low} to {high}"),
                )
            })
    }
}

/// Returns a parser for whole seconds in `range`.
pub(crate) fn seconds(range: RangeInclusive<u64>) -> impl FnOnce(&str) -> Result<Duration, InvalidValue> {
    move |text| number(range)(text).map(Duration::from_secs)
}

/// Returns a parser for seconds with a fraction in `range`. Used for time limits.
pub(crate) fn fractional_seconds(
    range: RangeInclusive<f64>,
) -> impl FnOnce(&str) -> Result<Duration, InvalidValue> {
    move |text| {
        let (low, high) = (range.start(), range.end());
        // `f64` also parses NaN and infinity. No range contains them.
        text.parse()
            .ok()
            .filter(|seconds| range.contains(seconds))
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .ok_or_else(|| {
                InvalidValue::new(
                    format!("is not a number of seconds from {low} to {high}"),
                    format!("write seconds from {low} to {high}, such as 10 or 2.5"),
                )
            })
    }
}

/// Returns a parser for one of the words of `choices`, in upper or lower case.
pub(crate) fn choice<T: Copy>(choices: &[(&str, T)]) -> impl FnOnce(&str) -> Result<T, InvalidValue> {
    move |text| {
        choices
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text))
            .map(|&(_, value)| value)
            .ok_or_else(|| {
                let words: Vec<&str> = choices.iter().map(|&(word, _)| word).collect();
                let words = words.join(", ");
                InvalidValue::new(format!("is none of {words}"), format!("choose one of {words}"))
            })
    }
}

/// Parses a JSON list of strings, or texts separated by commas. Empty texts between commas are ignored.
pub(crate) fn list(text: &str) -> Result<Vec<String>, InvalidValue> {
    let text = text.trim();
    // A text that begins like JSON is never split at commas: a typing error must not become part of an
    // element.
    if text.starts_with('[') {
        return serde_json::from_str(text).map_err(|_| {
            InvalidValue::new(
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

/// Returns a parser for a list whose elements `parse` accepts. No element may be there twice.
pub(crate) fn list_of<T: PartialEq>(
    parse: impl Fn(&str) -> Result<T, InvalidValue>,
) -> impl FnOnce(&str) -> Result<Vec<T>, InvalidValue> {
    move |text| {
        let mut values = Vec::new();
        for item in list(text)? {
            let value = parse(&item)?;
            // Compared after parsing: `10.0.0.1/8` and `10.0.0.2/8` are one network.
            if values.contains(&value) {
                return Err(InvalidValue::new("names one element twice", "name each once"));
            }
            values.push(value);
        }
        Ok(values)
    }
}

/// Returns a parser like [`list_of`] that refuses an empty list.
pub(crate) fn non_empty_list_of<T: PartialEq>(
    parse: impl Fn(&str) -> Result<T, InvalidValue>,
) -> impl FnOnce(&str) -> Result<Vec<T>, InvalidValue> {
    move |text| {
        let values = list_of(parse)(text)?;
        if values.is_empty() {
            return Err(InvalidValue::new("is an empty list", "name at least one"));
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
            assert_eq!(boolean(word), Ok(value));
        }
        assert!(boolean("maybe").is_err());
    }
}
