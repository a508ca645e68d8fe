//! Questions on the terminal. They read lines of the plain input, so a script can answer them
//! through a pipe; the end of the input is no answer, and never a yes.

use std::io::{self, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::error::Error;

/// Asks; an empty answer means `default`.
pub(crate) async fn ask(
    out: &mut impl Write,
    question: &str,
    default: &str,
) -> Result<String, Error> {
    write!(out, "{question} [{default}]: ")?;
    out.flush()?;
    let answer = line().await?;
    let answer = answer.trim();
    Ok(if answer.is_empty() { default } else { answer }.to_owned())
}

/// Asks until there is an answer; there is no default.
pub(crate) async fn demand(out: &mut impl Write, question: &str) -> Result<String, Error> {
    loop {
        write!(out, "{question}: ")?;
        out.flush()?;
        let answer = line().await?;
        let answer = answer.trim();
        if !answer.is_empty() {
            return Ok(answer.to_owned());
        }
    }
}

/// Asks for something that a terminal does not show.
pub(crate) async fn secret(out: &mut impl Write, question: &str) -> Result<String, Error> {
    write!(out, "{question}: ")?;
    out.flush()?;
    let silence = Silence::begin();
    let answer = line().await;
    drop(silence);
    writeln!(out)?;
    Ok(answer?.trim_end_matches(['\r', '\n']).to_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence(Termios);

impl Silence {
    /// Nothing when the input is no terminal.
    fn begin() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent).ok()?;
        Some(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Asks for yes or no, until it gets one of them; an empty answer means no.
pub(crate) async fn confirm(out: &mut impl Write, question: &str) -> Result<bool, Error> {
    loop {
        write!(out, "{question} [y/N]: ")?;
        out.flush()?;
        match line().await?.trim().to_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "" | "n" | "no" => return Ok(false),
            _ => writeln!(out, "Error: invalid input")?,
        }
    }
}

/// Reads a line. Away from the runtime's thread, because the connection to the store has to be
/// looked after while somebody thinks.
async fn line() -> Result<String, Error> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|count| (count, line))
    });
    match read.await.expect("reading a line does not panic")? {
        (0, _) => Err(Error::Aborted),
        (_, line) => Ok(line),
    }
}
