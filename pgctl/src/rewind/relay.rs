//! Hides sockets in the source's data directory from `pg_rewind`.
//!
//! With `unix_socket_directories = '.'` the server's socket is in its data
//! directory. `pg_rewind` finds it in the list of files, takes it for one, and
//! fails when the server cannot open it (seen with version 15; base backups pass
//! it over). So the program talks to its source through a socket of ours, and
//! what passes is left as it is but for these rows of the list.
//!
//! The program's way to us does not leave the machine, ours to the source may: it is encrypted as
//! the credentials say. A login cannot be bound to that encryption, because the program does not
//! see it; so what the server offers of that is hidden too.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::error::{Error, Result};
use crate::link::{Place, Route};
use crate::upstream::Upstream;

/// The columns of the list of files: path, size, whether a directory, link.
const LIST_COLUMNS: u16 = 4;
/// What a server begins a login by SCRAM with: the kind of request, before the names of its ways.
const SASL: [u8; 4] = [0, 0, 0, 10];
/// The way that is bound to the encryption.
const BOUND_WAY: &[u8] = b"SCRAM-SHA-256-PLUS";
/// No message of a server is larger.
const LARGEST_MESSAGE: usize = 1 << 30;

/// A socket that leads to the source. It ends with this value.
#[derive(Debug)]
pub(super) struct Relay {
    folder: PathBuf,
    port: u16,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// Opens a socket that only this user can reach. It leads to the source by a way that a
    /// connection as the same role has gone before.
    pub(super) fn open(source: &Upstream, route: &Route) -> Result<Self> {
        let folder = make_folder()?;
        let path = folder.join(format!(".s.PGSQL.{}", source.port));
        let bound = UnixListener::bind(&path);
        let listener = match bound {
            Ok(listener) => listener,
            Err(error) => {
                let _ = fs::remove_dir_all(&folder);
                return Err(Error::io("cannot listen at", &path)(error));
            }
        };
        let port = source.port;
        let accepting = tokio::spawn(accept(listener, source.clone(), route.clone()));
        Ok(Self {
            folder,
            port,
            accepting,
        })
    }

    /// Where a program connects to.
    pub(super) fn as_upstream(&self) -> Upstream {
        Upstream::new(self.folder.display().to_string(), self.port)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn make_folder() -> Result<PathBuf> {
    let parent = std::env::temp_dir();
    let mut count = 0_u32;
    loop {
        let folder = parent.join(format!("herdsman-{}-{count}", std::process::id()));
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            // Of another rewind, left by an earlier process of the same id, or somebody else's.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => count += 1,
            Err(error) => return Err(Error::io("cannot make", &folder)(error)),
        }
    }
}

async fn accept(listener: UnixListener, source: Upstream, route: Route) {
    // What is connected ends with the task that accepts.
    let mut connected = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (source, route) = (source.clone(), route.clone());
        connected.spawn(async move {
            if let Err(error) = pass(client, &source, &route).await {
                // The program sees no more of it than that its connection has ended.
                tracing::warn!(%error, "relay to the source of a rewind");
            }
        });
    }
}

/// How long one host may take until it can be talked to.
const DIAL_LIMIT: Duration = Duration::from_secs(5);

async fn pass(
    client: impl AsyncRead + AsyncWrite,
    source: &Upstream,
    route: &Route,
) -> io::Result<()> {
    let mut last = io::Error::from(io::ErrorKind::InvalidInput);
    for host in source.hosts() {
        let place = Place {
            host: host.to_owned(),
            port: source.port,
        };
        let dialled = tokio::time::timeout(DIAL_LIMIT, route.dial_to(&place)).await;
        match dialled.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into())) {
            Ok(server) => {
                let (mut from_client, to_client) = tokio::io::split(client);
                let (from_server, mut to_server) = tokio::io::split(server);
                let up = async {
                    tokio::io::copy(&mut from_client, &mut to_server).await?;
                    to_server.shutdown().await
                };
                let down = filter(from_server, to_client);
                tokio::try_join!(up, down)?;
                return Ok(());
            }
            Err(trouble) => last = io::Error::other(trouble.to_string()),
        }
    }
    Err(last)
}

/// Passes a server's messages on, without the rows that name a socket and the way to log in that
/// is bound to the encryption.
async fn filter(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut message = Vec::new();
    loop {
        let mut head = [0; 5];
        match from.read_exact(&mut head).await {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return to.shutdown().await;
            }
            Err(error) => return Err(error),
        }
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if !(4..=LARGEST_MESSAGE).contains(&length) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        message.clear();
        message.extend_from_slice(&head);
        (&mut from)
            .take(length as u64 - 4)
            .read_to_end(&mut message)
            .await?;
        if message.len() != length + 1 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if names_a_socket(&message) {
            continue;
        }
        match without_bound_way(&message) {
            Some(unbound) => to.write_all(&unbound).await?,
            None => to.write_all(&message).await?,
        }
    }
}

/// Whether a message is a row of the list of files that names a socket.
fn names_a_socket(message: &[u8]) -> bool {
    let Some((b'D', body)) = message.split_first() else {
        return false;
    };
    let Some(columns) = body.get(4..6) else {
        return false;
    };
    if u16::from_be_bytes([columns[0], columns[1]]) != LIST_COLUMNS {
        return false;
    }
    let Some(length) = body.get(6..10) else {
        return false;
    };
    let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
    let path = body.get(10..).and_then(|rest| rest.get(..length));
    let name = path.and_then(|path| path.rsplit(|byte| *byte == b'/').next());
    name.and_then(|name| name.strip_prefix(b".s.PGSQL."))
        .is_some_and(|port| !port.is_empty() && port.iter().all(u8::is_ascii_digit))
}

/// The offer of ways to log in without the one that is bound to the encryption; `None` for a message
/// that does not have it. libpq gives up when it is offered that on a connection in plain.
fn without_bound_way(message: &[u8]) -> Option<Vec<u8>> {
    let (b'R', body) = message.split_first()? else {
        return None;
    };
    let ways = body.get(4..)?.strip_prefix(&SASL)?;
    let kept: Vec<&[u8]> = ways
        .split(|byte| *byte == 0)
        .filter(|way| *way != BOUND_WAY)
        .collect();
    let kept = kept.join(&0);
    if kept.len() == ways.len() {
        return None;
    }
    let length = u32::try_from(4 + SASL.len() + kept.len()).ok()?;
    Some([&b"R"[..], &length.to_be_bytes(), &SASL, &kept].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of a type with a body.
    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    fn row(columns: &[&str]) -> Vec<u8> {
        let mut body = u16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
        for column in columns {
            body.extend(u32::try_from(column.len()).unwrap().to_be_bytes());
            body.extend(column.as_bytes());
        }
        message(b'D', &body)
    }

    #[test]
    fn only_rows_of_the_list_that_name_a_socket_are_hidden() {
        let listed = |path| names_a_socket(&row(&[path, "0", "f", ""]));
        assert!(listed(".s.PGSQL.5432"));
        assert!(listed("run/.s.PGSQL.5432"));
        assert!(!listed(".s.PGSQL.5432.lock"));
        assert!(!listed(".s.PGSQL."));
        assert!(!listed("base/1/1259"));
        assert!(!names_a_socket(&row(&[".s.PGSQL.5432", "0", "x"])));
        assert!(!names_a_socket(b"D\0\0\0\x06\0\x04"));
        assert!(!names_a_socket(&message(b'C', b"SELECT 4\0")));
    }

    #[test]
    fn the_way_to_log_in_that_is_bound_to_the_encryption_is_hidden() {
        let offer = |ways: &[u8]| message(b'R', &[&SASL, ways].concat());
        assert_eq!(
            without_bound_way(&offer(b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")),
            Some(offer(b"SCRAM-SHA-256\0\0"))
        );
        assert_eq!(without_bound_way(&offer(b"SCRAM-SHA-256\0\0")), None);
        let other = message(b'R', b"\0\0\0\x0bSCRAM-SHA-256-PLUS\0");
        assert_eq!(without_bound_way(&other), None);
        assert_eq!(without_bound_way(&message(b'R', &[0; 4])), None);
        assert_eq!(without_bound_way(b"R"), None);
    }

    #[tokio::test]
    async fn everything_else_passes_byte_for_byte_however_it_is_cut() {
        let hidden = row(&[".s.PGSQL.7", "0", "f", ""]);
        let kept = [
            message(b'R', &[0; 4]),
            row(&["a", "b"]),
            message(b'Z', b"I"),
        ]
        .concat();
        let all = [&kept[..9], &kept[9..], &hidden, &kept].concat();
        let (near, mut far) = tokio::io::duplex(7);
        let feeding = tokio::spawn(async move {
            for byte in all {
                far.write_all(&[byte]).await.unwrap();
            }
        });
        let mut passed = Vec::new();
        filter(near, &mut passed).await.unwrap();
        feeding.await.unwrap();
        assert_eq!(passed, [kept.clone(), kept].concat());
    }

    #[tokio::test]
    async fn a_message_that_breaks_off_is_an_error() {
        let mut passed = Vec::new();
        assert!(filter(&b"D\0\0\0\x09\0"[..], &mut passed).await.is_err());
        assert!(filter(&b"D\0\0\0\x01"[..], &mut passed).await.is_err());
        assert_eq!(passed, b"");
    }
}
