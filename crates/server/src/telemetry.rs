//! Logs: one JSON object a line where machines read them, plain lines where people do.

use std::fmt;
use std::io::IsTerminal;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line: `timestamp` (UTC, RFC 3339), `level`, `target`, and the event's and its spans' fields,
    /// among them `message` and `request_id`.
    Json,
    /// For people.
    Readable,
}

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `LOG_LEVEL` is neither a level nor a list of directives.
    #[error(
        "LOG_LEVEL={0:?} is neither a level (DEBUG, INFO, WARNING, ERROR) nor a list of directives such as info,maxlab_auth=debug"
    )]
    Level(String),
    /// Something in this process logs already.
    #[error("logs are set up already")]
    Already,
}

/// Begins to log to standard error, and to log a panic by its place alone, since what it says may quote a secret.
///
/// A bare `level` is for this gateway's own code; from `debug` on, libraries stay at `info`, since some of them write
/// headers and statements into their finer lines. Full directives (`info,hyper=debug`) are taken as they are.
///
/// # Errors
/// [`TelemetryError::Level`] for a level that is none, [`TelemetryError::Already`] for the second call in a process.
pub fn init(format: LogFormat, level: &str) -> Result<(), TelemetryError> {
    let installed = match format {
        LogFormat::Json => json(level, std::io::stderr)?.try_init(),
        LogFormat::Readable => tracing_subscriber::fmt()
            .with_env_filter(filter(level)?)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .finish()
            .try_init(),
    };
    installed.map_err(|_| TelemetryError::Already)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked");
    }));
    Ok(())
}

/// The log of [`LogFormat::Json`], written to `writer`; nothing is installed.
///
/// # Errors
/// As [`init`].
pub fn json<W>(level: &str, writer: W) -> Result<impl Subscriber + Send + Sync + use<W>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(level)?)
        .fmt_fields(JsonFields::new())
        .event_format(JsonLine)
        .with_writer(writer)
        .finish();
    Ok(subscriber)
}

fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let level = level.trim();
    let directives = match level.to_ascii_lowercase().as_str() {
        fine @ ("trace" | "debug") => format!("info,maxlab_auth={fine}"),
        "notset" => "info,maxlab_auth=trace".to_owned(),
        coarse @ ("info" | "warn" | "error" | "off") => coarse.to_owned(),
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        _ if level.contains(['=', ',']) => level.to_owned(),
        _ => return Err(TelemetryError::Level(level.to_owned())),
    };
    EnvFilter::try_new(directives).map_err(|_| TelemetryError::Level(level.to_owned()))
}

/// One event as one JSON object. tracing-subscriber's own format leaves a span's fields in an object of the innermost
/// span; here the request's id stands at the top of every line, whichever spans lie between.
struct JsonLine;

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'a str,
    target: String,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// The names that a field can't take.
const RESERVED: [&str; 3] = ["timestamp", "level", "target"];

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> tracing_subscriber::fmt::FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            let extensions = span.extensions();
            let formatted = extensions.get::<FormattedFields<N>>();
            if let Some(Ok(of_span)) = formatted.map(|formatted| serde_json::from_str::<Map<_, _>>(formatted))
            {
                fields.0.extend(of_span);
            }
        }
        event.record(&mut fields);
        let metadata = event.metadata();
        let target = fields
            .target_of_log_record()
            .unwrap_or_else(|| metadata.target().to_owned());
        fields.0.retain(|name, _| !RESERVED.contains(&name.as_str()));
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let line = Line {
            timestamp,
            level: metadata.level().as_str(),
            target,
            fields: fields.0,
        };
        let text = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

/// An event's fields as JSON values. Strings are escaped by JSON, so no field can begin a line of its own.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    /// Libraries that use the `log` crate arrive under one target; their own is in a field.
    fn target_of_log_record(&mut self) -> Option<String> {
        let target = self.0.remove("log.target")?;
        self.0.retain(|name, _| !name.starts_with("log."));
        target.as_str().map(ToOwned::to_owned)
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
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

    /// What is logged meanwhile, one value a line.
    fn logged(level: &str, act: impl FnOnce()) -> Vec<Value> {
        let kept = Kept::default();
        let writer = kept.clone();
        let log = json(level, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(log, act);
        let bytes = kept.0.lock().unwrap().clone();
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
            tracing::info!(target: "h2::codec", "theirs, worth knowing");
        };
        let messages = |level| -> Vec<String> {
            logged(level, act)
                .iter()
                .map(|line| line["message"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(messages("DEBUG"), ["ours", "theirs, worth knowing"]);
        assert_eq!(messages("Info"), ["theirs, worth knowing"]);
        assert_eq!(messages("WARNING"), [""; 0]);
        assert_eq!(messages("off,h2=debug"), ["theirs", "theirs, worth knowing"]);
    }

    #[test]
    fn a_level_that_is_none_is_an_error() {
        for bad in ["", "loud", "maxlab_auth=loud", "=,="] {
            assert!(matches!(filter(bad), Err(TelemetryError::Level(_))), "{bad}");
        }
    }
}
