//! A log file that is set aside when it has become too long: `herdsman.log.1` is the newest of those,
//! and there are never more than so many of them.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// How long a file may become, and what is kept of those before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// In bytes; zero: it is never set aside.
    pub(crate) bytes: u64,
    /// How many there are beside it; zero: it is never set aside.
    pub(crate) copies: u32,
    /// Who may read them.
    pub(crate) mode: Option<u32>,
}

/// The file. Whoever cannot set it aside goes on writing to it.
#[derive(Debug)]
pub(crate) struct Rotating {
    path: PathBuf,
    limits: Limits,
    file: File,
    length: u64,
}

impl Rotating {
    pub(crate) fn open(path: PathBuf, limits: Limits) -> io::Result<Self> {
        let file = open(&path, limits)?;
        let length = file.metadata()?.len();
        Ok(Self {
            path,
            limits,
            file,
            length,
        })
    }

    fn set_aside(&mut self) -> io::Result<()> {
        let numbered = |number: u32| {
            let mut path = self.path.clone().into_os_string();
            path.push(format!(".{number}"));
            PathBuf::from(path)
        };
        // Somebody else may have taken it away, which sets nothing else aside.
        for number in (1..self.limits.copies).rev().filter(|_| self.path.exists()) {
            let from = numbered(number);
            if from.exists() {
                fs::rename(from, numbered(number + 1))?;
            }
        }
        if self.path.exists() {
            fs::rename(&self.path, numbered(1))?;
        }
        self.file = open(&self.path, self.limits)?;
        self.length = 0;
        Ok(())
    }
}

fn open(path: &Path, limits: Limits) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    if let Some(mode) = limits.mode {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(file)
}

impl Write for Rotating {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let Limits { bytes, copies, .. } = self.limits;
        let added = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let is_full = self.length.saturating_add(added) > bytes;
        if bytes > 0 && copies > 0 && is_full && self.length > 0 {
            // There is nowhere to say that it did not work; it is tried again after as much more.
            let done = self.set_aside();
            if done.is_err() {
                self.length = 0;
            }
        }
        let written = self.file.write(line)?;
        self.length += u64::try_from(written).unwrap_or(0);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_file_is_set_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("herdsman.log");
        let limits = Limits {
            bytes: 10,
            copies: 2,
            mode: Some(0o600),
        };
        let mut log = Rotating::open(path.clone(), limits).unwrap();
        for line in ["first..\n", "second.\n", "third..\n", "fourth.\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        drop(log);
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
        assert_eq!(read("herdsman.log").as_deref(), Some("fourth.\n"));
        assert_eq!(read("herdsman.log.1").as_deref(), Some("third..\n"));
        assert_eq!(read("herdsman.log.2").as_deref(), Some("second.\n"));
        assert_eq!(read("herdsman.log.3"), None);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        // One that was there is gone on with.
        let mut log = Rotating::open(path, limits).unwrap();
        log.write_all(b"x\n").unwrap();
        assert_eq!(read("herdsman.log").as_deref(), Some("fourth.\nx\n"));
    }
}
