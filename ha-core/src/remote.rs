//! A standby cluster: all of it follows a server outside, the *source*.
//!
//! Its leader is a standby as well, and the only member that streams from the source; the others
//! stream from it. Nobody is promoted while the section is there, so no rule about writable servers
//! is any weaker in it. What a member compares its history with, and who bears witness before a
//! rewind, is the source: the leader's copy is as good as any other.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::decide::{Choice, standby_leader};
use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::plan;
use crate::reason::Code;
use crate::situation::{self as word, Kin, Link, Lock, Made, MayMake, Server};
use crate::task::Upstream;
use crate::value::MemberName;
use crate::view::ServerView;

/// PostgreSQL's own port.
const DEFAULT_PORT: u16 = 5432;

/// What a standby cluster follows: the section `standby_cluster` of the configuration, as far as
/// decisions rest on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandbyCluster {
    /// The source; several hosts are separated by commas, and the one that takes writes counts.
    /// None: WAL comes from an archive alone.
    pub host: Option<String>,
    /// Its port.
    pub port: u16,
    /// The replication slot to use there.
    pub slot: Option<String>,
}

impl StandbyCluster {
    /// Reads the section; none: it names no source of WAL, and there is no standby cluster.
    ///
    /// What cannot be read is named in `warnings`.
    pub(crate) fn read(section: Option<&Value>, warnings: &mut Vec<String>) -> Option<Self> {
        let section = section?;
        let text = |key: &str| match section.get(key) {
            Some(Value::String(text)) => {
                Some(text.trim().to_owned()).filter(|text| !text.is_empty())
            }
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => None,
            Some(Value::Number(number)) => Some(number.to_string()),
        };
        let hosts = text("host").map(|hosts| {
            let hosts: Vec<&str> = hosts.split(',').map(str::trim).collect();
            hosts.join(",")
        });
        let port = text("port").filter(|port| port != "0");
        let has_archive = text("restore_command").is_some();
        if hosts.is_none() && port.is_none() && !has_archive {
            return None;
        }
        let number = port
            .as_ref()
            .map_or(Some(DEFAULT_PORT), |port| port.parse().ok());
        if number.is_none() {
            let port = port.clone().unwrap_or_default();
            warnings.push(format!(
                "standby_cluster.port: {port} is not a port, {DEFAULT_PORT} is used"
            ));
        }
        Some(Self {
            // A port alone is one of this machine.
            host: hosts.or_else(|| port.map(|_| String::from("localhost"))),
            port: number.unwrap_or(DEFAULT_PORT),
            slot: text("primary_slot_name"),
        })
    }

    /// The name of the source in decisions: its address, which no member has for a name.
    fn name(&self) -> MemberName {
        self.host.as_ref().map_or_else(
            || MemberName::from("the archive"),
            |host| MemberName::from(format!("{host}:{}", self.port).as_str()),
        )
    }

    fn address(&self) -> (&str, u16) {
        let host = self.host.as_deref();
        host.map_or(("", 0), |host| (host, self.port))
    }

    fn upstream(&self) -> Upstream {
        let (host, port) = self.address();
        Upstream {
            name: self.name(),
            host: host.to_owned(),
            port,
            slot: self.slot.clone(),
            is_source: true,
        }
    }
}

/// What the whole cluster follows, when it is a standby cluster.
pub(crate) fn section(memory: &Memory) -> Option<&StandbyCluster> {
    let section = memory.rules.standby_cluster.as_ref();
    section.filter(|_| !memory.breaks(Mutant::StandbyLeaderPromotes))
}

/// Whether this is a standby cluster.
pub(crate) fn is_followed(memory: &Memory) -> bool {
    section(memory).is_some()
}

/// What the leader follows: the source.
pub(crate) fn source(memory: &Memory) -> Option<Upstream> {
    section(memory).map(StandbyCluster::upstream)
}

/// Where the source is: no host when there is none to connect to.
pub(crate) fn source_address(memory: &Memory) -> Option<(&str, u16)> {
    section(memory).map(StandbyCluster::address)
}

/// Whom histories are compared with in a standby cluster: the source, where it can be asked.
pub(crate) fn opposite(memory: &Memory) -> Option<Upstream> {
    source(memory).filter(|source| !source.host.is_empty())
}

/// Whether the key is ours and our server is a standby that is told to follow the source.
pub(crate) fn is_standby_leader(memory: &Memory) -> bool {
    let Some(ServerView::Standby(standby)) = memory.server() else {
        return false;
    };
    let is_pointed = match source_address(memory) {
        None => false,
        Some(("", _)) => memory.followed == source(memory),
        Some(source) => standby.upstream() == Some(source),
    };
    is_pointed && word::lock(memory) == Lock::Mine
}

/// What the leader of a standby cluster does.
pub(crate) fn leading(memory: &Memory, server: Server, link: Link) -> Choice {
    let way = word::way(memory, link);
    standby_leader::running(server, word::movement(memory), link, way).unwrap_or_else(|| {
        let backoff = word::backoff(memory, &["start-standby"]);
        standby_leader::down(server, word::kin(memory), word::gone(memory), backoff)
    })
}

/// The first copy of the source is there, or being made, and the store knows no cluster yet.
pub(crate) fn making(memory: &Memory, lock: Lock, made: Made, server: Server) -> Option<Choice> {
    if lock != Lock::Free || !is_followed(memory) {
        return None;
    }
    let kin = match memory.has_copied_source {
        true => Kin::Same,
        false => Kin::Other,
    };
    let backoff = word::backoff(memory, &["clone", "start-standby"]);
    match made {
        Made::ByUs => standby_leader::making(server, kin, backoff),
        // Of an earlier run, or of a claim that has ended with its session.
        Made::Absent if word::may_make(memory) == MayMake::Yes => standby_leader::found(server),
        Made::Absent | Made::Known | Made::ByOther | Made::Mismatch | Made::Forgotten => None,
    }
}

/// What the tables for all clusters choose, in the words of a standby cluster.
pub(crate) fn reworded(memory: &Memory, choice: Choice) -> Choice {
    if choice.code == Code::AwaitingPromotion && is_followed(memory) {
        return Choice {
            code: Code::AwaitingStandbyLeader,
            ..choice
        };
    }
    choice
}

/// The lock as errands of operators see it: the server of a standby leader is one like any other
/// standby's.
pub(crate) fn lock_for_errands(memory: &Memory, lock: Lock, server: Server) -> Lock {
    let is_as_standby = matches!(
        server,
        Server::Standby | Server::Down | Server::Unresponsive
    );
    match lock {
        Lock::Mine if is_as_standby && is_followed(memory) && !memory.was_primary => Lock::Other,
        Lock::Mine | Lock::Stale | Lock::Other | Lock::Free | Lock::Unseen => lock,
    }
}

/// Makes the first copy of the source's data.
pub(crate) fn first_copy(memory: &Memory) -> Option<Upstream> {
    source(memory).map(|source| Upstream {
        slot: None,
        ..source
    })
}

/// The name of the source in sentences.
pub(crate) fn source_name(memory: &Memory) -> MemberName {
    let source = plan::opposite(memory).or_else(|| source(memory));
    source.map_or_else(|| MemberName::from(""), |source| source.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(section: &Value) -> (Option<StandbyCluster>, Vec<String>) {
        let mut warnings = Vec::new();
        let read = StandbyCluster::read(Some(section), &mut warnings);
        (read, warnings)
    }

    #[test]
    fn a_standby_cluster_needs_a_source_of_wal() {
        assert_eq!(read(&json!({"primary_slot_name": "x"})).0, None);
        assert_eq!(read(&json!({"host": "", "port": 0})).0, None);
        assert_eq!(read(&Value::Null).0, None);
        let from_archive = read(&json!({"restore_command": "cp %f %p"})).0;
        assert_eq!(from_archive.map(|section| section.host), Some(None));
    }

    #[test]
    fn hosts_are_listed_without_blanks_and_ports_are_numbers_or_texts() {
        let (section, warnings) =
            read(&json!({"host": "a, b", "port": "5433", "primary_slot_name": "s"}));
        let wanted = StandbyCluster {
            host: Some(String::from("a,b")),
            port: 5433,
            slot: Some(String::from("s")),
        };
        assert_eq!((section, warnings), (Some(wanted), Vec::new()));
        let (section, warnings) = read(&json!({"host": "a", "port": 70000}));
        assert_eq!(section.map(|section| section.port), Some(5432));
        assert_eq!(
            warnings,
            ["standby_cluster.port: 70000 is not a port, 5432 is used"]
        );
        let (section, _) = read(&json!({"port": 5433}));
        assert_eq!(
            section.and_then(|section| section.host).as_deref(),
            Some("localhost")
        );
    }
}
