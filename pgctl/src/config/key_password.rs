//! The password of a client's key, for programs that take it in their connection string only.
//!
//! Everybody on the machine can read a program's arguments, and libpq has no variable for this
//! password. But it takes keywords from a service file, which variables can name.
//!
//! Invariant: the file is for its owner alone, and ends with its use.

use std::path::Path;

use super::{Passfile, write_atomically};
use crate::command::Tool;
use crate::credentials::{Credentials, Secret};
use crate::error::Result;
use crate::instance::Instance;

const SERVICE: &str = "herdsman";

/// A service file that has nothing but the password of a key.
#[derive(Debug)]
pub(crate) struct KeyPassword(Passfile);

impl KeyPassword {
    /// Lets a program find it.
    pub(crate) fn given_to(&self, tool: Tool) -> Tool {
        tool.env("PGSERVICEFILE", path(self))
            .env("PGSERVICE", SERVICE)
    }
}

fn path(password: &KeyPassword) -> &Path {
    &password.0.0
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
        let mut path = self.options().pgpass.clone().into_os_string();
        path.push(format!(".{purpose}.service"));
        let file = Passfile(path.into());
        write_atomically(&file.0, content.as_bytes(), 0o600)?;
        Ok(Some(KeyPassword(file)))
    }
}

/// The file. libpq reads a value to the end of its line, without blanks there.
fn render(password: &Secret) -> Option<String> {
    let text = password.expose();
    if text.contains('\n') || text.trim_end() != text {
        tracing::warn!(
            "a sslpassword that ends with a blank or has several lines cannot be handed to PostgreSQL's programs"
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
