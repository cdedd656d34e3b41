//! Attacks on a running gateway: bad input, bad days, and the failures that its peers had.
//!
//! Each test starts the real binary and talks to it as an outsider would; what it needs beside (authorization servers,
//! Redis, PostgreSQL) it starts itself.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod browser;
mod canary;
mod chance;
mod cluster;
mod cookies;
mod counts;
mod crash;
mod disk;
mod drain;
mod floods;
mod flush;
mod forged;
mod forgeries;
mod front_door;
mod fuzz;
mod fuzz_targets;
mod grammar;
mod malformed;
mod memory;
mod mixups;
mod outage;
mod races;
mod redirects;
mod restore;
mod rotation;
mod settings;
mod sizes;
mod slow;
mod smuggling;
mod storm;
mod support;
mod surface;
mod traces;
mod wycheproof;
