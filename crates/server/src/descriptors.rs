//! Limit of file descriptors. Each connection takes one, and the system's default is often 1,024.

use std::fmt;

use maxlab_auth_listener::RESERVED_SLOTS;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Settings;

/// Descriptors for everything except client connections: stores, the authorization server, files, the
/// runtime.
const RESERVED_DESCRIPTORS: u64 = 256;

/// Shortage of file descriptors for the configured number of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooFewDescriptors {
    required: u64,
    allowed: u64,
}

impl fmt::Display for TooFewDescriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { required, allowed } = self;
        write!(
            f,
            "this number of connections needs {required} file descriptors, and this process has {allowed}: allow more (`ulimit -Hn`, \
             LimitNOFILE= in a systemd unit, --ulimit nofile= for a container), or lower MAX_CONNECTIONS"
        )
    }
}

/// Raises the soft limit of this process to its hard limit. Returns the shortage that remains for these
/// settings.
pub(crate) fn raise_limit(settings: &Settings) -> Option<TooFewDescriptors> {
    let limit = getrlimit(Resource::Nofile);
    // If the system refuses, the limit stays as it is and is checked below.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
    check_limit(
        required_descriptors(settings),
        getrlimit(Resource::Nofile).current,
    )
}

/// Compares the limit with the need. `allowed` is `None` if there is no limit.
fn check_limit(required: u64, allowed: Option<u64>) -> Option<TooFewDescriptors> {
    let allowed = allowed.filter(|allowed| *allowed < required)?;
    Some(TooFewDescriptors { required, allowed })
}

/// Returns the number of descriptors that these settings need.
fn required_descriptors(settings: &Settings) -> u64 {
    let listen = &settings.listen;
    let more = [
        listen.tls.as_ref().is_some_and(|tls| tls.port.is_some()),
        listen.unix.is_some(),
        listen.ext_authz_port.is_some(),
    ];
    // Each listener has its own limit of connections (decision 20).
    let listeners = 1 + more.into_iter().filter(|listens| *listens).count();
    let connections = settings.app.max_connections.saturating_add(RESERVED_SLOTS);
    // Saturating: an absurd setting must be refused here and not wrap around to a small number.
    u64::try_from(listeners.saturating_mul(connections))
        .unwrap_or(u64::MAX)
        .saturating_add(RESERVED_DESCRIPTORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w15_too_few_descriptors_are_named_with_the_way_out() {
        assert_eq!(check_limit(10_000, None), None);
        assert_eq!(check_limit(10_000, Some(10_000)), None);
        let message = check_limit(10_320, Some(64)).unwrap().to_string();
        assert!(
            message.contains("10320") && message.contains("has 64") && message.contains("MAX_CONNECTIONS"),
            "{message}"
        );
    }
}
