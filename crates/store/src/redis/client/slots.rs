//! Slots of a Cluster (Redis Cluster specification, "Key distribution model").

use redis::{Arg, Cmd};

/// Number of slots in a Cluster.
pub(super) const SLOT_COUNT: u16 = 16_384;

/// Key whose master gets the commands without a key, so that all instances read the clock of one server.
pub(super) const DEFAULT_KEY: &[u8] = b"revocations";

/// Owner of each slot: ranges in order, without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SlotMap(Vec<SlotRange>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct SlotRange {
    first: u16,
    last: u16,
    master: usize,
}

impl SlotMap {
    /// Builds a map; `None` if a slot has no master, or two.
    pub(super) fn new(ranges: impl IntoIterator<Item = (u16, u16, usize)>) -> Option<Self> {
        let ranges = ranges
            .into_iter()
            .map(|(first, last, master)| SlotRange { first, last, master });
        let mut sorted: Vec<_> = ranges.collect();
        sorted.sort_by_key(|range| range.first);
        let mut next = 0;
        for range in &sorted {
            if range.first != next || range.last < range.first || range.last >= SLOT_COUNT {
                return None;
            }
            next = range.last + 1;
        }
        // Adjacent ranges of one master are joined, so that equal assignments are equal maps.
        sorted.dedup_by(|later, earlier| {
            let joined = later.master == earlier.master;
            if joined {
                earlier.last = later.last;
            }
            joined
        });
        (next == SLOT_COUNT).then_some(Self(sorted))
    }

    /// Returns the index of the master that owns a slot.
    pub(super) fn owner(&self, slot: u16) -> usize {
        // A map covers all slots, so a range is always found. 0 is never used.
        let after = self.0.partition_point(|range| range.first <= slot);
        self.0
            .get(after.saturating_sub(1))
            .map_or(0, |range| range.master)
    }
}

/// Returns the slot of a command's first key, or of [`DEFAULT_KEY`] if it has none.
pub(super) fn slot_of_command(command: &Cmd) -> u16 {
    slot_of_key(first_key(command).unwrap_or(DEFAULT_KEY))
}

/// Returns the slot of a key.
pub(super) fn slot_of_key(key: &[u8]) -> u16 {
    crc16(hash_tag(key)) % SLOT_COUNT
}

/// Returns the part of a key that decides its slot: the text between the first `{` and the next `}`, or the
/// whole key if there is none.
fn hash_tag(key: &[u8]) -> &[u8] {
    let tag = || {
        let open = key.iter().position(|byte| *byte == b'{')? + 1;
        let inner = key.get(open..)?;
        let close = inner.iter().position(|byte| *byte == b'}')?;
        // An empty tag `{}` is none (specification).
        inner.get(..close).filter(|tag| !tag.is_empty())
    };
    tag().unwrap_or(key)
}

/// Computes CRC16-CCITT (XMODEM): polynomial 0x1021, initial value 0.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum, _| {
            if sum & 0x8000 == 0 {
                sum << 1
            } else {
                (sum << 1) ^ 0x1021
            }
        })
    })
}

/// Returns the first key of a command. Knows the commands that this crate sends.
fn first_key(command: &Cmd) -> Option<&[u8]> {
    let argument = |index: usize| match command.args_iter().nth(index) {
        Some(Arg::Simple(bytes)) => Some(bytes),
        _ => None,
    };
    let name = argument(0)?.to_ascii_uppercase();
    match name.as_slice() {
        b"PING" | b"TIME" | b"INFO" | b"ROLE" | b"ECHO" | b"DBSIZE" | b"CLUSTER" | b"CONFIG" | b"CLIENT"
        | b"SCRIPT" | b"PUBLISH" | b"WAIT" => None,
        // Argument 2 is the number of keys.
        b"EVAL" | b"EVALSHA" | b"FCALL" => argument(2).filter(|count| *count != b"0").and(argument(3)),
        b"XREAD" | b"XREADGROUP" => {
            let streams = (1..command.args_iter().len())
                .find(|index| argument(*index).is_some_and(|word| word.eq_ignore_ascii_case(b"STREAMS")))?;
            argument(streams + 1)
        }
        b"XINFO" | b"XGROUP" | b"OBJECT" | b"MEMORY" => argument(2),
        _ => argument(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_slots_that_redis_gives_them() {
        assert_eq!(crc16(b"123456789"), 0x31c3, "the specification's own example");
        // CLUSTER KEYSLOT of Redis 7.0 says so.
        for (key, its) in [
            ("", 0),
            ("foo", 12_182),
            ("{foo}bar", 12_182),
            ("a{foo}{bar}", 12_182),
        ] {
            assert_eq!(slot_of_key(key.as_bytes()), its, "{key}");
        }
        assert_eq!(
            slot_of_key(b"foo{}{bar}"),
            crc16(b"foo{}{bar}") % SLOT_COUNT,
            "an empty tag is none"
        );
        assert_eq!(slot_of_key(b"foo{{bar}}"), slot_of_key(b"{bar"));
        assert_eq!(
            slot_of_key(b"session:abc"),
            slot_of_key(b"session_ended:{session:abc}")
        );
        assert_eq!(
            slot_of_key(b"user_tokens:u"),
            slot_of_key(b"gateway:user_token_expiry:{user_tokens:u}")
        );
    }

    #[test]
    fn the_key_of_a_command_is_found() {
        let command = |words: &[&str]| {
            let mut command = redis::cmd(words[0]);
            command.arg(&words[1..]);
            command
        };
        for (words, key) in [
            (&["GET", "k"][..], Some("k")),
            (&["eval", "return 1", "2", "k", "l", "x"], Some("k")),
            (&["EVAL", "return 1", "0", "x"], None),
            (
                &["XREAD", "COUNT", "5", "BLOCK", "10", "streams", "k", "$"],
                Some("k"),
            ),
            (&["XINFO", "STREAM", "k"], Some("k")),
            (&["XADD", "k", "*", "a", "b"], Some("k")),
            (&["TIME"], None),
            (&["INFO", "memory"], None),
        ] {
            let command = command(words);
            assert_eq!(first_key(&command), key.map(str::as_bytes), "{words:?}");
        }
        assert_eq!(slot_of_command(&command(&["TIME"])), slot_of_key(DEFAULT_KEY));
    }

    #[test]
    fn a_map_has_every_slot_once() {
        let map = SlotMap::new([(8_000, 16_383, 1), (0, 99, 0), (100, 7_999, 0)]).unwrap();
        assert_eq!(
            [0, 7_999, 8_000, 16_383].map(|slot| map.owner(slot)),
            [0, 0, 1, 1]
        );
        assert_eq!(
            Some(map),
            SlotMap::new([(0, 7_999, 0), (8_000, 16_383, 1)]),
            "ranges are joined"
        );
        for wrong in [
            vec![],
            vec![(0, 16_382, 0)],
            vec![(1, 16_383, 0)],
            vec![(0, 9, 0), (11, 16_383, 0)],
            vec![(0, 9, 0), (9, 16_383, 1)],
            vec![(0, 16_384, 0)],
        ] {
            assert_eq!(SlotMap::new(wrong.clone()), None, "{wrong:?}");
        }
    }
}
