//! The history files of `pg_wal`, and the numbers they keep from being taken.
//!
//! A server that is promoted takes the number behind the newest timeline it knows: it goes up from
//! its own and stops at the first number without a history file. A placeholder is a history file
//! with nothing but a remark in it; it makes the server pass a number.
//!
//! Invariant: a standby has no placeholder above its newest real file, unless its promotion is
//! ordered. There it would hide the real file of that number, because a file that exists is not
//! fetched, and a server that starts takes it for its target and does not come up.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{HistoryLine, Timeline, parse_history};
use crate::config::{file_mode, sync_folder_of, write_atomically};
use crate::error::{Error, Result};
use crate::instance::Instance;

const PLACEHOLDER: &[u8] = b"# herdsman: this number belongs to another leadership\n";

/// More numbers than this are not passed at once: the wanted number is then more likely wrong.
const MOST_PASSED: u32 = 10_000;

/// The history files of one server, by number.
#[derive(Debug)]
pub(crate) struct HistoryFiles {
    data_dir: PathBuf,
    numbers: BTreeSet<Timeline>,
}

impl HistoryFiles {
    /// Lists them; what is in them is read when somebody asks.
    pub(crate) fn list(data_dir: &Path) -> Result<Self> {
        let wal_dir = data_dir.join("pg_wal");
        let look = || -> io::Result<BTreeSet<Timeline>> {
            let mut numbers = BTreeSet::new();
            for entry in fs::read_dir(&wal_dir)? {
                numbers.extend(entry?.file_name().to_str().and_then(number_of));
            }
            Ok(numbers)
        };
        let numbers = look().map_err(Error::io("cannot list", &wal_dir))?;
        Ok(Self {
            data_dir: data_dir.to_owned(),
            numbers,
        })
    }

    /// The file of a number, whether or not it exists.
    pub(crate) fn path(&self, number: Timeline) -> PathBuf {
        path_of(&self.data_dir, number)
    }

    /// The newest that tells of a timeline, with its content.
    pub(crate) fn newest_real(&self) -> Result<Option<(Timeline, String)>> {
        for number in self.numbers.iter().rev() {
            if let Some(content) = self.real(*number)? {
                return Ok(Some((*number, content)));
            }
        }
        Ok(None)
    }

    /// Makes a server on timeline `own` take the number `wanted` when it is promoted.
    ///
    /// # Errors
    /// [`Error::TimelineTaken`] for a real file of that number or a higher one.
    pub(crate) fn pass_to(&mut self, wanted: Timeline, own: Timeline) -> Result<()> {
        if let Some((newest, _)) = self.newest_real()?
            && newest >= wanted
        {
            let path = self.path(newest);
            return Err(Error::TimelineTaken { wanted, path });
        }
        if wanted.0.saturating_sub(own.0) > MOST_PASSED {
            return Err(Error::Unexpected {
                what: "number for a timeline",
                found: format!("{wanted}, although the server is on {own}"),
            });
        }
        let reserved = self.reserve(wanted, own);
        if reserved.is_err() {
            // What was written so far would hide the files of these numbers.
            let _ = self.remove_trailing_placeholders();
        }
        reserved
    }

    fn reserve(&mut self, wanted: Timeline, own: Timeline) -> Result<()> {
        // Those of an earlier attempt that was to take a higher number.
        while let Some(last) = self.numbers.last().copied().filter(|last| *last >= wanted) {
            self.remove(last)?;
        }
        let mode = file_mode(&self.data_dir)?;
        for number in (own.0.saturating_add(1)..wanted.0).map(Timeline) {
            if !self.numbers.contains(&number) {
                write_atomically(&self.path(number), PLACEHOLDER, mode)?;
                self.numbers.insert(number);
            }
        }
        Ok(())
    }

    /// Removes the placeholders above the newest real file.
    pub(crate) fn remove_trailing_placeholders(&mut self) -> Result<()> {
        while let Some(last) = self.numbers.last().copied() {
            if self.real(last)?.is_some() {
                break;
            }
            self.remove(last)?;
            tracing::info!(timeline = last.0, "placeholder of a timeline removed");
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, number: Timeline) -> Result<()> {
        let path = self.path(number);
        let removed = fs::remove_file(&path).and_then(|()| sync_folder_of(&path));
        removed.map_err(Error::io("cannot remove", &path))?;
        self.numbers.remove(&number);
        Ok(())
    }

    /// The content of a file that tells of a timeline. What cannot be understood is not ours, and
    /// so it is no placeholder.
    fn real(&self, number: Timeline) -> Result<Option<String>> {
        let path = self.path(number);
        let bytes = fs::read(&path).map_err(Error::io("cannot read", &path))?;
        let content = String::from_utf8_lossy(&bytes).into_owned();
        let is_placeholder = parse_history(&content).is_ok_and(|lines| lines.is_empty());
        Ok((!is_placeholder).then_some(content))
    }
}

fn path_of(data_dir: &Path, number: Timeline) -> PathBuf {
    let name = format!("{:08X}.history", number.0);
    data_dir.join("pg_wal").join(name)
}

impl Instance {
    /// The history of a timeline as the instance's own files tell it; empty: it begins a cluster.
    ///
    /// # Errors
    /// [`Error::Io`] when its file cannot be read, and [`Error::Unexpected`] when it is none.
    pub async fn own_history(&self, timeline: Timeline) -> Result<Vec<HistoryLine>> {
        if timeline == Timeline(1) {
            return Ok(Vec::new());
        }
        let path = path_of(self.data_dir(), timeline);
        let content = tokio::fs::read_to_string(&path).await;
        let content = content.map_err(Error::io("cannot read", &path))?;
        parse_history(&content).map_err(|error| Error::Unexpected {
            what: "timeline history",
            found: format!("{}: {error}", path.display()),
        })
    }
}

/// The number in the name of a history file.
fn number_of(name: &str) -> Option<Timeline> {
    let digits = name.strip_suffix(".history")?;
    let is_number = digits.len() == 8
        && digits
            .bytes()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'));
    let number = u32::from_str_radix(digits, 16).ok();
    number.filter(|_| is_number).map(Timeline)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data directory with these files, and what is in it afterwards.
    struct Wal(tempfile::TempDir);

    impl Wal {
        fn with(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("pg_wal")).unwrap();
            for (name, content) in files {
                fs::write(folder.path().join("pg_wal").join(name), content).unwrap();
            }
            Self(folder)
        }

        fn files(&self) -> HistoryFiles {
            HistoryFiles::list(self.0.path()).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.0.path().join("pg_wal")).unwrap();
            let mut names: Vec<String> = entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    const REAL: &str = "1\t0/3000000\tno recovery target specified\n";

    #[test]
    fn numbers_between_get_placeholders_and_real_files_stay() {
        let wal = Wal::with(&[("00000004.history", REAL), ("00000003.partial", "")]);
        wal.files().pass_to(Timeline(6), Timeline(2)).unwrap();
        let expected = ["3.history", "3.partial", "4.history", "5.history"];
        assert_eq!(wal.names(), expected.map(|name| format!("0000000{name}")));
        let kept = fs::read_to_string(wal.files().path(Timeline(4))).unwrap();
        assert_eq!(kept, REAL);
        assert_eq!(
            wal.files().newest_real().unwrap(),
            Some((Timeline(4), REAL.to_owned()))
        );
    }

    #[test]
    fn a_lower_number_after_an_attempt_for_a_higher_one_is_free_again() {
        let wal = Wal::with(&[]);
        wal.files().pass_to(Timeline(6), Timeline(1)).unwrap();
        wal.files().pass_to(Timeline(4), Timeline(1)).unwrap();
        assert_eq!(wal.names(), ["00000002.history", "00000003.history"]);
    }

    #[test]
    fn a_real_file_of_the_number_or_above_is_named() {
        for name in ["00000004.history", "0000000A.history"] {
            let wal = Wal::with(&[(name, REAL)]);
            let error = wal.files().pass_to(Timeline(4), Timeline(1)).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
            assert_eq!(wal.names(), [name], "nothing was written");
        }
    }

    #[test]
    fn a_number_far_away_is_an_error_and_writes_nothing() {
        let wal = Wal::with(&[]);
        let far = wal.files().pass_to(Timeline(u32::MAX), Timeline(1));
        assert!(matches!(far, Err(Error::Unexpected { .. })), "{far:?}");
        assert!(wal.names().is_empty());
    }

    #[test]
    fn only_placeholders_above_the_newest_real_file_are_trailing() {
        let wal = Wal::with(&[
            ("00000002.history", "# of another\n"),
            ("00000003.history", REAL),
            ("00000004.history", "# of another\n"),
            ("00000005.history", ""),
        ]);
        wal.files().remove_trailing_placeholders().unwrap();
        assert_eq!(wal.names(), ["00000002.history", "00000003.history"]);
    }

    #[test]
    fn a_file_that_is_not_understood_counts_as_real() {
        let wal = Wal::with(&[("00000003.history", "what is this")]);
        wal.files().remove_trailing_placeholders().unwrap();
        assert_eq!(wal.names(), ["00000003.history"]);
    }

    #[test]
    fn only_names_of_history_files_are_numbers() {
        assert_eq!(number_of("0000001F.history"), Some(Timeline(31)));
        for other in ["1F.history", "0000001f.history", "+000001F.history", "x"] {
            assert_eq!(number_of(other), None, "{other}");
        }
    }
}
