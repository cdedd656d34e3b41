//! How things are written into one string of bytes, and read from it again.

use jiff::Timestamp;

/// Writes one thing after the other.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Seven bits to a byte, the lowest first.
    pub(super) fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push(low(number) | 0x80);
            number >>= 7;
        }
        self.0.push(low(number));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    pub(super) fn optional(&mut self, text: Option<&str>) {
        match text {
            None => self.number(0),
            Some(text) => {
                self.number(text.len() as u64 + 1);
                self.bytes(text.as_bytes());
            }
        }
    }

    pub(super) fn moment(&mut self, moment: Timestamp) {
        self.signed(moment.as_second());
        self.signed(moment.subsec_nanosecond().into());
    }

    /// Small ones of either sign are short.
    fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    /// All of it, in memory of just that size: what was written into grew by doubling.
    pub(super) fn finish(self) -> Box<[u8]> {
        self.0.as_slice().into()
    }
}

/// Reads in the order in which it was written. What was not written reads as nothing.
#[derive(Clone, Debug)]
pub(super) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&mut self, count: usize) -> &'b [u8] {
        let (taken, left) = self.0.split_at_checked(count).unwrap_or_default();
        self.0 = left;
        taken
    }

    #[inline]
    pub(super) fn number(&mut self) -> u64 {
        match self.0.split_first() {
            Some((&byte, left)) if byte < 0x80 => {
                self.0 = left;
                byte.into()
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> u64 {
        let mut number = 0;
        for place in (0..u64::BITS).step_by(7) {
            let byte = self.bytes(1).first().copied().unwrap_or_default();
            number |= u64::from(byte & 0x7f) << place;
            if byte < 0x80 {
                break;
            }
        }
        number
    }

    pub(super) fn text(&mut self) -> &'b str {
        let length = self.number();
        self.characters(length)
    }

    pub(super) fn optional(&mut self) -> Option<&'b str> {
        let length = self.number().checked_sub(1)?;
        Some(self.characters(length))
    }

    fn characters(&mut self, length: u64) -> &'b str {
        let bytes = self.bytes(usize::try_from(length).unwrap_or(usize::MAX));
        str::from_utf8(bytes).unwrap_or_default()
    }

    pub(super) fn moment(&mut self) -> Timestamp {
        let (second, nanosecond) = (self.signed(), self.signed());
        let nanosecond = i32::try_from(nanosecond).unwrap_or_default();
        Timestamp::new(second, nanosecond).unwrap_or_default()
    }

    fn signed(&mut self) -> i64 {
        let number = self.number();
        (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
    }

    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        self.bytes(N).try_into().unwrap_or([0; N])
    }
}

const fn low(number: u64) -> u8 {
    (number & 0x7f) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_read_as_it_was_written() {
        let mut writer = Writer::default();
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u64::MAX];
        for number in numbers {
            writer.number(number);
        }
        let moments = [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX];
        for moment in moments {
            writer.moment(moment);
        }
        for text in [None, Some(""), Some("김")] {
            writer.optional(text);
        }
        writer.text("the end");
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        assert_eq!(numbers.map(|_| reader.number()), numbers);
        assert_eq!(moments.map(|_| reader.moment()), moments);
        assert_eq!([(); 3].map(|()| reader.optional()), [None, Some(""), Some("김")]);
        assert_eq!(reader.text(), "the end");
        assert_eq!(reader.number(), 0);
        assert_eq!(reader.text(), "");
    }
}
