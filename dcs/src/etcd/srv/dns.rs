//! One kind of question to a name server: which hosts offer a service?
//!
//! A resolver that does everything would be a large dependency. This asks the servers that the
//! system names, over UDP and, when the answer does not fit, over TCP (RFC 1035, 2782). It follows no
//! aliases and searches no domains: the name is a whole one.
//!
//! Invariant: whatever is answered is a list of hosts or an error, never a crash or an endless loop.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::Cause;

const SYSTEM_FILE: &str = "/etc/resolv.conf";
/// How long one server may take.
const LIMIT: Duration = Duration::from_secs(1);
/// What a server may answer over UDP; more would be cut into pieces on its way.
const LARGEST_DATAGRAM: u16 = 1232;
const SRV: u16 = 33;
const OPT: u16 = 41;
const INTERNET: u16 = 1;
const NAME_ERROR: u8 = 3;

/// A host that offers the service; as text `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record {
    /// The lowest comes first.
    priority: u16,
    weight: u16,
    port: u16,
    host: String,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Whether a name can be asked for.
pub(super) fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_known = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        (1..=63).contains(&label.len()) && label.chars().all(is_known)
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// The name servers of the system, or else the one on this machine.
pub(super) fn system_servers() -> Vec<SocketAddr> {
    let text = std::fs::read_to_string(SYSTEM_FILE).unwrap_or_default();
    name_servers(&text)
}

fn name_servers(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let is_server = words.next() == Some("nameserver");
        // The zone of a local address is of no use here.
        let address = words.next()?.split('%').next()?;
        let address: IpAddr = address.parse().ok()?;
        is_server.then_some(SocketAddr::from((address, 53)))
    };
    let found: Vec<SocketAddr> = text.lines().filter_map(address).collect();
    if found.is_empty() {
        return vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 53))];
    }
    found
}

/// The hosts that offer a service, the preferred ones first; none when the name is not there.
pub(super) async fn srv(servers: &[SocketAddr], name: &str) -> Result<Vec<Record>, Cause> {
    let mut problem = Cause::new("there is no name server");
    for server in servers {
        let asked = timeout(LIMIT, ask(*server, name)).await;
        let asked = asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match asked {
            Ok(mut records) => {
                records.sort();
                return Ok(records);
            }
            Err(error) => {
                let cause = Cause::from_error(&error);
                problem = Cause::with_source(format!("the name server {server}"), Some(&cause));
            }
        }
    }
    Err(problem)
}

async fn ask(server: SocketAddr, name: &str) -> io::Result<Vec<Record>> {
    let id = {
        // Its keys are random, so nobody can guess it.
        let hasher = RandomState::new().build_hasher().finish();
        hasher.to_be_bytes()
    };
    let id = [id[0], id[1]];
    let question = question(id, name);
    let from = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(from).await?;
    // From now on only this server is listened to.
    socket.connect(server).await?;
    socket.send(&question).await?;
    let mut buffer = vec![0; usize::from(LARGEST_DATAGRAM)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let answer = &buffer[..length];
        // Somebody may guess the port; what does not belong to the question is passed over.
        if !belongs(answer, &question) {
            continue;
        }
        if is_cut(answer) {
            return ask_in_full(server, &question).await;
        }
        return read(answer);
    }
}

/// The same question over TCP, where each message has its length before it.
async fn ask_in_full(server: SocketAddr, question: &[u8]) -> io::Result<Vec<Record>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    let mut message = length.to_be_bytes().to_vec();
    message.extend_from_slice(question);
    stream.write_all(&message).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    if !belongs(&answer, question) {
        return Err(garbled());
    }
    read(&answer)
}

/// A question for the services of this name, with room for a long answer.
fn question(id: [u8; 2], name: &str) -> Vec<u8> {
    let mut message = id.to_vec();
    // Recursion is wanted; one question, and one more record, which tells how much we take.
    for number in [0x0100_u16, 1, 0, 0, 1] {
        message.extend(number.to_be_bytes());
    }
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap_or(63));
        message.extend(label.as_bytes());
    }
    message.push(0);
    for number in [SRV, INTERNET] {
        message.extend(number.to_be_bytes());
    }
    message.push(0);
    for number in [OPT, LARGEST_DATAGRAM, 0, 0, 0] {
        message.extend(number.to_be_bytes());
    }
    message
}

/// Where the question ends: after the header, the name, the type and the class.
fn end_of_question(message: &[u8]) -> usize {
    let name = message.get(12..).unwrap_or_default();
    let end = name.iter().position(|byte| *byte == 0);
    12 + end.unwrap_or(0) + 1 + 4
}

/// Whether an answer repeats the number and the question.
fn belongs(answer: &[u8], question: &[u8]) -> bool {
    let end = end_of_question(question);
    let is_answer = answer.get(2).is_some_and(|flags| flags & 0x80 != 0);
    let repeats = |from: usize, to: usize| {
        let pair = (answer.get(from..to), question.get(from..to));
        matches!(pair, (Some(theirs), Some(ours)) if theirs.eq_ignore_ascii_case(ours))
    };
    is_answer && repeats(0, 2) && repeats(12, end)
}

fn is_cut(answer: &[u8]) -> bool {
    answer.get(2).is_some_and(|flags| flags & 0x02 != 0)
}

fn garbled() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the answer cannot be understood",
    )
}

/// The records of an answer that belongs to the question.
fn read(answer: &[u8]) -> io::Result<Vec<Record>> {
    let code = answer.get(3).ok_or_else(garbled)? & 0x0f;
    match code {
        0 => {}
        NAME_ERROR => return Ok(Vec::new()),
        code => return Err(io::Error::other(format!("it refuses with code {code}"))),
    }
    let count = number(answer, 6).ok_or_else(garbled)?;
    let mut at = end_of_question(answer);
    let mut records = Vec::new();
    for _ in 0..count {
        let (record, end) = record(answer, at).ok_or_else(garbled)?;
        records.extend(record);
        at = end;
    }
    Ok(records)
}

/// The record that begins here, if it is of our kind, and where it ends.
fn record(message: &[u8], at: usize) -> Option<(Option<Record>, usize)> {
    let (_, at) = name(message, at)?;
    let (kind, length) = (number(message, at)?, number(message, at + 8)?);
    let data = at + 10;
    let end = data + usize::from(length);
    message.get(data..end)?;
    if kind != SRV {
        return Some((None, end));
    }
    let (host, _) = name(message, data + 6)?;
    let record = Record {
        priority: number(message, data)?,
        weight: number(message, data + 2)?,
        port: number(message, data + 4)?,
        host,
    };
    // The root as a host means that nobody offers the service.
    let is_host = is_name(&record.host);
    Some((is_host.then_some(record), end))
}

/// The name that begins here, without a dot at its end, and where the record goes on after it.
fn name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels: Vec<String> = Vec::new();
    let mut end = None;
    // A name has fewer labels and references than this; a ring of references has more.
    for _ in 0..128 {
        let length = *message.get(at)?;
        match length {
            0 => return Some((labels.join("."), end.unwrap_or(at + 1))),
            // The rest of the name is elsewhere.
            0xc0.. => {
                end = end.or(Some(at + 2));
                at = usize::from(number(message, at)? & 0x3fff);
            }
            1..=63 => {
                let label = message.get(at + 1..at + 1 + usize::from(length))?;
                labels.push(String::from_utf8_lossy(label).into_owned());
                at += 1 + usize::from(length);
            }
            64..=0xbf => return None,
        }
    }
    None
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    let bytes = message.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "_etcd._tcp.example.org";

    /// An answer with one record of each of these kinds.
    fn answer(records: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut answer = question([7, 9], NAME);
        answer.truncate(end_of_question(&answer));
        answer[2] |= 0x80;
        answer[7] = u8::try_from(records.len()).unwrap();
        answer[11] = 0;
        for (kind, data) in records {
            answer.extend([0xc0, 12]);
            for number in [*kind, INTERNET, 0, 60, u16::try_from(data.len()).unwrap()] {
                answer.extend(number.to_be_bytes());
            }
            answer.extend(data);
        }
        answer
    }

    fn service(priority: u8, host: &[u8]) -> Vec<u8> {
        [&[0, priority, 0, 0, 0x09, 0x4b][..], host].concat()
    }

    #[test]
    fn answer_is_read_with_names_that_refer_to_others() {
        // The second host ends like the name that was asked for: after `_etcd._tcp`.
        let reference = [1, b'b', 0xc0, 12 + 6 + 5];
        let records = [
            (5, vec![1, b'x', 0]),
            (SRV, service(1, &reference)),
            (SRV, service(0, b"\x01a\x00")),
            (SRV, service(0, b"\x00")),
        ];
        let answer = answer(&records);
        assert!(belongs(&answer, &question([7, 9], NAME)));
        assert!(!belongs(&answer, &question([7, 8], NAME)));
        assert!(!belongs(
            &answer,
            &question([7, 9], "_etcd._tcp.example.net")
        ));
        let mut records = read(&answer).unwrap();
        records.sort();
        let shown: Vec<String> = records.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a:2379", "b.example.org:2379"]);
    }

    #[test]
    fn whatever_is_answered_is_no_crash() {
        let good = answer(&[(SRV, service(1, b"\x01a\x00"))]);
        for end in 0..good.len() {
            let _ = read(&good[..end]);
            let _ = belongs(&good[..end], &good);
        }
        for at in 0..good.len() {
            for byte in [0, 1, 63, 64, 0xc0, 0xff] {
                let mut wrong = good.clone();
                wrong[at] = byte;
                let _ = read(&wrong);
            }
        }
        // A name that refers to itself.
        let start = u8::try_from(good.len() - 3).unwrap();
        let ring = answer(&[(SRV, service(1, &[0xc0, start]))]);
        assert!(read(&ring).is_err());
    }

    #[test]
    fn code_of_an_answer_is_looked_at() {
        let with_code = |code: u8| {
            let mut answer = answer(&[]);
            answer[3] = code;
            read(&answer)
        };
        assert_eq!(with_code(NAME_ERROR).unwrap(), []);
        assert!(with_code(2).is_err());
    }

    #[test]
    fn name_servers_are_those_of_the_file() {
        let text = "# a comment\nsearch x\nnameserver 10.0.0.2\nnameserver fe80::1%eth0\n";
        let found = name_servers(text);
        assert_eq!(
            found,
            [
                "10.0.0.2:53".parse().unwrap(),
                "[fe80::1]:53".parse().unwrap()
            ]
        );
        assert_eq!(name_servers(""), ["127.0.0.1:53".parse().unwrap()]);
    }
}
