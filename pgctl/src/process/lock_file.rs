//! `postmaster.pid`: what a postmaster notes of itself.
//!
//! The file outlives a killed postmaster: it names a process, it does not
//! prove that one lives.

use std::fs;
use std::io;
use std::path::Path;

/// The name of the file in the data directory.
pub(crate) const NAME: &str = "postmaster.pid";

/// The lines of `postmaster.pid`. Later lines come while the server starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockFile {
    pub(crate) pid: u32,
    /// Written by a single-user server, which notes its id as a negative number.
    pub(crate) is_single_user: bool,
    pub(crate) data_dir: String,
    pub(crate) start_time: i64,
    pub(crate) port: Option<u16>,
    pub(crate) socket_dir: Option<String>,
    pub(crate) listen_address: Option<String>,
    /// The id of its System V shared memory segment.
    pub(crate) shared_memory: Option<SharedMemory>,
    pub(crate) status: Option<Status>,
}

/// A System V shared memory segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SharedMemory {
    pub(crate) key: i64,
    pub(crate) id: i64,
}

/// What the postmaster says it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Starting,
    Stopping,
    /// Takes connections.
    Ready,
    /// Recovers, and takes none because `hot_standby` is off.
    Standby,
}

impl LockFile {
    /// `None` if there is no such file, or one that says nothing yet.
    pub(crate) fn read(data_dir: &Path) -> io::Result<Option<Self>> {
        match fs::read_to_string(data_dir.join(NAME)) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim);
        let pid: i64 = lines.next()?.parse().ok()?;
        let data_dir = lines.next()?.to_owned();
        let start_time = lines.next()?.parse().ok()?;
        let filled = |line: Option<&str>| line.filter(|l| !l.is_empty()).map(str::to_owned);
        let port = lines.next().and_then(|line| line.parse().ok());
        let socket_dir = filled(lines.next());
        let listen_address = filled(lines.next());
        let shared_memory = lines.next().and_then(SharedMemory::parse);
        let status = lines.next().and_then(Status::parse);
        Some(Self {
            pid: u32::try_from(pid.unsigned_abs()).ok().filter(|p| *p > 0)?,
            is_single_user: pid < 0,
            data_dir,
            start_time,
            port,
            socket_dir,
            listen_address,
            shared_memory,
            status,
        })
    }
}

impl SharedMemory {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        Some(Self {
            key: words.next()?.parse().ok()?,
            id: words.next()?.parse().ok()?,
        })
    }

    /// How many processes are attached; `None` when the segment is gone.
    pub(crate) fn attached(self) -> io::Result<Option<u64>> {
        let table = fs::read_to_string("/proc/sysvipc/shm")?;
        Ok(self.attached_in(&table))
    }

    fn attached_in(self, table: &str) -> Option<u64> {
        table.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // The key may be printed signed; the id is what names the segment.
            let id: i64 = fields.get(1)?.parse().ok()?;
            let key: i64 = fields.first()?.parse().ok()?;
            let same_key = key as u32 == self.key as u32;
            let attached = fields.get(6)?.parse().ok()?;
            (id == self.id && same_key).then_some(attached)
        })
    }
}

impl Status {
    fn parse(line: &str) -> Option<Self> {
        match line {
            "starting" => Some(Self::Starting),
            "stopping" => Some(Self::Stopping),
            "ready" => Some(Self::Ready),
            "standby" => Some(Self::Standby),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_file_is_read() {
        let text =
            "4711\n/srv/pg\n1700000000\n5433\n/tmp\n127.0.0.1\n  7340033     65538\nready   \n";
        let file = LockFile::parse(text).unwrap();
        assert_eq!((file.pid, file.is_single_user), (4711, false));
        assert_eq!(file.data_dir, "/srv/pg");
        assert_eq!(file.start_time, 1_700_000_000);
        assert_eq!(file.port, Some(5433));
        assert_eq!(file.socket_dir.as_deref(), Some("/tmp"));
        assert_eq!(file.listen_address.as_deref(), Some("127.0.0.1"));
        let segment = SharedMemory {
            key: 7_340_033,
            id: 65_538,
        };
        assert_eq!(file.shared_memory, Some(segment));
        assert_eq!(file.status, Some(Status::Ready));
    }

    #[test]
    fn a_file_of_a_starting_server_lacks_the_later_lines() {
        let file = LockFile::parse("4711\n/srv/pg\n1700000000\n5433\n\n").unwrap();
        assert_eq!((file.socket_dir, file.listen_address), (None, None));
        assert_eq!((file.shared_memory, file.status), (None, None));
        assert_eq!(LockFile::parse(""), None);
        assert_eq!(LockFile::parse("4711\n"), None);
    }

    #[test]
    fn a_single_user_server_notes_a_negative_id() {
        let file = LockFile::parse("-4711\n/srv/pg\n1700000000\n").unwrap();
        assert_eq!((file.pid, file.is_single_user), (4711, true));
    }

    #[test]
    fn attachments_are_counted_for_the_right_segment() {
        let table = "       key      shmid perms                  size  cpid  lpid nattch   uid\n\
                     \x20  7340033      65538   600                    56  4711  4711      6   101\n\
                     -2147483648          3   600                    56     1     1      2   101\n";
        let attached = |key, id| SharedMemory { key, id }.attached_in(table);
        assert_eq!(attached(7_340_033, 65_538), Some(6));
        assert_eq!(attached(2_147_483_648, 3), Some(2));
        assert_eq!(attached(7_340_033, 4), None);
        assert_eq!(attached(1, 65_538), None);
    }
}
