//! The operator's editor with a text in it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::NamedTempFile;

use crate::error::Error;

/// A text that was edited, and the file that it still is in.
pub(super) struct Edited {
    pub(super) text: String,
    file: NamedTempFile,
}

/// Lets the operator edit a text. The file is theirs alone.
pub(super) fn edit(cluster: &str, text: &str) -> Result<Edited, Error> {
    let editor = editor()?;
    let prefix = format!("{}-config-", cluster.replace('/', "_"));
    let mut file = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".yaml")
        .tempfile()?;
    file.write_all(text.as_bytes())?;
    file.flush()?;
    // The variable may hold arguments too, as it may for other programs.
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(file.path())
        .status()?;
    if !status.success() {
        let code = status
            .code()
            .map_or_else(|| "none, it was killed".to_owned(), |code| code.to_string());
        return Err(Error::Failed(format!(
            "Editor exited with return code {code}"
        )));
    }
    // Some editors put a new file in the place of the old one.
    let text = std::fs::read_to_string(file.path())?;
    Ok(Edited { text, file })
}

impl Edited {
    /// Where the text is, for messages.
    pub(super) fn origin(&self) -> String {
        self.file.path().display().to_string()
    }

    /// Leaves the file where it is, so that nobody has to write it again.
    pub(super) fn keep(self) -> Option<PathBuf> {
        let (_, path) = self.file.keep().ok()?;
        Some(path)
    }
}

fn editor() -> Result<String, Error> {
    let own = std::env::var("EDITOR").ok().filter(|own| !own.is_empty());
    let usual = || ["editor", "vi"].into_iter().find(|name| is_program(name));
    own.or_else(|| usual().map(str::to_owned)).ok_or_else(|| {
        let text = "EDITOR environment variable is not set. editor or vi are not available";
        Error::Refused(text.to_owned())
    })
}

fn is_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder: PathBuf| Path::is_file(&folder.join(name)))
}
