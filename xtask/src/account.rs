//! Who we are, and as whom PostgreSQL may run.
//!
//! Invariant: an [`Account`] is never root.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::Error;

/// An unprivileged user to run programs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// The user that programs have to be switched to: `None` when we are not
    /// root, and there is nothing to switch.
    pub(crate) fn needed() -> Result<Option<Self>, Error> {
        if !is_root()? {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").map_err(Error::io("read /etc/passwd"))?;
        let found = find(&passwd, "postgres").or_else(|| find(&passwd, "nobody"));
        found.map(Some).ok_or_else(|| {
            Error::Missing(
                "PostgreSQL refuses to run as root, and this machine has neither a user \
                 'postgres' nor 'nobody': create one, or run this as an ordinary user"
                    .to_owned(),
            )
        })
    }

    /// Makes the command run as this account. The standard library clears the
    /// supplementary groups of root when it sets a user.
    pub(crate) fn applied_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.gid(self.gid).uid(self.uid)
    }

    /// Whether this account can read every file below `path`. What the account
    /// reads is a question to the kernel (modes, ACLs, parents), so the account
    /// itself is sent to look.
    pub(crate) fn can_read_all(&self, path: &Path) -> Result<bool, Error> {
        let mut find = Command::new("find");
        find.arg(path)
            .args(["(", "-name", "target", "-o", "-name", ".git", ")", "-prune"])
            .args(["-o", "!", "-readable", "-print", "-quit"]);
        self.look(find)
    }

    /// Whether this account can enter and list the directory itself.
    pub(crate) fn can_enter(&self, path: &Path) -> Result<bool, Error> {
        let mut find = Command::new("find");
        find.arg(path)
            .args(["-maxdepth", "0", "(", "!", "-readable"])
            .args(["-o", "!", "-executable", ")", "-print"]);
        self.look(find)
    }

    fn look(&self, mut find: Command) -> Result<bool, Error> {
        let output = self
            .applied_to(&mut find)
            // The current directory may itself be closed to this account.
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io(format!("run find as {}", self.name)))?;
        Ok(output.status.success() && output.stdout.is_empty())
    }
}

/// Whether this process has the rights of root.
pub(crate) fn is_root() -> Result<bool, Error> {
    let own = fs::metadata("/proc/self").map_err(Error::io("look at /proc/self"))?;
    Ok(own.uid() == 0)
}

fn find(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0).then(|| Account {
            name: name.to_owned(),
            uid,
            gid,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
                          postgresql:x:7:7::/:/bin/sh\n\
                          postgres:x:101:104:PostgreSQL:/var/lib/postgresql:/bin/bash\n";

    #[test]
    fn account_is_found_by_its_whole_name() {
        let account = find(PASSWD, "postgres").unwrap();
        assert_eq!((account.uid, account.gid), (101, 104));
    }

    #[test]
    fn absent_or_malformed_account_is_none() {
        assert_eq!(find(PASSWD, "nobody"), None);
        assert_eq!(find("nobody:x:many:1::/:/bin/sh\n", "nobody"), None);
    }

    #[test]
    fn root_is_never_an_account() {
        assert_eq!(find(PASSWD, "root"), None);
        assert_eq!(find("nobody:x:0:0::/:/bin/sh\n", "nobody"), None);
    }
}
