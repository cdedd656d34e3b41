//! Private loopback ports that other tests, processes and outgoing connections do not take.

use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// First port of the range, which ends below Linux' range for outgoing connections (32,768): so the port of a
/// stopped server stays free until it restarts.
const FIRST_PORT: u16 = 12_000;
/// Number of ports in the range.
const PORT_COUNT: u16 = 20_000;

/// Locks held until this process ends. The kernel releases them even after a `kill -9`.
static RESERVED: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Reserves a free loopback port for this process; other test processes skip it.
///
/// # Panics
/// If no port in the range is free.
pub fn free_port() -> u16 {
    let folder = std::env::temp_dir().join("maxlab-auth-testkit-ports");
    // It may exist already. If it cannot be made, no lock file can be either, and the panic below says so.
    let _ = std::fs::create_dir_all(&folder);
    // A random start: processes that begin together would otherwise try the same ports in the same order.
    let start = u16::try_from(uuid::Uuid::new_v4().as_u128() % u128::from(PORT_COUNT)).unwrap();
    for step in 0..PORT_COUNT {
        let port = FIRST_PORT + (start + step) % PORT_COUNT;
        let Ok(lock) = File::create(folder.join(port.to_string())) else {
            continue;
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(fault)) => panic!("cannot lock the lock file of port {port}: {fault}"),
        }
        // The lock keeps other tests away. Only binding shows whether an unrelated program has the port.
        if TcpListener::bind(loopback(port)).is_ok() {
            RESERVED.lock().unwrap_or_else(PoisonError::into_inner).push(lock);
            return port;
        }
    }
    panic!(
        "no free port from {FIRST_PORT} to {}",
        FIRST_PORT + PORT_COUNT - 1
    );
}

/// Returns `127.0.0.1:port`.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
