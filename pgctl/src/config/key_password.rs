//! The password of a client's key, for a standby and for PostgreSQL's programs.
//!
//! libpq takes it from a connection string, for which it is too secret: a server logs its own when
//! that changes, and everybody on the machine can read a program's arguments. There is no variable
//! for it either. But libpq takes keywords from a service file, and a variable names that.
//!
//! Invariant: the files are for their owner alone.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Passfile, write_atomically};
use crate::command::Tool;
use crate::credentials::{Credentials, Secret};
use crate::error::Result;
use crate::instance::Instance;
use crate::options::Config;
use crate::process::start::absolute;

const SERVICE: &str = "herdsman";
const VARIABLE: &str = "PGSERVICEFILE";

/// A service file for one use of a program, with which it ends.
#[derive(Debug)]
pub(crate) struct KeyPassword(Passfile);

impl KeyPassword {
    /// Lets a program find it.
    pub(crate) fn given_to(&self, tool: Tool) -> Tool {
        let Self(Passfile(path)) = self;
        tool.env(VARIABLE, path).env("PGSERVICE", SERVICE)
    }
}

impl Instance {
    /// Writes the file for one use of the role, if its key has a password.
    pub(crate) fn write_key_password(
        &self,
        role: &Credentials,
        purpose: &str,
    ) -> Result<Option<KeyPassword>> {
        let Some(content) = role.sslpassword.as_ref().and_then(render) else {
            return Ok(None);
        };
        let file = Passfile(self.service_file(&format!(".{purpose}"))?);
        write_atomically(&file.0, content.as_bytes(), 0o600)?;
        Ok(Some(KeyPassword(file)))
    }

    /// Writes the file for the server as a standby, and returns the service in it.
    ///
    /// A running server that was not told of the file at its start, because there was no password
    /// then or somebody else has started it, cannot find it.
    pub(super) fn service_for_standby(&self, config: &Config) -> Result<Option<&'static str>> {
        let password = config.replication.sslpassword.as_ref();
        let Some(content) = password.and_then(render) else {
            return Ok(None);
        };
        let file = self.service_file("")?;
        write_atomically(&file, content.as_bytes(), 0o600)?;
        let Some(postmaster) = self.postmaster() else {
            return Ok(Some(SERVICE));
        };
        if knows(postmaster.pid, &file) {
            return Ok(Some(SERVICE));
        }
        tracing::warn!("the server must be restarted before it can open sslkey by sslpassword");
        Ok(None)
    }

    /// Tells a server that is being started of the file.
    pub(crate) fn name_service_file(&self, server: &mut Command) -> Result<()> {
        if self.config().replication.sslpassword.is_some() {
            server.env(VARIABLE, self.service_file("")?);
        }
        Ok(())
    }

    fn service_file(&self, purpose: &str) -> Result<PathBuf> {
        let mut path = self.options().pgpass.clone().into_os_string();
        path.push(format!("{purpose}.service"));
        absolute(Path::new(&path))
    }
}

/// Whether a process was started with the variable that names the file.
fn knows(pid: u32, file: &Path) -> bool {
    let wanted = [VARIABLE.as_bytes(), b"=", file.as_os_str().as_bytes()].concat();
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|all| all.split(|byte| *byte == 0).any(|one| one == wanted))
}

/// The file. libpq reads a value to the end of its line, without blanks there.
fn render(password: &Secret) -> Option<String> {
    let text = password.expose();
    if text.contains('\n') || text.trim_end() != text {
        tracing::warn!(
            "PostgreSQL takes no sslpassword that ends with a blank or has several lines"
        );
        return None;
    }
    Some(format!("[{SERVICE}]\nsslpassword={text}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line_as_it_is() {
        let file = |text: &str| render(&Secret::new(text));
        let wanted = "[herdsman]\nsslpassword= a'b\\=#c\n";
        assert_eq!(file(" a'b\\=#c").as_deref(), Some(wanted));
        assert_eq!(file("a "), None);
        assert_eq!(file("a\nhost=b"), None);
    }
}
