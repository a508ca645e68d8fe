//! A directory for one run of a command as another user: home, temporary
//! files, and the programs that user could not reach where they were built.
//!
//! Invariant: only `home` and `tmp` belong to the account. What is executed
//! belongs to root, so that a test cannot exchange it.

use std::env;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use crate::account::Account;
use crate::error::Error;
use crate::runner;

/// Removed with all that is in it when dropped.
pub(crate) struct Scratch {
    account: Account,
    dir: PathBuf,
}

impl Scratch {
    pub(crate) fn create(account: Account) -> Result<Self, Error> {
        // What cargo builds from here on has to be readable for the account.
        runner::share_new_files();
        let scratch = Self {
            dir: new_dir(Path::new("/tmp"))?,
            account,
        };
        for private in ["home", "tmp"] {
            let path = scratch.dir.join(private);
            create_dir(&path, 0o700).map_err(Error::path("create", &path))?;
            let (uid, gid) = (scratch.account.uid, scratch.account.gid);
            chown(&path, Some(uid), Some(gid)).map_err(Error::path("give away", &path))?;
        }
        for public in ["bin", "build"] {
            let path = scratch.dir.join(public);
            create_dir(&path, 0o755).map_err(Error::path("create", &path))?;
        }
        Ok(scratch)
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Where cargo and rustdoc put temporary files, so that the account reaches
    /// them even when root's own directory for these is closed.
    pub(crate) fn build_dir(&self) -> PathBuf {
        self.dir.join("build")
    }

    /// Puts a program where the account can run it.
    pub(crate) fn copy_program(&self, program: &Path) -> Result<PathBuf, Error> {
        let name = program.file_name().unwrap_or(program.as_os_str());
        let copy = self.dir.join("bin").join(name);
        fs::copy(program, &copy).map_err(Error::path("copy", program))?;
        fs::set_permissions(&copy, Permissions::from_mode(0o755))
            .map_err(Error::path("make executable", &copy))?;
        Ok(copy)
    }

    /// What cargo is told to start test binaries with: a copy of this program.
    /// Cargo splits the value at spaces; none of its parts has one.
    pub(crate) fn runner(&self) -> Result<String, Error> {
        let own = env::current_exe().map_err(Error::io("find this program"))?;
        let copy = self.copy_program(&own)?;
        Ok(format!(
            "{} {} {} {} {} {}",
            copy.display(),
            runner::COMMAND,
            self.account.name,
            self.account.uid,
            self.account.gid,
            self.dir.display(),
        ))
    }

    /// The command that runs a copied program as the account.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        enter(&mut command, &self.account, &self.dir);
        command.current_dir(self.dir.join("home"));
        command
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            eprintln!("cannot remove {}: {error}", self.dir.display());
        }
    }
}

/// Makes the command run as the account, at home in the scratch directory.
pub(crate) fn enter(command: &mut Command, account: &Account, dir: &Path) {
    account
        .applied_to(command)
        .env("HOME", dir.join("home"))
        .env("TMPDIR", dir.join("tmp"))
        .env("USER", &account.name)
        .env("LOGNAME", &account.name);
}

/// Creates a directory of our own in one that everybody may write to. The name
/// may be guessed, so one that exists is never used.
fn new_dir(parent: &Path) -> Result<PathBuf, Error> {
    let mut attempt = 0;
    loop {
        let path = parent.join(format!("herdsman-{}-{attempt}", process::id()));
        match create_dir(&path, 0o755) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => attempt += 1,
            Err(error) => return Err(Error::path("create", &path)(error)),
        }
    }
}

fn create_dir(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().mode(mode).create(path)?;
    // The mode given at creation is cut by the umask.
    fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn existing_directory_is_never_taken_over() {
        let parent = new_dir(&env::temp_dir()).unwrap();
        let first = new_dir(&parent).unwrap();
        let second = new_dir(&parent).unwrap();
        assert_ne!(first, second);
        assert_eq!(
            fs::metadata(&second).unwrap().permissions().mode() & 0o777,
            0o755
        );
        fs::remove_dir_all(&parent).unwrap();
    }
}
