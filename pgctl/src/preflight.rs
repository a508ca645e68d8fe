//! What would keep the server from starting, before trying.
//!
//! Invariant: nothing on disk changes here.

use std::fs;
use std::net::{TcpListener, ToSocketAddrs};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::bin::NEEDED;
use crate::data_directory::{Seen, blocking, look};
use crate::error::{Error, Result};
use crate::facts::{DataDirectory, Leftover};
use crate::instance::Instance;
use crate::listen::Listen;
use crate::version::Version;

impl Instance {
    /// Checks programs, versions, the data directory's owner, mode and content,
    /// and the port. Changes nothing on disk. Empty: nothing stands in the way.
    pub async fn preflight(&self) -> Vec<Error> {
        let mut problems = Vec::new();
        let names = NEEDED
            .iter()
            .filter(|name| self.find_program(name).is_none());
        let names: Vec<String> = names.map(|name| (*name).to_owned()).collect();
        if names.is_empty() {
            problems.extend(self.check_versions().await.err());
        } else {
            let looked_in = self.looked_in();
            problems.push(Error::MissingBinaries { names, looked_in });
        }
        let instance = self.clone();
        let is_running = self.postmaster().is_some();
        let checked = blocking(move || {
            let data_dir = instance.data_dir();
            let mut found = Vec::new();
            found.extend(check_user(data_dir).err());
            if let Seen::Other(DataDirectory::NotACluster(what)) = look(data_dir) {
                let path = data_dir.to_owned();
                found.push(Error::NotEmpty { path, what });
            }
            if !is_running {
                found.extend(check_port(&instance.config().listen).err());
            }
            Ok(found)
        });
        problems.extend(checked.await.unwrap_or_default());
        problems
    }

    /// What a start needs of the data directory and the programs.
    pub(crate) async fn check_cluster(&self) -> Result<()> {
        let data_dir = self.data_dir().to_owned();
        blocking(move || {
            check_user(&data_dir)?;
            let what = match look(&data_dir) {
                Seen::Cluster { .. } => return Ok(()),
                // A bootstrap needs a running server for its last steps.
                Seen::Other(DataDirectory::Leftover(Leftover::Bootstrap)) => return Ok(()),
                Seen::Other(DataDirectory::Leftover(Leftover::Clone)) => {
                    "a clone was interrupted there".to_owned()
                }
                Seen::Other(DataDirectory::Wreck(_)) => {
                    "a rewind was begun there and did not come to its end".to_owned()
                }
                Seen::Other(DataDirectory::NotACluster(what) | DataDirectory::Unreadable(what)) => {
                    what
                }
                Seen::Other(DataDirectory::Empty) => "it is empty".to_owned(),
                Seen::Other(DataDirectory::Missing | DataDirectory::Cluster(_)) => {
                    "it is missing".to_owned()
                }
            };
            Err(Error::NoCluster {
                path: data_dir,
                what,
            })
        })
        .await?;
        self.check_versions().await
    }

    async fn check_versions(&self) -> Result<()> {
        let programs = self.program_version().await?;
        let path = self.data_dir().join("PG_VERSION");
        let Ok(text) = fs::read_to_string(&path) else {
            return Ok(());
        };
        let data: Version = text.parse().map_err(|_| Error::Unexpected {
            what: "content of PG_VERSION",
            found: text,
        })?;
        if data.major() == programs.major() {
            return Ok(());
        }
        Err(Error::UnsupportedVersion {
            what: format!("data directory {}", self.data_dir().display()),
            found: data,
            supported: format!("the programs are of version {programs}"),
        })
    }
}

/// PostgreSQL's own conditions on who runs it and on the data directory.
fn check_user(data_dir: &Path) -> Result<()> {
    let ours = rustix::process::geteuid().as_raw();
    if ours == 0 {
        return Err(Error::RunsAsRoot);
    }
    let Ok(metadata) = fs::metadata(data_dir) else {
        return Ok(());
    };
    let path = data_dir.to_owned();
    let owner = metadata.uid();
    if owner != ours {
        return Err(Error::WrongOwner { path, owner, ours });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    // An empty directory is given its mode when it is filled.
    let is_cluster = data_dir.join("PG_VERSION").exists();
    if is_cluster && mode & 0o027 != 0 {
        return Err(Error::WrongMode { path, mode });
    }
    Ok(())
}

fn check_port(listen: &Listen) -> Result<()> {
    let port = listen.port();
    for host in listen.hosts() {
        let host = if host == "*" { "0.0.0.0" } else { host };
        // A name that cannot be resolved now is the server's business.
        for address in (host, port).to_socket_addrs().into_iter().flatten() {
            // The listener is closed again at once.
            TcpListener::bind(address).map_err(|source| Error::PortTaken {
                address: address.to_string(),
                source,
            })?;
        }
    }
    Ok(())
}
