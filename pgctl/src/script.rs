//! A command of the user's: split into words as a shell would, run without one.
//!
//! Invariant: when the future of a run is dropped, the command and all that it started in its
//! group is killed.

use std::path::PathBuf;
use std::time::Duration;

use crate::command::{Limit, Tool};
use crate::error::{Error, Result};

/// Nobody waits for a script without a limit.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// A command with its arguments and environment.
#[derive(Debug)]
pub struct Script {
    tool: Tool,
}

impl Script {
    /// Splits a command line into words; quotes and backslashes work as in a shell, nothing else
    /// does.
    ///
    /// # Errors
    /// [`Error::Unexpected`] for a quote without an end and for no word at all.
    pub fn new(command: &str) -> Result<Self> {
        let mut words = split(command)
            .filter(|words| !words.is_empty())
            .ok_or_else(|| Error::Unexpected {
                what: "command line",
                found: command.to_owned(),
            })?
            .into_iter();
        let program = words.next().unwrap_or_default();
        let mut tool = Tool::new(program.clone(), PathBuf::from(program)).of_the_user();
        for word in words {
            tool = tool.arg(word);
        }
        Ok(Self { tool })
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<str>) -> Self {
        self.tool = self.tool.arg(argument.as_ref());
        self
    }

    /// Sets a variable of its environment, which is that of this process otherwise.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: impl Into<std::ffi::OsString>) -> Self {
        self.tool = self.tool.env(name, value);
        self
    }

    /// Runs it to its end. Each line that it writes goes to `line`.
    ///
    /// # Errors
    /// [`Error::Command`] when it ends with something else than 0, [`Error::TimedOut`], and a
    /// command that cannot be run.
    pub async fn run(self, limit: Option<Duration>, line: impl FnMut(&str) + Send) -> Result<()> {
        let limit = Limit::Total(limit.unwrap_or(FOREVER));
        self.tool.run(limit, line).await?;
        Ok(())
    }
}

/// The words of a command line; nothing when a quote does not end.
fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => match letters.next()? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(letters.next()?),
            space if space.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        let table: [(&str, Option<&[&str]>); 7] = [
            ("/bin/a  b\tc", Some(&["/bin/a", "b", "c"])),
            ("sh -c 'a \"b\" $c'", Some(&["sh", "-c", "a \"b\" $c"])),
            (r#"a "b \" \\ \n""#, Some(&["a", r#"b " \ \n"#])),
            (r"a\ b ''", Some(&["a b", ""])),
            ("x'y'\"z\"", Some(&["xyz"])),
            ("a 'b", None),
            ("", Some(&[])),
        ];
        for (text, expected) in table {
            let found = split(text);
            let found: Option<Vec<&str>> = found
                .as_ref()
                .map(|words| words.iter().map(String::as_str).collect());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
