//! Private loopback ports that no other test, process or outgoing connection takes meanwhile.

use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// Below Linux' range for outgoing connections, so that a stopped server's port stays free until it restarts.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// Locks held until this process ends; the kernel lets go of them even after a `kill -9`.
static RESERVED: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A loopback port that is free now and stays reserved for this process: other test processes skip it.
///
/// # Panics
/// When no port in the range is free.
pub fn free_port() -> u16 {
    let folder = std::env::temp_dir().join("maxlab-auth-testkit-ports");
    let _ = std::fs::create_dir_all(&folder);
    let start = u16::try_from(uuid::Uuid::new_v4().as_u128() % u128::from(COUNT)).unwrap();
    for step in 0..COUNT {
        let port = FIRST + (start + step) % COUNT;
        let Ok(lock) = File::create(folder.join(port.to_string())) else {
            continue;
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(fault)) => panic!("a port's lock file cannot be locked: {fault}"),
        }
        if TcpListener::bind(loopback(port)).is_ok() {
            RESERVED.lock().unwrap_or_else(PoisonError::into_inner).push(lock);
            return port;
        }
    }
    panic!("no free port from {FIRST} to {}", FIRST + COUNT - 1);
}

/// `127.0.0.1:port`.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
