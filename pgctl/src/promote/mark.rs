//! The mark of a promotion: which postmaster was told to become a primary.
//!
//! Until it has replayed all that it has, such a server answers like any standby, and nothing takes
//! the order back but its end. An agent that was started anew meanwhile knows of it by this file
//! alone. Invariant: no order is given before the file says so; it says nothing about any other
//! postmaster, so one that stays behind does no harm.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{file_mode, write_atomically};
use crate::data_directory::remove_if_there;
use crate::error::Result;
use crate::process::Postmaster;

/// In the data directory, which alone can be written to for certain.
const MARK: &str = "herdsman.promotion";

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(MARK)
}

/// A process id alone comes again.
fn name(postmaster: &Postmaster) -> String {
    format!("{}:{}\n", postmaster.pid, postmaster.start_ticks)
}

/// Says that the postmaster is about to be told.
pub(super) fn mark(data_dir: &Path, postmaster: &Postmaster) -> Result<()> {
    let mode = file_mode(data_dir)?;
    write_atomically(&path(data_dir), name(postmaster).as_bytes(), mode)?;
    Ok(())
}

/// The order was carried out, or refused.
pub(super) fn forget(data_dir: &Path) -> Result<()> {
    remove_if_there(&path(data_dir), |path| fs::remove_file(path))
}

/// What the mark says; none: there is none.
pub(crate) fn read(data_dir: &Path) -> Option<String> {
    fs::read_to_string(path(data_dir)).ok()
}

/// Whether a mark that was read is meant for this postmaster.
pub(crate) fn is_for(mark: Option<&str>, postmaster: &Postmaster) -> bool {
    mark == Some(&*name(postmaster))
}
