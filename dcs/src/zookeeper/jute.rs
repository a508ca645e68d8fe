//! The encoding that ZooKeeper's protocol is written in.
//!
//! Integers are big-endian; a buffer or text is its length and its bytes, and the length -1 is
//! "none". Invariant: reading never panics and never allocates more than the frame holds.

use crate::Cause;

/// Builds the body of one message.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn int(mut self, value: i32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(super) fn long(mut self, value: i64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(super) fn flag(mut self, value: bool) -> Self {
        self.0.push(u8::from(value));
        self
    }

    pub(super) fn text(self, value: &str) -> Self {
        self.buffer(Some(value.as_bytes()))
    }

    /// A frame is far shorter than what its length could not say.
    pub(super) fn buffer(self, value: Option<&[u8]>) -> Self {
        let Some(bytes) = value else {
            return self.int(-1);
        };
        let mut writer = self.int(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        writer.0.extend_from_slice(bytes);
        writer
    }

    pub(super) fn append(mut self, other: &[u8]) -> Self {
        self.0.extend_from_slice(other);
        self
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Takes one message apart.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn int(&mut self) -> Result<i32, Cause> {
        let bytes = self.take(4)?;
        Ok(i32::from_be_bytes(bytes.try_into().map_err(|_| short())?))
    }

    pub(super) fn long(&mut self) -> Result<i64, Cause> {
        let bytes = self.take(8)?;
        Ok(i64::from_be_bytes(bytes.try_into().map_err(|_| short())?))
    }

    pub(super) fn flag(&mut self) -> Result<bool, Cause> {
        Ok(self.take(1)? != [0])
    }

    pub(super) fn buffer(&mut self) -> Result<Option<&'a [u8]>, Cause> {
        let length = self.int()?;
        match usize::try_from(length) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Ok(None),
        }
    }

    pub(super) fn text(&mut self) -> Result<String, Cause> {
        let bytes = self.buffer()?.unwrap_or_default();
        let text = std::str::from_utf8(bytes);
        Ok(text
            .map_err(|_| Cause::new("ZooKeeper sent a text that is not utf-8"))?
            .to_owned())
    }

    pub(super) fn texts(&mut self) -> Result<Vec<String>, Cause> {
        let count = self.int()?;
        (0..count.max(0)).map(|_| self.text()).collect()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Cause> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(short)?;
        self.0 = rest;
        Ok(taken)
    }
}

fn short() -> Cause {
    Cause::new("ZooKeeper sent a message that ends too early")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = Writer::default()
            .int(-7)
            .long(i64::MAX)
            .flag(true)
            .text("größe")
            .buffer(None)
            .buffer(Some(&[]))
            .bytes();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.int().unwrap(), -7);
        assert_eq!(reader.long().unwrap(), i64::MAX);
        assert!(reader.flag().unwrap());
        assert_eq!(reader.text().unwrap(), "größe");
        assert_eq!(reader.buffer().unwrap(), None);
        assert_eq!(reader.buffer().unwrap(), Some(&[][..]));
        assert!(reader.rest().is_empty());
    }

    #[test]
    fn message_that_ends_too_early_is_an_error() {
        let lying = Writer::default().int(1000).bytes();
        assert!(Reader::new(&lying).buffer().is_err());
        assert!(Reader::new(&lying).texts().is_err());
        assert!(Reader::new(&[0, 0]).int().is_err());
        assert!(Reader::new(&[]).flag().is_err());
    }
}
