//! The command that publishes entries on the revocation stream and in the snapshot.

use jiff::Timestamp;
use maxlab_auth_core::revocation::JournalEntry;
use maxlab_auth_core::verdict::Epoch;
use redis::Cmd;

use super::log_keys::{GENERATION, LEASES, POSITION, SNAPSHOT_PARTS, STREAM, generation_of};
use super::script::{LOG_PUBLISH, eval_command};
use crate::entry_codec;
use crate::millis::floor_ms;

/// Approximate length of the stream. A follower that is further behind loads the snapshot again.
const MAX_STREAM_ENTRIES: usize = 100_000;
/// Span of expiry of one part of the snapshot, in milliseconds. Redis drops an expired part as a whole.
const SNAPSHOT_PART_MS: i64 = 3_600_000;

/// Builds the command that appends a group of entries to the stream and to the snapshot.
pub(super) fn publish_command(epoch: &Epoch, group: &[&JournalEntry], now: Timestamp) -> Cmd {
    let now = floor_ms(now);
    let mut ends: Vec<i64> = Vec::new();
    let lines: Vec<(usize, String)> = group
        .iter()
        .map(|entry| {
            let expires = entry_codec::expires_ms(entry);
            let text = entry_codec::encode(entry);
            if expires <= now {
                // Part 0 is none: an expired entry goes only to the stream, whose numbers must have no gap.
                return (0, text);
            }
            // Rounded up to the end of the span: a part must not expire before its last entry.
            let end = expires
                .div_euclid(SNAPSHOT_PART_MS)
                .saturating_add(1)
                .saturating_mul(SNAPSHOT_PART_MS);
            let part = ends.iter().position(|known| *known == end).unwrap_or_else(|| {
                ends.push(end);
                ends.len() - 1
            });
            (part + 1, text)
        })
        .collect();
    let parts: Vec<String> = ends
        .iter()
        .map(|end| format!("gateway:{{revocations}}:snapshot:{}", end / SNAPSHOT_PART_MS))
        .collect();
    let mut keys = vec![GENERATION, POSITION, STREAM, LEASES, SNAPSHOT_PARTS];
    keys.extend(parts.iter().map(String::as_str));
    let mut command = eval_command(LOG_PUBLISH, &keys);
    // The order of keys and arguments is described at the top of log_publish.lua.
    command.arg(generation_of(epoch)).arg(MAX_STREAM_ENTRIES).arg(now);
    for end in ends {
        command.arg(end);
    }
    for (part, text) in lines {
        command.arg(part).arg(text);
    }
    command
}
