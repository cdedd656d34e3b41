//! Form of a log line.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::*;

#[derive(Clone, Default)]
struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns what `act` logs, one value a line.
fn logged(level: &str, act: impl FnOnce()) -> Vec<Value> {
    let buffer = LogBuffer::default();
    let writer = buffer.clone();
    let log = json_subscriber(level, move || writer.clone()).unwrap();
    tracing::subscriber::with_default(log, act);
    let bytes = buffer.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_line_has_the_request_id_at_its_top() {
    let lines = logged("info", || {
        let _request = tracing::error_span!("request", request_id = "r-1").entered();
        let _inner = tracing::info_span!("inner", step = 2).entered();
        tracing::info!(target: "maxlab_auth::x", count = 3, good = true, "done");
    });
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(line["request_id"], "r-1");
    assert_eq!(
        (&line["step"], &line["count"], &line["good"]),
        (&2.into(), &3.into(), &true.into())
    );
    assert_eq!(
        (&line["level"], &line["message"]),
        (&"INFO".into(), &"done".into())
    );
    assert_eq!(line["target"], "maxlab_auth::x");
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn no_field_begins_a_line_or_forges_the_head_of_one() {
    let evil = "x\r\n{\"level\":\"INFO\"}\u{1b}[31m\u{2028}";
    let lines = logged(
        "info",
        || tracing::warn!(name = evil, level = "INFO", shown = %evil, "m"),
    );
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(line["level"], "WARN");
    assert_eq!((&line["name"], &line["shown"]), (&evil.into(), &evil.into()));
}

#[test]
fn a_bare_level_opens_our_own_code_only() {
    let act = || {
        tracing::debug!(target: "maxlab_auth_core::verify", "ours");
        tracing::debug!(target: "h2::codec", "theirs");
        tracing::info!(target: "h2::codec", "theirs, at info");
    };
    let messages = |level| -> Vec<String> {
        logged(level, act)
            .iter()
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(messages("DEBUG"), ["ours", "theirs, at info"]);
    assert_eq!(messages("Info"), ["theirs, at info"]);
    assert_eq!(messages("WARNING"), [""; 0]);
    assert_eq!(messages("off,h2=debug"), ["theirs", "theirs, at info"]);
}

#[test]
fn a_level_that_is_none_is_an_error() {
    for bad in ["", "loud", "maxlab_auth=loud", "=,="] {
        assert!(
            matches!(parse_level_filter(bad), Err(TelemetryError::InvalidLevel(_))),
            "{bad}"
        );
    }
}
