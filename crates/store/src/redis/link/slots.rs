//! Which keys are in which slot of a Cluster, and which master has it (Redis Cluster specification, "Key distribution
//! model").

use redis::{Arg, Cmd};

/// How many slots there are.
pub(super) const SLOTS: u16 = 16_384;

/// What has no key goes to the master of this one, so that there is one clock and one place for all instances.
pub(super) const HOME: &[u8] = b"revocations";

/// Who has each slot: ranges in order, without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SlotMap(Vec<Range>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
    master: usize,
}

impl SlotMap {
    /// `None` if a slot has no master, or two.
    pub(super) fn new(ranges: impl IntoIterator<Item = (u16, u16, usize)>) -> Option<Self> {
        let ranges = ranges
            .into_iter()
            .map(|(first, last, master)| Range { first, last, master });
        let mut sorted: Vec<_> = ranges.collect();
        sorted.sort_by_key(|range| range.first);
        let mut next = 0;
        for range in &sorted {
            if range.first != next || range.last < range.first || range.last >= SLOTS {
                return None;
            }
            next = range.last + 1;
        }
        sorted.dedup_by(|later, earlier| {
            let joined = later.master == earlier.master;
            if joined {
                earlier.last = later.last;
            }
            joined
        });
        (next == SLOTS).then_some(Self(sorted))
    }

    /// The master of a slot.
    pub(super) fn owner(&self, slot: u16) -> usize {
        let after = self.0.partition_point(|range| range.first <= slot);
        self.0
            .get(after.saturating_sub(1))
            .map_or(0, |range| range.master)
    }
}

/// The slot of a command's first key, or of [`HOME`] if it has none.
pub(super) fn slot_of_command(command: &Cmd) -> u16 {
    slot(key_of(command).unwrap_or(HOME))
}

/// The slot of a key.
pub(super) fn slot(key: &[u8]) -> u16 {
    crc16(hashed(key)) % SLOTS
}

/// The part of a key that decides: what stands between the first `{` and the next `}`, if anything does.
fn hashed(key: &[u8]) -> &[u8] {
    let tag = || {
        let open = key.iter().position(|byte| *byte == b'{')? + 1;
        let inner = key.get(open..)?;
        let close = inner.iter().position(|byte| *byte == b'}')?;
        inner.get(..close).filter(|tag| !tag.is_empty())
    };
    tag().unwrap_or(key)
}

/// CRC16-CCITT (XMODEM): polynomial 0x1021, from zero.
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

/// The first key of a command.
fn key_of(command: &Cmd) -> Option<&[u8]> {
    let argument = |index: usize| match command.args_iter().nth(index) {
        Some(Arg::Simple(bytes)) => Some(bytes),
        _ => None,
    };
    let name = argument(0)?.to_ascii_uppercase();
    match name.as_slice() {
        b"PING" | b"TIME" | b"INFO" | b"ROLE" | b"ECHO" | b"DBSIZE" | b"CLUSTER" | b"CONFIG" | b"CLIENT"
        | b"SCRIPT" | b"PUBLISH" | b"WAIT" => None,
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
            assert_eq!(slot(key.as_bytes()), its, "{key}");
        }
        assert_eq!(
            slot(b"foo{}{bar}"),
            crc16(b"foo{}{bar}") % SLOTS,
            "an empty tag is none"
        );
        assert_eq!(slot(b"foo{{bar}}"), slot(b"{bar"));
        assert_eq!(slot(b"session:abc"), slot(b"session_ended:{session:abc}"));
        assert_eq!(
            slot(b"user_tokens:u"),
            slot(b"gateway:user_token_expiry:{user_tokens:u}")
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
            assert_eq!(key_of(&command), key.map(str::as_bytes), "{words:?}");
        }
        assert_eq!(slot_of_command(&command(&["TIME"])), slot(HOME));
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
