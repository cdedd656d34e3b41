//! Logs: one JSON object a line for machines, or readable lines for people (docs/LOGGING.md).

pub mod queue;

use std::fmt;
use std::io::{IsTerminal, Write as _};
use std::sync::OnceLock;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, reload};

use queue::LogQueue;

/// Format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line: `timestamp` (UTC, RFC 3339), `level`, `target`, and the fields of the event
    /// and its spans, among them `message` and `request_id`.
    Json,
    /// Plain lines for a terminal.
    Readable,
}

/// Error of setting up the log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `LOG_LEVEL` is neither a level nor a list of directives.
    #[error(
        "LOG_LEVEL={0:?} is neither a level (DEBUG, INFO, WARNING, ERROR) nor a list of directives such as info,maxlab_auth=debug"
    )]
    InvalidLevel(String),
    /// Another subscriber is installed in this process.
    #[error("logging is already set up in this process")]
    AlreadyInitialized,
    /// The thread that writes the log could not be started.
    #[error(
        "the log could not be started, because the operating system gave no thread or file descriptor: {0}"
    )]
    Writer(#[from] std::io::Error),
}

/// The log of this process, once it is initialized.
static LOG: OnceLock<InstalledLog> = OnceLock::new();

/// Replaces the filter of the installed log.
type ReplaceFilter = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

struct InstalledLog {
    queue: LogQueue,
    replace_filter: ReplaceFilter,
}

/// Starts logging to standard error.
///
/// A panic is logged by its place only, because its message may quote a secret.
///
/// A bare `level` applies to the gateway's own code. Libraries stay at `info` even if it is `debug`, because
/// some of them write headers and SQL statements at finer levels. Full directives (`info,hyper=debug`) are
/// used as they are.
///
/// # Errors
/// [`TelemetryError::InvalidLevel`] if `level` cannot be parsed, [`TelemetryError::AlreadyInitialized`] for
/// the second call in a process.
pub fn init(format: LogFormat, level: &str) -> Result<(), TelemetryError> {
    let filter = parse_level_filter(level)?;
    let queue = LogQueue::spawn_stderr_writer()?;
    // Write errors are counted by the queue. Printed to standard error they would panic in the thread that
    // logs.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .log_internal_errors(false)
        .with_writer(queue.clone());
    // The two formats have different types, so each one's reload handle is boxed.
    let (installed, replace_filter): (_, ReplaceFilter) = match format {
        LogFormat::Json => {
            let builder = builder
                .fmt_fields(JsonFields::new())
                .event_format(JsonEventFormat)
                .with_filter_reloading();
            let handle = builder.reload_handle();
            (
                builder.finish().try_init(),
                Box::new(move |new| handle.reload(new)),
            )
        }
        LogFormat::Readable => {
            let builder = builder
                .with_ansi(std::io::stderr().is_terminal())
                .with_filter_reloading();
            let handle = builder.reload_handle();
            (
                builder.finish().try_init(),
                Box::new(move |new| handle.reload(new)),
            )
        }
    };
    installed.map_err(|_| TelemetryError::AlreadyInitialized)?;
    let log = InstalledLog {
        queue,
        replace_filter,
    };
    LOG.set(log).map_err(|_| TelemetryError::AlreadyInitialized)?;
    // Replaces the default hook, which prints the panic message.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "thread panicked");
    }));
    Ok(())
}

/// Changes the level of the installed log.
///
/// # Errors
/// [`TelemetryError::InvalidLevel`] if `level` cannot be parsed. The previous level stays in force.
pub fn set_level(level: &str) -> Result<(), TelemetryError> {
    let filter = parse_level_filter(level)?;
    match LOG.get().map(|log| (log.replace_filter)(filter)) {
        Some(Err(_)) => Err(TelemetryError::AlreadyInitialized),
        // Without an installed log there is nothing to change.
        Some(Ok(())) | None => Ok(()),
    }
}

/// Returns the number of log lines that could not be written since the process started.
pub fn dropped_lines() -> u64 {
    LOG.get().map_or(0, |log| log.queue.dropped_lines())
}

/// Waits until the log is written, for at most `patience`: a stalled reader must not delay the end of the
/// process.
pub fn flush(patience: Duration) {
    if let Some(log) = LOG.get() {
        log.queue.flush(patience);
    }
}

/// Prints text for people to standard error, after the lines that are already queued.
///
/// Once the log is initialized, a reader that has ended or stalls causes no error.
pub fn write_to_stderr(text: &str) {
    match LOG.get() {
        Some(log) => log.queue.push(text.as_bytes()),
        // Nothing is left to report to if standard error itself cannot be written.
        None => _ = std::io::stderr().write_all(text.as_bytes()),
    }
}

/// Returns a subscriber that writes [`LogFormat::Json`] to `writer`. It is not installed.
///
/// # Errors
/// [`TelemetryError::InvalidLevel`] if `level` cannot be parsed.
pub fn json_subscriber<W>(
    level: &str,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(parse_level_filter(level)?)
        .fmt_fields(JsonFields::new())
        .event_format(JsonEventFormat)
        .with_writer(writer)
        .finish();
    Ok(subscriber)
}

fn parse_level_filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let level = level.trim();
    let directives = match level.to_ascii_lowercase().as_str() {
        // `maxlab_auth` is a prefix of all the gateway's crates (`maxlab_auth_core`, …).
        fine @ ("trace" | "debug") => format!("info,maxlab_auth={fine}"),
        "notset" => "info,maxlab_auth=trace".to_owned(),
        coarse @ ("info" | "warn" | "error" | "off") => coarse.to_owned(),
        // The names of Python's `logging`, which deployments of docs/GUIDE.md use.
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        _ if level.contains(['=', ',']) => level.to_owned(),
        _ => return Err(TelemetryError::InvalidLevel(level.to_owned())),
    };
    EnvFilter::try_new(directives).map_err(|_| TelemetryError::InvalidLevel(level.to_owned()))
}

/// Formatter of one event as one JSON object.
///
/// The JSON format of tracing-subscriber puts a span's fields into a nested object of the innermost span.
/// Here the request id is at the top of every line, whichever spans are in between.
struct JsonEventFormat;

#[derive(Serialize)]
struct JsonLogLine<'a> {
    timestamp: String,
    level: &'a str,
    target: String,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// Names that a field cannot have, since they are members of the line itself.
const RESERVED_FIELD_NAMES: [&str; 3] = ["timestamp", "level", "target"];

impl<S, N> FormatEvent<S, N> for JsonEventFormat
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
        let mut fields = EventFields::default();
        // From the outermost span inwards, then the event: the more specific value wins.
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
        // A field of that name would be a duplicate key in the JSON object and could forge the level.
        fields
            .0
            .retain(|name, _| !RESERVED_FIELD_NAMES.contains(&name.as_str()));
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let line = JsonLogLine {
            timestamp,
            level: metadata.level().as_str(),
            target,
            fields: fields.0,
        };
        let text = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

/// Fields of an event as JSON values. JSON escapes line breaks, so no field can start a line of its own.
#[derive(Default)]
struct EventFields(Map<String, Value>);

impl EventFields {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    /// Returns the real target of a record of the `log` crate, and removes its helper fields.
    ///
    /// tracing-log reports all such records under one target, with their own in the field `log.target`.
    fn target_of_log_record(&mut self) -> Option<String> {
        let target = self.0.remove("log.target")?;
        self.0.retain(|name, _| !name.starts_with("log."));
        target.as_str().map(ToOwned::to_owned)
    }
}

impl Visit for EventFields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests;
