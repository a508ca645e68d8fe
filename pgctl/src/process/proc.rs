//! What `/proc` tells of processes.
//!
//! Invariant: a process is named by its id and its start together, because an
//! id alone may be reused between two looks.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The fields of `/proc/<pid>/stat` that we need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) command: String,
    /// `R`, `S`, `D`, `T`, `Z`, ...
    pub(crate) state: char,
    pub(crate) parent: u32,
    pub(crate) session: u32,
    /// Clock ticks between the boot and its start.
    pub(crate) start_ticks: u64,
}

impl Stat {
    pub(crate) fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    /// Its start in seconds since 1970, as far as the clock was not set since.
    pub(crate) fn start_time(&self) -> Option<i64> {
        // The kernel reports in units of USER_HZ, which is 100 for programs.
        let seconds = i64::try_from(self.start_ticks / 100).ok()?;
        Some(boot_time()? + seconds)
    }
}

/// One process, or `None` if there is none with that id.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Every process that can be seen.
pub(crate) fn all() -> io::Result<Vec<Stat>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let pid = name.to_str().and_then(|name| name.parse().ok());
        found.extend(pid.and_then(stat));
    }
    Ok(found)
}

fn parse(line: &str) -> Option<Stat> {
    // The command is in parentheses and may itself hold anything.
    let open = line.find('(')?;
    let close = line.rfind(')')?;
    let fields: Vec<&str> = line.get(close + 1..)?.split_whitespace().collect();
    Some(Stat {
        pid: line[..open].trim().parse().ok()?,
        command: line[open + 1..close].to_owned(),
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start_ticks: fields.get(19)?.parse().ok()?,
    })
}

fn boot_time() -> Option<i64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().find(|line| line.starts_with("btime "))?;
    line["btime ".len()..].trim().parse().ok()
}

/// A directory by identity, whatever paths lead to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DirectoryId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl DirectoryId {
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

/// Whether the process works in that directory. A postmaster and all its
/// children have the data directory as their working directory.
pub(crate) fn works_in(pid: u32, directory: DirectoryId) -> io::Result<bool> {
    DirectoryId::of(Path::new(&format!("/proc/{pid}/cwd"))).map(|id| id == directory)
}

/// Whether the process runs a program that changes a cluster where it works:
/// `postgres`, or a `pg_rewind` that its agent left behind. Also one that was
/// replaced on disk since (`postgres (deleted)`).
pub(crate) fn runs_postgres(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| {
        exe.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with("postgres") || name.starts_with("pg_rewind"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) b (c)) S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 1000 0\n";
        let stat = parse(line).unwrap();
        assert_eq!((stat.pid, stat.command.as_str()), (42, "a) b (c)"));
        assert_eq!((stat.state, stat.parent, stat.session), ('S', 7, 9));
        assert_eq!(stat.start_ticks, 12345);
        assert!(!stat.is_zombie() && !stat.is_stopped());
    }

    #[test]
    fn this_process_is_found_where_it_works() {
        let me = std::process::id();
        let here = DirectoryId::of(&std::env::current_dir().unwrap()).unwrap();
        assert!(all().unwrap().iter().any(|stat| stat.pid == me));
        assert!(works_in(me, here).unwrap());
        assert!(!works_in(me, DirectoryId::of(Path::new("/proc")).unwrap()).unwrap());
        assert!(!runs_postgres(me));
        assert!(stat(me).unwrap().start_time().unwrap() > 0);
    }
}
