//! `version`: which program this is. Needs no configuration and asks nobody.

use std::io::Write;

use crate::error::Error;

/// Prints the version.
pub(super) fn run(out: &mut impl Write) -> Result<(), Error> {
    writeln!(out, "herdsmanctl version {}", env!("CARGO_PKG_VERSION"))?;
    Ok(())
}
