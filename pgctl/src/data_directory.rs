//! The data directory as files: what it holds, marks on it, emptying it.
//!
//! Invariant: a directory that a clone or a bootstrap has begun to fill carries
//! a mark until it is complete, so that a crash at any point leaves a fact.

mod mark;
mod wipe;
mod wreck;

use std::fs;
use std::io;
use std::path::Path;

use crate::bin::SHORT;
use crate::command::{Limit, Tool};
use crate::control_data::{self, ControlData};
use crate::error::{Error, Result};
use crate::facts::{DataDirectory, Leftover};
use crate::instance::Instance;
use crate::process::{Found, orphans_of};

use mark::{mark_beside, mark_inside, marks_on, remove_marks};
use wipe::wipe_contents;

pub(crate) use mark::Marked;
pub(crate) use wreck::{forget_wreck, mark_wreck, note_failure, wreck_on};

impl Instance {
    /// Marks the data directory as being made, so that it shows as a leftover
    /// until [`unmark`](Self::unmark) is called; makes it if it is missing.
    /// [`initdb`](Self::initdb) and [`basebackup`](Self::basebackup) do so by
    /// themselves; a caller with more steps, or with a program of its own,
    /// holds the mark around them.
    ///
    /// The mark is a file beside the directory, or inside if the folder above
    /// cannot be written to.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub async fn mark(&self, kind: Leftover) -> Result<()> {
        let data_dir = self.data_dir().to_owned();
        blocking(move || match mark_beside(&data_dir, kind)? {
            Marked::Beside => Ok(()),
            Marked::NotYet => mark_inside(&data_dir, kind),
        })
        .await
    }

    /// Takes the marks away: the data directory is complete.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub async fn unmark(&self) -> Result<()> {
        let data_dir = self.data_dir().to_owned();
        blocking(move || {
            forget_wreck(&data_dir)?;
            remove_marks(&data_dir)
        })
        .await
    }

    /// Deletes what the data directory holds, with its log directory and
    /// tablespaces elsewhere. The directory itself stays.
    ///
    /// Once begun it runs to its end, even if the future is dropped; what a
    /// crash leaves shows as it is, or as a leftover if it was one before.
    ///
    /// # Errors
    /// [`Error::AlreadyRunning`], [`Error::Orphans`], or a file that cannot be
    /// removed.
    pub async fn wipe(&self) -> Result<()> {
        if let Some(postmaster) = self.postmaster() {
            return Err(Error::AlreadyRunning {
                pid: postmaster.pid,
            });
        }
        let instance = self.clone();
        blocking(move || {
            let data_dir = instance.data_dir();
            no_processes(data_dir)?;
            wipe_contents(data_dir)?;
            forget_wreck(data_dir)?;
            remove_marks(data_dir)
        })
        .await
    }

    /// Makes sure that a program may fill the data directory, and marks it.
    pub(crate) async fn prepare_empty(&self, kind: Leftover) -> Result<Marked> {
        let data_dir = self.data_dir().to_owned();
        blocking(move || {
            let held = marks_on(&data_dir).next().is_some();
            match look(&data_dir) {
                Seen::Other(DataDirectory::Missing | DataDirectory::Empty) => {}
                // A mark that the caller holds, on a directory without content.
                Seen::Other(DataDirectory::Leftover(_)) if held && is_empty(&data_dir) => {}
                Seen::Other(other) => return Err(not_empty(&data_dir, &other)),
                Seen::Cluster { .. } => {
                    let what = "holds a cluster".to_owned();
                    return Err(Error::NotEmpty {
                        path: data_dir,
                        what,
                    });
                }
            }
            mark_beside(&data_dir, kind)
        })
        .await
    }

    pub(crate) async fn has_mark(&self) -> Result<bool> {
        let data_dir = self.data_dir().to_owned();
        blocking(move || Ok(marks_on(&data_dir).next().is_some())).await
    }

    /// Puts the mark inside, if it could not be put beside.
    pub(crate) fn mark_late(&self, marked: &mut Marked, kind: Leftover) {
        if *marked == Marked::NotYet && mark_inside(self.data_dir(), kind).is_ok() {
            *marked = Marked::Beside;
        }
    }

    /// Asks `pg_controldata`.
    pub(crate) async fn control_data(&self) -> Result<ControlData> {
        let data_dir = self.data_dir();
        let path = data_dir.join("PG_VERSION");
        let version = fs::read_to_string(&path).map_err(Error::io("cannot read", &path))?;
        let major = version.trim().parse().map_err(|_| Error::Unexpected {
            what: "content of PG_VERSION",
            found: version,
        })?;
        let program = self.program("pg_controldata")?;
        // A file that is written at this moment may be read torn; the program says so.
        for _ in 0..3 {
            let tool = Tool::new("pg_controldata", program.clone()).arg(data_dir);
            let output = tool.run(Limit::Total(SHORT), |_| {}).await?;
            if !output.contains("WARNING") {
                return control_data::parse(&output, major);
            }
        }
        Err(Error::Unexpected {
            what: "control file",
            found: "its checksum is wrong".to_owned(),
        })
    }
}

/// What a look at the files shows.
#[derive(Debug)]
pub(crate) enum Seen {
    /// A cluster, with the bytes of its control file.
    Cluster { control: Vec<u8> },
    /// Everything else; never `DataDirectory::Cluster`.
    Other(DataDirectory),
}

pub(crate) fn look(data_dir: &Path) -> Seen {
    let unreadable = |path: &Path, error: &io::Error| {
        Seen::Other(DataDirectory::Unreadable(format!(
            "{}: {error}",
            path.display()
        )))
    };
    let mut entries = match fs::read_dir(data_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Seen::Other(DataDirectory::Missing);
        }
        Err(error) => return unreadable(data_dir, &error),
    };
    if let Some(kind) = marks_on(data_dir).next() {
        return Seen::Other(DataDirectory::Leftover(kind));
    }
    if entries.next().is_none() {
        return Seen::Other(DataDirectory::Empty);
    }
    if let Some(wreck) = wreck_on(data_dir) {
        return Seen::Other(DataDirectory::Wreck(wreck));
    }
    let control = data_dir.join("global/pg_control");
    for needed in [data_dir.join("PG_VERSION"), control.clone()] {
        match fs::metadata(&needed) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let what = format!("it has no file {}", needed.display());
                return Seen::Other(DataDirectory::NotACluster(what));
            }
            Err(error) => return unreadable(&needed, &error),
        }
    }
    match fs::read(&control) {
        Ok(control) => Seen::Cluster { control },
        Err(error) => unreadable(&control, &error),
    }
}

/// Refuses when processes of a server work in the directory.
pub(crate) fn no_processes(data_dir: &Path) -> Result<()> {
    if let Some(found) = Found::by_lock_file(data_dir) {
        return Err(Error::AlreadyRunning { pid: found.pid() });
    }
    let pids = orphans_of(data_dir).map_err(Error::io("cannot look at", Path::new("/proc")))?;
    match pids.is_empty() {
        true => Ok(()),
        false => Err(Error::Orphans { pids }),
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.expect("file operations do not panic")
}

fn not_empty(data_dir: &Path, found: &DataDirectory) -> Error {
    let what = match found {
        DataDirectory::NotACluster(what) => format!("is not a cluster: {what}"),
        DataDirectory::Unreadable(error) => format!("cannot be read: {error}"),
        DataDirectory::Leftover(kind) => format!("is left over from a {}", kind.name()),
        DataDirectory::Wreck(_) => "is left over from a rewind".to_owned(),
        DataDirectory::Missing | DataDirectory::Empty | DataDirectory::Cluster(_) => {
            "holds a cluster".to_owned()
        }
    };
    Error::NotEmpty {
        path: data_dir.to_owned(),
        what,
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

pub(crate) fn remove_if_there(path: &Path, remove: impl Fn(&Path) -> io::Result<()>) -> Result<()> {
    match remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("cannot remove", path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(data_dir: &Path) -> DataDirectory {
        match look(data_dir) {
            Seen::Other(other) => other,
            Seen::Cluster { .. } => panic!("not a cluster"),
        }
    }

    #[test]
    fn a_directory_shows_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        assert_eq!(seen(&data_dir), DataDirectory::Missing);
        fs::create_dir(&data_dir).unwrap();
        assert_eq!(seen(&data_dir), DataDirectory::Empty);
        fs::write(data_dir.join("PG_VERSION"), "15\n").unwrap();
        let DataDirectory::NotACluster(what) = seen(&data_dir) else {
            panic!("a file is missing");
        };
        assert!(what.contains("pg_control"), "{what}");
        fs::write(folder.path().join("file"), "").unwrap();
        let of_file = seen(&folder.path().join("file"));
        assert!(
            matches!(of_file, DataDirectory::Unreadable(_)),
            "{of_file:?}"
        );
    }
}
