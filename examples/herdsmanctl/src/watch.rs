//! To do something once, or again and again until the program is interrupted.

use std::io::{self, IsTerminal as _, Write};

use crate::arguments::Watch;
use crate::error::Error;

/// Empties a terminal and goes to its first line.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Shows something as often as asked for; a terminal is emptied before.
pub(crate) async fn repeat<W: Write>(
    watch: Watch,
    out: &mut W,
    mut show: impl AsyncFnMut(&mut W) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some(pause) = watch.pause() else {
        return show(out).await;
    };
    loop {
        if io::stdout().is_terminal() {
            write!(out, "{CLEAR}")?;
        }
        match show(out).await {
            // Whoever watches a cluster in trouble wants to see how it goes on.
            Err(error @ (Error::Store { .. } | Error::Failed(_))) => eprintln!("{}", error.line()),
            other => other?,
        }
        tokio::time::sleep(pause).await;
    }
}
