//! Encoder and decoder of one string of bytes. It is kept in this process only, so that the format needs no
//! version.

use jiff::Timestamp;

/// Writes values one after the other.
#[derive(Debug, Default)]
pub(super) struct VerdictEncoder(Vec<u8>);

impl VerdictEncoder {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Writes a number with seven bits to a byte, the lowest first (LEB128).
    pub(super) fn varint(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push(low_seven_bits(number) | 0x80);
            number >>= 7;
        }
        self.0.push(low_seven_bits(number));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.varint(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    pub(super) fn optional_text(&mut self, text: Option<&str>) {
        match text {
            None => self.varint(0),
            Some(text) => {
                // Plus one: zero means `None`, so an empty text is distinct from it.
                self.varint(text.len() as u64 + 1);
                self.bytes(text.as_bytes());
            }
        }
    }

    pub(super) fn timestamp(&mut self, time: Timestamp) {
        self.zigzag(time.as_second());
        // Negative for a time before 1970.
        self.zigzag(time.subsec_nanosecond().into());
    }

    /// Writes a signed number. Small numbers of either sign are short.
    fn zigzag(&mut self, number: i64) {
        // The shift of a signed number repeats its sign: the second operand is 0 or all ones.
        self.varint(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    /// Returns the bytes.
    pub(super) fn finish(self) -> Box<[u8]> {
        // Copied into an allocation of exactly that size: the vector grew by doubling, and shrinks in place
        // at best.
        self.0.as_slice().into()
    }
}

/// Reads values in the order in which they were written. Behind the end it reads zeros and empty texts.
#[derive(Clone, Debug)]
pub(super) struct VerdictDecoder<'b>(&'b [u8]);

impl<'b> VerdictDecoder<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&mut self, count: usize) -> &'b [u8] {
        // A bad length reads as nothing, without a panic. It cannot occur: the encoder above wrote the bytes.
        let (bytes, rest) = self.0.split_at_checked(count).unwrap_or_default();
        self.0 = rest;
        bytes
    }

    #[inline]
    pub(super) fn varint(&mut self) -> u64 {
        // Inlined for one byte, which is nearly every length on the fast path.
        match self.0.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.0 = rest;
                byte.into()
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.bytes(1).first().copied().unwrap_or_default();
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }

    pub(super) fn text(&mut self) -> &'b str {
        let length = self.varint();
        self.text_of_length(length)
    }

    pub(super) fn optional_text(&mut self) -> Option<&'b str> {
        let length = self.varint().checked_sub(1)?;
        Some(self.text_of_length(length))
    }

    fn text_of_length(&mut self, length: u64) -> &'b str {
        let bytes = self.bytes(usize::try_from(length).unwrap_or(usize::MAX));
        str::from_utf8(bytes).unwrap_or_default()
    }

    pub(super) fn timestamp(&mut self) -> Timestamp {
        let (second, nanosecond) = (self.zigzag(), self.zigzag());
        let nanosecond = i32::try_from(nanosecond).unwrap_or_default();
        Timestamp::new(second, nanosecond).unwrap_or_default()
    }

    fn zigzag(&mut self) -> i64 {
        let number = self.varint();
        (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
    }

    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        self.bytes(N).try_into().unwrap_or([0; N])
    }
}

const fn low_seven_bits(number: u64) -> u8 {
    (number & 0x7f) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_read_as_it_was_written() {
        let mut encoder = VerdictEncoder::default();
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u64::MAX];
        for number in numbers {
            encoder.varint(number);
        }
        let moments = [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX];
        for moment in moments {
            encoder.timestamp(moment);
        }
        for text in [None, Some(""), Some("김")] {
            encoder.optional_text(text);
        }
        encoder.text("the end");
        let bytes = encoder.finish();
        let mut decoder = VerdictDecoder::new(&bytes);
        assert_eq!(numbers.map(|_| decoder.varint()), numbers);
        assert_eq!(moments.map(|_| decoder.timestamp()), moments);
        assert_eq!(
            [(); 3].map(|()| decoder.optional_text()),
            [None, Some(""), Some("김")]
        );
        assert_eq!(decoder.text(), "the end");
        assert_eq!(decoder.varint(), 0);
        assert_eq!(decoder.text(), "");
    }
}
