//! How to reach a ZooKeeper ensemble.
//!
//! Invariant: hosts and chroot that got in here are well formed; credentials are in no `Debug`.

use std::fmt;
use std::sync::Arc;

use super::message::AclEntry;
use crate::tls::TlsSource;
use crate::{Error, Key, Limits, TlsOptions};

/// The port of a host that names none.
const PORT: u16 = 2181;

/// What a principal may do with a node.
const PERMISSIONS: [(&str, i32); 6] = [
    ("READ", 1),
    ("WRITE", 2),
    ("CREATE", 4),
    ("DELETE", 8),
    ("ADMIN", 16),
    ("ALL", 31),
];

/// Where an ensemble is and how to talk to it.
#[derive(Clone)]
pub struct ZooKeeperOptions {
    pub(super) hosts: Vec<String>,
    /// What is put before every path; empty or a path.
    pub(super) chroot: String,
    pub(super) auth: Vec<(String, String)>,
    pub(super) acl: Vec<AclEntry>,
    pub(super) limits: Limits,
    /// None: nothing is encrypted.
    pub(super) tls: Option<Arc<TlsSource>>,
}

impl ZooKeeperOptions {
    /// Options for servers at the given addresses, each `host` or `host:port`. Names are resolved
    /// each time that a connection is made.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is none, or one is no address.
    pub fn new<H: AsRef<str>>(hosts: impl IntoIterator<Item = H>) -> Result<Self, Error> {
        let mut known: Vec<String> = Vec::new();
        for host in hosts {
            let host = normalize(host.as_ref())?;
            if !known.contains(&host) {
                known.push(host);
            }
        }
        if known.is_empty() {
            return Err(Error::invalid("no ZooKeeper host is given"));
        }
        Ok(Self {
            hosts: known,
            chroot: String::new(),
            auth: Vec::new(),
            acl: vec![AclEntry {
                permissions: 31,
                scheme: "world".to_owned(),
                id: "anyone".to_owned(),
            }],
            limits: Limits::default(),
            tls: None,
        })
    }

    /// Encrypts every connection: the addresses are those of secure client ports.
    #[must_use]
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = Some(Arc::new(TlsSource::new(tls)));
        self
    }

    /// Puts a folder before every path. It must exist or be creatable.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is no absolute path.
    pub fn chroot(mut self, path: &str) -> Result<Self, Error> {
        self.chroot = match path {
            "" | "/" => String::new(),
            path => Key::new(path)?.as_str().to_owned(),
        };
        Ok(self)
    }

    /// Proves an identity on each connection, such as scheme `digest` with `user:password`.
    #[must_use]
    pub fn auth(mut self, scheme: impl Into<String>, credential: impl Into<String>) -> Self {
        self.auth.push((scheme.into(), credential.into()));
        self
    }

    /// Who may do what with the nodes that are made: principals `scheme:id`, or an `id` of the
    /// scheme `x509`, each with names of permissions (`READ`, `WRITE`, `CREATE`, `DELETE`, `ADMIN`,
    /// `ALL`). Without it everybody may do everything.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a name is no permission, or there is no principal.
    pub fn acl<'a>(
        mut self,
        entries: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>,
    ) -> Result<Self, Error> {
        let read = |(principal, names): (&str, Vec<&str>)| {
            let (scheme, id) = principal.split_once(':').unwrap_or(("x509", principal));
            let bits = names.iter().map(|name| permission(name));
            let bits = bits.collect::<Result<Vec<i32>, Error>>()?;
            Ok::<_, Error>(AclEntry {
                permissions: bits.into_iter().fold(0, |all, bit| all | bit),
                scheme: scheme.to_owned(),
                id: id.to_owned(),
            })
        };
        self.acl = entries.into_iter().map(read).collect::<Result<_, _>>()?;
        if self.acl.is_empty() {
            return Err(Error::invalid("an access list names nobody"));
        }
        Ok(self)
    }

    /// Time limits to begin with; see [`Dcs::set_limits`](crate::Dcs::set_limits).
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// Credentials stay out of every log, and what an access list names may be a hash of one.
impl fmt::Debug for ZooKeeperOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZooKeeperOptions")
            .field("hosts", &self.hosts)
            .field("chroot", &self.chroot)
            .field("limits", &self.limits)
            .field("is_encrypted", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

fn permission(name: &str) -> Result<i32, Error> {
    let known = PERMISSIONS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    let unknown = || Error::invalid(format!("{name:?} is no permission of ZooKeeper"));
    known.map(|(_, bit)| *bit).ok_or_else(unknown)
}

fn normalize(host: &str) -> Result<String, Error> {
    let host = host.trim();
    // What precedes an `@` would be a password.
    if host.contains('@') {
        let reason = "a ZooKeeper host must not contain credentials";
        return Err(Error::invalid(reason));
    }
    let is_wrong = |name: &str| name.is_empty() || name.contains(['/', ' ', ',']);
    let wrong = || Error::invalid(format!("{host:?} is no host:port of a ZooKeeper server"));
    let is_bare_v6 = host.matches(':').count() > 1 && !host.starts_with('[');
    match host.rsplit_once(':') {
        Some(_) if is_bare_v6 => Ok(format!("[{host}]:{PORT}")),
        Some((_, port)) if port.ends_with(']') => Ok(format!("{host}:{PORT}")),
        Some((name, port)) if !is_wrong(name) && port.parse::<u16>().is_ok() => Ok(host.to_owned()),
        None if !is_wrong(host) => Ok(format!("{host}:{PORT}")),
        Some(_) | None => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_without_port_gets_the_usual_one() {
        let options = ZooKeeperOptions::new(["zoo", "zoo:2182", "::1", "[::1]:9", "zoo"]).unwrap();
        assert_eq!(
            options.hosts,
            ["zoo:2181", "zoo:2182", "[::1]:2181", "[::1]:9"]
        );
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for wrong in ["", "zoo:port", "user:secret@zoo:1", "a/b", "zoo:70000"] {
            let error = ZooKeeperOptions::new([wrong]).unwrap_err();
            assert!(matches!(error, Error::Invalid(_)), "{wrong}");
            assert!(!format!("{error:?}").contains("secret"));
        }
        assert!(ZooKeeperOptions::new(Vec::<String>::new()).is_err());
    }

    #[test]
    fn access_list_is_read_as_the_reference_reads_it() {
        let options = ZooKeeperOptions::new(["zoo"]).unwrap();
        let options = options.acl([
            ("digest:user:hash", vec!["read", "WRITE"]),
            ("CN=a", vec!["ALL"]),
        ]);
        let acl = options.unwrap().acl;
        assert_eq!((acl[0].permissions, &*acl[0].scheme), (3, "digest"));
        assert_eq!(&*acl[0].id, "user:hash");
        assert_eq!((acl[1].permissions, &*acl[1].scheme), (31, "x509"));
        let none = ZooKeeperOptions::new(["zoo"]).unwrap();
        assert!(none.acl([("digest:a:b", vec!["FLY"])]).is_err());
    }

    #[test]
    fn credentials_are_in_no_debug_output() {
        let options = ZooKeeperOptions::new(["zoo"]).unwrap();
        let shown = format!("{:?}", options.auth("digest", "user:hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
