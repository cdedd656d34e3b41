//! Strict parser for all JSON from outside.
//!
//! If two parsers disagree about a document, they disagree about a token. So everything that RFC 8259 leaves
//! to the parser is refused here: duplicate keys, bytes after the value, lone surrogates, text that is not
//! UTF-8, numbers that are not finite, nesting beyond [`MAX_DEPTH`]. The caller limits the size.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Maximum nesting of arrays and objects. The outermost one counts as 1.
pub const MAX_DEPTH: usize = 32;

/// Reason why a document is refused. Contains no part of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedJson {
    /// Object with the same key twice (RFC 8259 §4 leaves the meaning open).
    #[error("an object has the same key twice")]
    DuplicateKey,
    /// Nesting deeper than [`MAX_DEPTH`].
    #[error("nesting is deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// JSON whose value is not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// Bytes that are not JSON, or that follow the value.
    #[error("not JSON (line {line}, column {column})")]
    Syntax {
        /// Line of the error, from 1.
        line: usize,
        /// Column of the error in bytes, from 1 (0 at the start of a line).
        column: usize,
    },
}

/// Reads one JSON object that fills `bytes`.
///
/// # Errors
/// [`MalformedJson`] when the bytes are not exactly one strict JSON object.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, MalformedJson> {
    match parse_value(bytes)? {
        Value::Object(object) => Ok(object),
        _ => Err(MalformedJson::NotAnObject),
    }
}

/// Reads one JSON value that fills `bytes`.
///
/// # Errors
/// [`MalformedJson`] when the bytes are not exactly one strict JSON value.
pub fn parse_value(bytes: &[u8]) -> Result<Value, MalformedJson> {
    let fault = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let strict = StrictVisitor {
        depth: 0,
        fault: &fault,
    };
    strict
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| {
            // Only the position of serde's error is used. Its text may quote the document.
            fault.get().unwrap_or(MalformedJson::Syntax {
                line: error.line(),
                column: error.column(),
            })
        })
}

/// Visitor that builds a value and counts the depth. `fault` keeps a reason that serde's error
/// type cannot carry.
#[derive(Clone, Copy)]
struct StrictVisitor<'f> {
    depth: usize,
    fault: &'f Cell<Option<MalformedJson>>,
}

impl StrictVisitor<'_> {
    fn fail<E: de::Error>(&self, fault: MalformedJson) -> E {
        // serde_json turns a custom error into text, so the typed reason takes this way out.
        self.fault.set(Some(fault));
        E::custom(fault)
    }

    fn nested<E: de::Error>(self) -> Result<Self, E> {
        // serde_json's own limit of 128 comes later, so that 100,000 brackets cannot exhaust the stack.
        if self.depth >= MAX_DEPTH {
            return Err(self.fail(MalformedJson::TooDeep));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for StrictVisitor<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictVisitor<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let inner = self.nested()?;
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element_seed(inner)? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.nested()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(inner)?;
            // serde_json keeps the last of two equal keys, other parsers the first. Keys are
            // compared decoded.
            if object.insert(key, value).is_some() {
                return Err(self.fail(MalformedJson::DuplicateKey));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn is_syntax(result: &Result<Value, MalformedJson>) -> bool {
        matches!(result, Err(MalformedJson::Syntax { .. }))
    }

    #[test]
    fn reads_what_serde_json_reads() {
        let text = br#" {"a":[1,-2,2.5,true,false,null,"\u00e9\ud83d\ude00"],"b":{"c":{}}} "#;
        assert_eq!(
            parse_value(text).unwrap(),
            serde_json::from_slice::<Value>(text).unwrap()
        );
        assert_eq!(Value::Object(parse_object(text).unwrap())["b"], json!({"c": {}}));
    }

    #[test]
    fn refuses_a_key_given_twice_at_any_depth_and_in_any_spelling() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"\u0061":3}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"[[{"x":[{"a":null,"a":null}]}]]"#,
        ] {
            assert_eq!(
                parse_value(text.as_bytes()),
                Err(MalformedJson::DuplicateKey),
                "{text}"
            );
        }
        assert!(parse_value(br#"{"a":{"a":1},"A":{"a":1}}"#).is_ok());
    }

    #[test]
    fn refuses_trailing_bytes() {
        for text in [r"{} {}", r"{}x", "{}\0", r"{},", "1 2", "{}\u{feff}"] {
            assert!(is_syntax(&parse_value(text.as_bytes())), "{text:?}");
        }
        assert!(parse_value(b" {}\r\n\t ").is_ok());
    }

    #[test]
    fn refuses_lone_surrogates_in_values_and_keys() {
        for text in [
            r#"["\ud800"]"#,
            r#"["\udc00"]"#,
            r#"["\ud800x"]"#,
            r#"["\ud800\ud800"]"#,
            r#"{"\ud800":1}"#,
        ] {
            assert!(is_syntax(&parse_value(text.as_bytes())), "{text}");
        }
    }

    #[test]
    fn refuses_bytes_that_are_not_utf8() {
        for bytes in [
            &b"[\"\xff\"]"[..],
            b"[\"\xc0\x80\"]",
            b"[\"\xed\xa0\x80\"]",
            b"{\"\xfe\":1}",
            b"\xef\xbb\xbf{}",
            b"\xff\xfe{\0}\0",
        ] {
            assert!(is_syntax(&parse_value(bytes)), "{bytes:?}");
        }
    }

    #[test]
    fn refuses_numbers_that_json_does_not_have() {
        for text in [
            "NaN",
            "Infinity",
            "-Infinity",
            "1e999",
            "-1e999",
            "01",
            "+1",
            ".5",
            "1.",
            "0x10",
        ] {
            assert!(is_syntax(&parse_value(text.as_bytes())), "{text}");
            assert!(
                is_syntax(&parse_value(format!("{{\"exp\":{text}}}").as_bytes())),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_other_dialects() {
        for text in [
            "",
            " ",
            "{'a':1}",
            "{a:1}",
            r#"{"a":1,}"#,
            "[1,]",
            "// x\n{}",
            "\"a\nb\"",
            r#"{"a" 1}"#,
            "nul",
        ] {
            assert!(is_syntax(&parse_value(text.as_bytes())), "{text:?}");
        }
    }

    #[test]
    fn counts_depth_across_arrays_and_objects() {
        let nested = |levels: usize| {
            let open: String = (0..levels)
                .map(|level| if level % 2 == 0 { "[" } else { "{\"k\":" })
                .collect();
            let close: String = (0..levels)
                .rev()
                .map(|level| if level % 2 == 0 { "]" } else { "}" })
                .collect();
            let core = if levels.is_multiple_of(2) { "1" } else { "" };
            format!("{open}{core}{close}")
        };
        assert!(parse_value(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(
            parse_value(nested(MAX_DEPTH + 1).as_bytes()),
            Err(MalformedJson::TooDeep)
        );
        assert_eq!(
            parse_value("[".repeat(100_000).as_bytes()),
            Err(MalformedJson::TooDeep)
        );
    }

    #[test]
    fn an_object_is_asked_for_by_name() {
        for text in ["[]", "1", "\"x\"", "null", "true"] {
            assert_eq!(
                parse_object(text.as_bytes()),
                Err(MalformedJson::NotAnObject),
                "{text}"
            );
        }
    }

    #[test]
    fn a_fault_repeats_nothing_of_the_document() {
        let error = parse_value(br#"{"password":"hunter2","password":1}"#).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("password"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_and_what_is_accepted_means_the_same_elsewhere(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = parse_value(&bytes) {
                prop_assert_eq!(value, serde_json::from_slice::<Value>(&bytes).unwrap());
            }
        }

        #[test]
        fn json_like_text_never_means_something_else(text in r#"[\{\}\[\]",:a\\u0-9 .eE-]{0,40}"#) {
            if let Ok(value) = parse_value(text.as_bytes()) {
                prop_assert_eq!(value, serde_json::from_str::<Value>(&text).unwrap());
            }
        }
    }
}
