//! Logical slots that are copied from a primary to its standby.
//!
//! A standby of PostgreSQL 13 to 15 makes none itself, and one of 16 and later only where its log
//! ends. The file of the primary's slot means the same on a physical copy of its data, and is read
//! when a server starts.
//!
//! Invariant: only a file that its own checksum confirms comes into `pg_replslot`, and only whole:
//! a server refuses to start with anything else there. And only into data whose newest log is on the
//! timeline that the primary was on: a control file may tell of an earlier one after a crash, and
//! where the two have parted the slot's position is a place in another history.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use crate::data_directory::{blocking, no_processes};
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::lsn::Lsn;
use crate::slots::LogicalSlot;
use crate::sql_text::literal;
use crate::timeline::Timeline;
use crate::upstream::Upstream;

/// What a file begins with: `SLOT_MAGIC`.
const MAGIC: u32 = 0x0105_1CA1;
/// Magic, checksum, version and length, before what the length counts.
const HEAD_BYTES: usize = 16;
/// What the checksum is about begins behind the checksum.
const CHECKED_FROM: usize = 8;
/// A name with what fills it up.
const NAME_BYTES: usize = 64;
/// Where the oldest log that the slot needs is told, in all versions from 13 to 18.
const RESTART_AT: usize = HEAD_BYTES + 80;

/// A logical slot of a primary, as its file tells it.
#[derive(Clone, Debug)]
pub struct SlotFile {
    name: String,
    content: Vec<u8>,
    restart: Lsn,
    timeline: Timeline,
}

impl SlotFile {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The slot, when the file is whole and is that of the slot; with the timeline of its primary.
    fn read(name: &str, content: Vec<u8>, timeline: Timeline) -> Result<Self> {
        let wrong = |what: &str| Error::Unexpected {
            what: "file of a logical slot",
            found: format!("{name}: {what}"),
        };
        let number = |at: usize| {
            let bytes = content.get(at..at + 4)?;
            Some(u32::from_ne_bytes(bytes.try_into().ok()?))
        };
        if number(0) != Some(MAGIC) {
            return Err(wrong("it begins with something else"));
        }
        let length = number(12).and_then(|length| usize::try_from(length).ok());
        if length.map(|length| length + HEAD_BYTES) != Some(content.len()) {
            return Err(wrong("it is not as long as it says"));
        }
        let checksum = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
        let checked = content.get(CHECKED_FROM..).unwrap_or_default();
        if number(4) != Some(checksum.checksum(checked)) {
            return Err(wrong("its checksum is not that of its content"));
        }
        let field = content.get(HEAD_BYTES..HEAD_BYTES + NAME_BYTES);
        let ends = |byte: &u8| *byte == 0;
        let own = field.and_then(|field| field.split(ends).next());
        if own != Some(name.as_bytes()) {
            return Err(wrong("it is that of another slot"));
        }
        let restart = content.get(RESTART_AT..RESTART_AT + 8);
        let restart = restart.and_then(|bytes| Some(u64::from_ne_bytes(bytes.try_into().ok()?)));
        match restart.filter(|restart| *restart > 0) {
            Some(restart) => Ok(Self {
                name: name.to_owned(),
                restart: Lsn(restart),
                content,
                timeline,
            }),
            None => Err(wrong("it keeps no log")),
        }
    }
}

impl Instance {
    /// Reads the files of those logical slots of a primary that this data directory lacks; none: it
    /// lacks none. Slots that the primary does not have with this database and plugin are left out,
    /// and so are those that PostgreSQL carries to standbys itself (`failover`, 17 and later).
    ///
    /// # Errors
    /// Those of a connection, a refusal of the rewind role, [`Error::Unexpected`] for a file that is
    /// not what it should be, for log that this data directory does not have any more, for one whose
    /// newest log is on another timeline than the primary, and when the server is no primary or has
    /// none of the slots.
    pub async fn fetch_slots(
        &self,
        primary: &Upstream,
        wanted: &[LogicalSlot],
        limit: Duration,
    ) -> Result<Vec<SlotFile>> {
        let folder = self.data_dir().join("pg_replslot");
        let is_missing = |slot: &&LogicalSlot| !folder.join(&slot.name).exists();
        let missing: Vec<&LogicalSlot> = wanted.iter().filter(is_missing).collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = missing.iter().map(|slot| literal(&slot.name)).collect();
        let sql = format!(
            "SELECT pg_is_in_recovery(), \
             (SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'), \
             CASE WHEN pg_is_in_recovery() THEN NULL \
             ELSE pg_walfile_name(pg_current_wal_lsn()) END; \
             SELECT slot_name, database, plugin, \
             encode(pg_read_binary_file('pg_replslot/' || slot_name || '/state'), 'hex') \
             FROM pg_replication_slots s \
             WHERE slot_type = 'logical' AND NOT temporary \
             AND wal_status IS DISTINCT FROM 'lost' \
             AND coalesce((to_jsonb(s)->>'failover')::bool, false) = false \
             AND slot_name IN ({})",
            names.join(", ")
        );
        let session = self.source_session(primary, limit).await?;
        let results = session.run("reading slots", &sql, limit).await?;
        let wrong = |found: String| Error::Unexpected {
            what: "answer of a primary about its slots",
            found,
        };
        let [about, slots] = results.as_slice() else {
            return Err(wrong(format!("{} results", results.len())));
        };
        let about = about.first().ok_or_else(|| wrong("no row".to_owned()))?;
        if about.get(0) != Some("f") {
            return Err(wrong(format!("{primary} is no primary")));
        }
        let segment = about.get(1).and_then(|text| text.parse::<u64>().ok());
        let segment = segment.filter(|bytes| *bytes > 0);
        let segment = segment.ok_or_else(|| wrong("no size of WAL segments".to_owned()))?;
        let timeline = about.get(2).and_then(Timeline::of_wal_file);
        let timeline = timeline.ok_or_else(|| wrong("no timeline".to_owned()))?;
        check_line(self.data_dir(), timeline)?;
        let mut files = Vec::new();
        for row in slots {
            let text = |column| row.get(column).unwrap_or_default();
            let is_wanted = |slot: &&&LogicalSlot| {
                (
                    slot.name.as_str(),
                    slot.database.as_str(),
                    slot.plugin.as_str(),
                ) == (text(0), text(1), text(2))
            };
            if let Some(slot) = missing.iter().find(is_wanted) {
                let content = bytes(text(3)).ok_or_else(|| wrong("no bytes".to_owned()))?;
                let file = SlotFile::read(&slot.name, content, timeline)?;
                check_log(self.data_dir(), &file, segment)?;
                files.push(file);
            }
        }
        if files.is_empty() {
            return Err(wrong(format!("{primary} has none of {}", names.join(", "))));
        }
        Ok(files)
    }

    /// Puts slots into the data directory, whose server must be down. A slot that is there already
    /// is left as it is.
    ///
    /// # Errors
    /// [`Error::AlreadyRunning`], [`Error::Unexpected`] when the server has gone on to another timeline
    /// since they were read, and what the system says.
    pub async fn put_slots(&self, files: Vec<SlotFile>) -> Result<()> {
        let data_dir = self.data_dir().to_owned();
        blocking(move || {
            no_processes(&data_dir)?;
            let mut timelines = files.iter().map(|file| file.timeline);
            timelines.try_for_each(|timeline| check_line(&data_dir, timeline))?;
            let folder = data_dir.join("pg_replslot");
            files.iter().try_for_each(|file| put(&folder, file))
        })
        .await
    }
}

/// Whether the newest log of the data directory is on the timeline of the primary.
fn check_line(data_dir: &Path, primary: Timeline) -> Result<()> {
    let segments = segments(data_dir)?;
    let newest = segments
        .iter()
        .filter_map(|name| Timeline::of_wal_file(name))
        .max();
    if newest == Some(primary) {
        return Ok(());
    }
    let own = newest.map_or_else(|| "none".to_owned(), |newest| newest.to_string());
    Err(Error::Unexpected {
        what: "timeline of the newest log of a standby",
        found: format!("{own}, while the primary is on {primary}"),
    })
}

/// The names of the log files.
fn segments(data_dir: &Path) -> Result<Vec<String>> {
    let folder = data_dir.join("pg_wal");
    let entries = fs::read_dir(&folder).map_err(Error::io("cannot list", &folder))?;
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let is_segment =
        |name: &String| name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    Ok(names.filter(is_segment).collect())
}

/// Whether the data directory has the log from which the slot decodes, on whichever timeline.
fn check_log(data_dir: &Path, file: &SlotFile, segment_bytes: u64) -> Result<()> {
    let per_id = 0x1_0000_0000 / segment_bytes;
    let number = file.restart.0 / segment_bytes;
    let ending = format!(
        "{:08X}{:08X}",
        number / per_id.max(1),
        number % per_id.max(1)
    );
    let segments = segments(data_dir)?;
    let has_it = segments.iter().any(|name| name.ends_with(&ending));
    if has_it {
        return Ok(());
    }
    Err(Error::Unexpected {
        what: "log of a standby",
        found: format!(
            "it lacks the log from {} on, which slot {} needs",
            file.restart, file.name
        ),
    })
}

/// PostgreSQL removes what is left of a folder whose name ends so.
fn put(folder: &Path, file: &SlotFile) -> Result<()> {
    let place = folder.join(&file.name);
    if place.exists() {
        return Ok(());
    }
    let begun = folder.join(format!("{}.tmp", file.name));
    match fs::remove_dir_all(&begun) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("cannot remove", &begun)(error));
        }
        Ok(()) | Err(_) => {}
    }
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o700);
    builder
        .create(&begun)
        .map_err(Error::io("cannot create", &begun))?;
    let state = begun.join("state");
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut written = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&state)?;
        written.write_all(&file.content)?;
        written.sync_all()?;
        fs::File::open(&begun)?.sync_all()
    };
    write().map_err(Error::io("cannot write", &state))?;
    fs::rename(&begun, &place).map_err(Error::io("cannot rename", &begun))?;
    let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(Error::io("cannot write", folder))
}

/// Bytes from hexadecimal digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file of a slot as PostgreSQL writes it, with a checksum that fits.
    fn file(name: &str, restart: u64) -> Vec<u8> {
        let mut data = vec![0; 184];
        data[..name.len()].copy_from_slice(name.as_bytes());
        data[80..88].copy_from_slice(&restart.to_ne_bytes());
        let mut checked = 2u32.to_ne_bytes().to_vec();
        checked.extend(184u32.to_ne_bytes());
        checked.extend(data);
        let checksum = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(&checked);
        let mut content = MAGIC.to_ne_bytes().to_vec();
        content.extend(checksum.to_ne_bytes());
        content.extend(checked);
        content
    }

    #[test]
    fn a_whole_file_tells_which_log_its_slot_needs() {
        let read = SlotFile::read("cdc", file("cdc", 0x302_1F18), Timeline(2)).unwrap();
        assert_eq!((read.name(), read.restart), ("cdc", Lsn(0x302_1F18)));
    }

    #[test]
    fn what_a_server_would_not_start_with_is_refused() {
        let refused = |name: &str, content: Vec<u8>, why: &str| {
            let error = SlotFile::read(name, content, Timeline(2))
                .unwrap_err()
                .to_string();
            assert!(error.contains(why), "{error}");
        };
        let whole = file("cdc", 8);
        refused("cdc", Vec::new(), "begins with something else");
        refused("cdc", whole[..150].to_vec(), "not as long");
        let mut other = whole.clone();
        other[100] ^= 1;
        refused("cdc", other, "checksum");
        refused("cd", whole, "another slot");
        refused("cdc", file("cdc", 0), "keeps no log");
    }

    #[test]
    fn a_slot_comes_whole_and_what_is_there_stays() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("pg_replslot");
        fs::create_dir_all(folder.join("cdc.tmp")).unwrap();
        let slot = SlotFile::read("cdc", file("cdc", 8), Timeline(2)).unwrap();
        put(&folder, &slot).unwrap();
        let state = folder.join("cdc").join("state");
        assert_eq!(fs::read(&state).unwrap(), slot.content);
        fs::write(&state, "newer").unwrap();
        put(&folder, &slot).unwrap();
        assert_eq!(fs::read(&state).unwrap(), b"newer");
        assert!(!folder.join("cdc.tmp").exists());
    }

    #[test]
    fn log_that_is_gone_is_named() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("pg_wal");
        fs::create_dir_all(&folder).unwrap();
        let slot = SlotFile::read("cdc", file("cdc", 0x302_1F18), Timeline(2)).unwrap();
        let error = check_log(data.path(), &slot, 16 << 20).unwrap_err();
        assert!(error.to_string().contains("0/3021F18"), "{error}");
        fs::write(folder.join("000000020000000000000003"), "").unwrap();
        check_log(data.path(), &slot, 16 << 20).unwrap();
    }

    #[test]
    fn slots_are_for_data_on_the_timeline_of_the_primary() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("pg_wal");
        fs::create_dir_all(&folder).unwrap();
        let check = |primary| check_line(data.path(), Timeline(primary)).is_ok();
        assert!(!check(1));
        for name in [
            "000000010000000000000002",
            "00000002.history",
            "000000020000000000000003",
        ] {
            fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!([check(1), check(2), check(3)], [false, true, false]);
        // It was seen to go on, whatever its control file tells.
        fs::write(folder.join("000000030000000000000003.partial"), "").unwrap();
        assert!(check(2));
        fs::write(folder.join("000000030000000000000003"), "").unwrap();
        assert_eq!([check(2), check(3)], [false, true]);
    }
}
