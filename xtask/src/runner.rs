//! `xtask run-as`: starts one program as an unprivileged user, for cargo,
//! nextest and rustdoc, which call it in place of each test binary.
//!
//! Invariant: the program replaces this process, so process id, signals,
//! terminal and exit code are the program's own.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::account::Account;
use crate::error::Error;
use crate::scratch;

/// The name of the subcommand; not for people.
pub(crate) const COMMAND: &str = "run-as";

unsafe extern "C" {
    fn umask(mask: u32) -> u32;
}

/// Lets others read the files that this process and its children create.
pub(crate) fn share_new_files() {
    // SAFETY: umask takes a number, and cannot fail.
    unsafe {
        umask(0o022);
    }
}

/// Becomes the program: returns only if that is impossible.
pub(crate) fn run(args: &[OsString]) -> Error {
    let [name, uid, gid, dir, program, args @ ..] = args else {
        return Error::Usage(format!(
            "usage: xtask {COMMAND} <user> <uid> <gid> <directory> <program> [args..]"
        ));
    };
    let (Some(uid), Some(gid)) = (number(uid), number(gid)) else {
        return Error::Usage("user and group are numbers".to_owned());
    };
    let account = Account {
        name: name.to_string_lossy().into_owned(),
        uid,
        gid,
    };
    if let Err(error) = open_way(Path::new(program), &env::temp_dir()) {
        return error;
    }
    let mut command = Command::new(program);
    command.args(args);
    scratch::enter(&mut command, &account, Path::new(dir));
    Error::path("run", Path::new(program))(command.exec())
}

fn number(text: &OsStr) -> Option<u32> {
    text.to_str()?.parse().ok()
}

/// rustdoc builds a doctest in a temporary directory that only root may enter.
/// Lets the account pass through the directories between `top` and the program.
fn open_way(program: &Path, top: &Path) -> Result<(), Error> {
    let between = program.ancestors().skip(1).take_while(|dir| *dir != top);
    if !program.starts_with(top) {
        return Ok(());
    }
    for dir in between {
        let found = fs::metadata(dir).map_err(Error::path("look at", dir))?;
        let mode = found.permissions().mode();
        if mode & 0o055 != 0o055 {
            fs::set_permissions(dir, Permissions::from_mode(mode | 0o055))
                .map_err(Error::path("open", dir))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn way_is_opened_below_the_temporary_directory_only() {
        let top = env::temp_dir().join(format!("xtask-way-{}", process::id()));
        let inner = top.join("rustdoctest");
        fs::create_dir_all(&inner).unwrap();
        for dir in [&top, &inner] {
            fs::set_permissions(dir, Permissions::from_mode(0o700)).unwrap();
        }

        open_way(&inner.join("rust_out"), Path::new("/nowhere")).unwrap();
        assert_eq!((mode(&top), mode(&inner)), (0o700, 0o700));

        open_way(&inner.join("rust_out"), &top).unwrap();
        assert_eq!((mode(&top), mode(&inner)), (0o700, 0o755));
        fs::remove_dir_all(&top).unwrap();
    }

    #[test]
    fn incomplete_command_line_is_refused() {
        let args = ["postgres", "many", "1", "/tmp", "true"].map(OsString::from);
        assert!(matches!(run(&args), Error::Usage(_)));
        assert!(matches!(run(&args[..3]), Error::Usage(_)));
    }
}
