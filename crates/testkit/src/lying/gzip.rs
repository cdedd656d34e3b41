//! Gzip stream of one repeated byte, written piece by piece (RFC 1951, RFC 1952).

/// Stream of spaces, which JSON allows everywhere. One byte of it inflates to about 159.
#[derive(Debug)]
pub(super) struct GzipBomb {
    left: u64,
    stage: BombStage,
    bits: BitWriter,
    trailer: Vec<u8>,
}

#[derive(Debug, PartialEq)]
enum BombStage {
    Start,
    Repeats,
    Done,
}

/// Longest match of deflate, in bytes (RFC 1951 §3.2.5).
const MAX_MATCH: u64 = 258;
const SPACE: u8 = b' ';

impl GzipBomb {
    pub(super) fn of_spaces(inflated: u64) -> Self {
        // The size modulo 2^32, RFC 1952 §2.3.1.
        let size = u32::try_from(inflated & 0xffff_ffff).unwrap();
        let trailer = [crc_of_spaces(inflated).to_le_bytes(), size.to_le_bytes()].concat();
        Self {
            left: inflated,
            stage: BombStage::Start,
            bits: BitWriter::default(),
            trailer,
        }
    }

    /// Returns about `length` bytes of the stream; `None` at its end.
    pub(super) fn next_piece(&mut self, length: usize) -> Option<Vec<u8>> {
        if self.stage == BombStage::Done {
            return None;
        }
        if self.stage == BombStage::Start {
            // Deflate, no name, no time, unknown system.
            self.bits.bytes.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
            // The final block, with the fixed codes.
            self.bits.push(1, 1);
            self.bits.push(0b01, 2);
            // One literal space, which every match below copies.
            self.literal();
            self.stage = BombStage::Repeats;
        }
        while self.left >= MAX_MATCH && self.bits.bytes.len() < length {
            // Length code 285 and distance code 0: the byte before, 258 times.
            self.bits.push_code(0b1100_0101, 8);
            self.bits.push_code(0, 5);
            self.left -= MAX_MATCH;
        }
        if self.left < MAX_MATCH {
            // The rest as literals: other lengths have other codes, and 257 bytes do not matter.
            while self.left > 0 {
                self.literal();
            }
            // End of the block.
            self.bits.push_code(0, 7);
            self.bits.pad_to_byte();
            self.bits.bytes.append(&mut self.trailer);
            self.stage = BombStage::Done;
        }
        Some(std::mem::take(&mut self.bits.bytes))
    }

    fn literal(&mut self) {
        // Fixed codes of the literals 0 to 143 begin at 00110000 (RFC 1951 §3.2.6).
        self.bits.push_code(0b0011_0000 + u32::from(SPACE), 8);
        self.left -= 1;
    }
}

/// Bits packed in deflate's order: each byte is filled from its low end.
#[derive(Debug, Default)]
struct BitWriter {
    bytes: Vec<u8>,
    pending: u32,
    count: u32,
}

impl BitWriter {
    fn push(&mut self, value: u32, length: u32) {
        self.pending |= value << self.count;
        self.count += length;
        while self.count >= 8 {
            self.bytes.push(self.pending.to_le_bytes()[0]);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    /// Appends a Huffman code.
    fn push_code(&mut self, code: u32, length: u32) {
        // Huffman codes go highest bit first, unlike all other values (RFC 1951 §3.1.1).
        self.push(code.reverse_bits() >> (32 - length), length);
    }

    fn pad_to_byte(&mut self) {
        if self.count > 0 {
            self.push(0, 8 - self.count);
        }
    }
}

/// Returns the CRC-32 (RFC 1952 §8) of `count` spaces, in logarithmic time: appending a byte is an affine map
/// of the state over GF(2). So a run of 2^n bytes is one map too, found by doubling.
fn crc_of_spaces(count: u64) -> u32 {
    let mut run = CrcMap {
        columns: std::array::from_fn(|bit| crc_step(1 << bit) ^ crc_step(0)),
        constant: crc_step(0),
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

/// Returns the state after one more space.
fn crc_step(state: u32) -> u32 {
    (0..8).fold(state ^ u32::from(SPACE), |crc, _| {
        if crc & 1 == 1 {
            crc >> 1 ^ 0xedb8_8320
        } else {
            crc >> 1
        }
    })
}

/// Affine map of the CRC's state: the image of each bit, and a constant.
struct CrcMap {
    columns: [u32; 32],
    constant: u32,
}

impl CrcMap {
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
            let mut bomb = GzipBomb::of_spaces(length);
            let packed: Vec<u8> = std::iter::from_fn(|| bomb.next_piece(1000)).flatten().collect();

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
        let mut bomb = GzipBomb::of_spaces(10_000_000);
        let packed: usize = std::iter::from_fn(|| bomb.next_piece(1000))
            .map(|piece| piece.len())
            .sum();
        assert!(packed < 100_000, "{packed}");
    }
}
