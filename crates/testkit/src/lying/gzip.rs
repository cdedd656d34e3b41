//! A gzip stream of one byte repeated, written piece by piece (RFC 1951, RFC 1952).

/// Spaces, which JSON allows everywhere, packed about 1 to 159.
#[derive(Debug)]
pub(super) struct Bomb {
    left: u64,
    stage: Stage,
    bits: Bits,
    trailer: Vec<u8>,
}

#[derive(Debug, PartialEq)]
enum Stage {
    Start,
    Repeats,
    Done,
}

/// The longest match that deflate knows.
const LONGEST: u64 = 258;
const SPACE: u8 = b' ';

impl Bomb {
    pub(super) fn of_spaces(inflated: u64) -> Self {
        // The size modulo 2^32, RFC 1952 §2.3.1.
        let size = u32::try_from(inflated & 0xffff_ffff).unwrap();
        let trailer = [crc_of_spaces(inflated).to_le_bytes(), size.to_le_bytes()].concat();
        Self {
            left: inflated,
            stage: Stage::Start,
            bits: Bits::default(),
            trailer,
        }
    }

    /// About `length` bytes of the stream; `None` at its end.
    pub(super) fn piece(&mut self, length: usize) -> Option<Vec<u8>> {
        if self.stage == Stage::Done {
            return None;
        }
        if self.stage == Stage::Start {
            // Deflate, no name, no time, unknown system.
            self.bits.bytes.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
            // The final block, with the fixed codes.
            self.bits.push(1, 1);
            self.bits.push(0b01, 2);
            self.literal();
            self.stage = Stage::Repeats;
        }
        while self.left >= LONGEST && self.bits.bytes.len() < length {
            // Length code 285 and distance code 0: the byte before, 258 times.
            self.bits.push_code(0b1100_0101, 8);
            self.bits.push_code(0, 5);
            self.left -= LONGEST;
        }
        if self.left < LONGEST {
            while self.left > 0 {
                self.literal();
            }
            // End of the block.
            self.bits.push_code(0, 7);
            self.bits.fill_byte();
            self.bits.bytes.append(&mut self.trailer);
            self.stage = Stage::Done;
        }
        Some(std::mem::take(&mut self.bits.bytes))
    }

    fn literal(&mut self) {
        // Fixed codes of the literals 0 to 143 begin at 00110000.
        self.bits.push_code(0b0011_0000 + u32::from(SPACE), 8);
        self.left -= 1;
    }
}

/// Bits packed as deflate wants them: from each byte's low end.
#[derive(Debug, Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u32,
    count: u32,
}

impl Bits {
    fn push(&mut self, value: u32, length: u32) {
        self.pending |= value << self.count;
        self.count += length;
        while self.count >= 8 {
            self.bytes.push(self.pending.to_le_bytes()[0]);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    /// Huffman codes go highest bit first.
    fn push_code(&mut self, code: u32, length: u32) {
        self.push(code.reverse_bits() >> (32 - length), length);
    }

    fn fill_byte(&mut self) {
        if self.count > 0 {
            self.push(0, 8 - self.count);
        }
    }
}

/// CRC-32 (RFC 1952 §8) of so many spaces, in logarithmic time: appending a byte is an affine map of the state over
/// GF(2), so that a run of 2^n bytes is one map too, found by doubling.
fn crc_of_spaces(count: u64) -> u32 {
    let mut run = Map {
        columns: std::array::from_fn(|bit| step(1 << bit) ^ step(0)),
        constant: step(0),
    };
    let mut crc = u32::MAX;
    for bit in 0..u64::BITS {
        if count >> bit & 1 == 1 {
            crc = run.apply(crc);
        }
        run = run.twice();
    }
    !crc
}

/// The state after one more space.
fn step(state: u32) -> u32 {
    (0..8).fold(state ^ u32::from(SPACE), |crc, _| {
        if crc & 1 == 1 {
            crc >> 1 ^ 0xedb8_8320
        } else {
            crc >> 1
        }
    })
}

struct Map {
    columns: [u32; 32],
    constant: u32,
}

impl Map {
    fn linear(&self, state: u32) -> u32 {
        let chosen = self
            .columns
            .iter()
            .enumerate()
            .filter(|(bit, _)| state >> bit & 1 == 1);
        chosen.fold(0, |sum, (_, column)| sum ^ column)
    }

    fn apply(&self, state: u32) -> u32 {
        self.linear(state) ^ self.constant
    }

    fn twice(&self) -> Self {
        Self {
            columns: self.columns.map(|column| self.linear(column)),
            constant: self.apply(self.constant),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn gzip_itself_unpacks_every_length() {
        for length in [1, 2, 257, 258, 259, 260, 517, 1_000_003] {
            let mut bomb = Bomb::of_spaces(length);
            let packed: Vec<u8> = std::iter::from_fn(|| bomb.piece(1000)).flatten().collect();

            let mut gzip = Command::new("gzip");
            gzip.arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut gzip = gzip.spawn().unwrap();
            gzip.stdin.take().unwrap().write_all(&packed).unwrap();
            let unpacked = gzip.wait_with_output().unwrap();

            // The status also says that checksum and size were right.
            assert!(unpacked.status.success(), "{length}");
            assert_eq!(u64::try_from(unpacked.stdout.len()).unwrap(), length);
            assert!(unpacked.stdout.iter().all(|byte| *byte == SPACE));
        }
    }

    #[test]
    fn a_long_run_is_packed_more_than_a_hundredfold() {
        let mut bomb = Bomb::of_spaces(10_000_000);
        let packed: usize = std::iter::from_fn(|| bomb.piece(1000))
            .map(|piece| piece.len())
            .sum();
        assert!(packed < 100_000, "{packed}");
    }
}
