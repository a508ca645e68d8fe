//! Whose password it is: from the environment, or the file that PostgreSQL's own programs read.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// Where a password may be written down for.
pub(super) struct Login<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The password without asking for it.
pub(super) fn known(login: &Login<'_>) -> Option<String> {
    std::env::var("PGPASSWORD")
        .ok()
        .filter(|password| !password.is_empty())
        .or_else(|| of_file(login))
}

fn of_file(login: &Login<'_>) -> Option<String> {
    let named = std::env::var_os("PGPASSFILE").map(PathBuf::from);
    let usual = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".pgpass"));
    let file = named.or_else(usual)?;
    let mode = std::fs::metadata(&file).ok()?.permissions().mode();
    if mode & 0o077 != 0 {
        let shown = file.display();
        eprintln!("Warning: {shown} is not used: others may read it, chmod 0600 it");
        return None;
    }
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| matching(line, login))
}

fn matching(line: &str, login: &Login<'_>) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let fields = fields(line);
    let [host, port, database, user, password] = fields.as_slice() else {
        return None;
    };
    let port_text = login.port.to_string();
    let wanted = [
        (host, login.host),
        (port, &port_text),
        (database, login.database),
        (user, login.user),
    ];
    let matches = wanted
        .iter()
        .all(|(field, value)| *field == "*" || *field == value);
    matches.then(|| password.clone())
}

/// The five fields of a line; a backslash takes the next letter as it is.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        let is_last = fields.len() == 5;
        let field = fields.last_mut().expect("there is one from the beginning");
        match letter {
            '\\' => field.extend(letters.next()),
            ':' if !is_last => fields.push(String::new()),
            other => field.push(other),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_match_by_their_first_four_fields() {
        let login = Login {
            host: "h:1",
            port: 5432,
            database: "d",
            user: "u",
        };
        for (line, password) in [
            (r"h\:1:5432:d:u:p\\w:x", Some(r"p\w:x")),
            ("*:*:*:*:", Some("")),
            ("h:5432:d:u:p", None),
            (r"h\:1:5433:d:u:p", None),
            ("#*:*:*:*:p", None),
            ("*:*:*", None),
        ] {
            assert_eq!(matching(line, &login).as_deref(), password, "{line}");
        }
    }
}
