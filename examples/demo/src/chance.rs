//! Numbers that nobody can guess, from the system's generator.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};

/// Any number.
pub(crate) fn number() -> io::Result<u64> {
    let mut bytes = [0_u8; 8];
    fill(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// A password of 32 letters and digits.
pub(crate) fn password() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

fn fill(bytes: &mut [u8]) -> io::Result<()> {
    File::open("/dev/urandom")?.read_exact(bytes)
}
