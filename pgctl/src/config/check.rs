//! Keeps out what PostgreSQL refuses.
//!
//! One wrong value in its files keeps a server from starting. So values are shown to the server's
//! own program first (`postgres -C`, which reads a configuration and ends), in a file beside the
//! real one. Invariant: no file of ours holds a value that the program has refused; what was in
//! force before stays, or the server's own default.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::files::{file_mode, write_atomically};
use super::parameters::Parameters;
use super::render;
use crate::command::{Limit, Tool};
use crate::error::{Error, Result};
use crate::instance::Instance;

/// Reading a configuration takes milliseconds; the rest is a busy machine.
const CHECK_LIMIT: Duration = Duration::from_secs(10);

/// What is named when the whole of `pg_hba.conf` is refused.
const HBA: &str = "pg_hba";

/// A setting that was asked for and is not in force, because PostgreSQL refuses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The value that was asked for.
    pub value: String,
    /// The value that is written instead; none leaves the parameter out.
    pub instead: Option<String>,
    /// PostgreSQL's words.
    pub why: String,
}

/// What is known of the values of a configuration.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    pub(crate) settings: BTreeMap<String, Refused>,
    /// Lines of `pg_hba.conf` that the server could not load.
    pub(crate) hba: Option<(Vec<String>, String)>,
    /// What was shown to PostgreSQL last.
    checked: Option<(Parameters, Option<String>)>,
}

impl Refusals {
    /// The parameters without what is refused.
    pub(crate) fn strip(&self, mut parameters: Parameters) -> Parameters {
        for (name, refused) in &self.settings {
            for map in [&mut parameters.settings, &mut parameters.recovery] {
                if map.get(name) != Some(&refused.value) {
                    continue;
                }
                match &refused.instead {
                    Some(instead) => map.insert(name.clone(), instead.clone()),
                    None => map.remove(name),
                };
            }
        }
        parameters
    }
}

impl Instance {
    /// The settings that are kept out, by name: parameters, and `pg_hba` for the lines of
    /// `pg_hba.conf`.
    #[must_use]
    pub fn refused(&self) -> BTreeMap<String, Refused> {
        let refusals = self.refusals();
        let mut refused = refusals.settings.clone();
        if let Some((_, why)) = &refusals.hba {
            let hba = Refused {
                value: String::new(),
                instead: None,
                why: why.clone(),
            };
            refused.insert(HBA.to_owned(), hba);
        }
        refused
    }

    /// Everything is to be shown to PostgreSQL again.
    pub(crate) fn forget_checks(&self) {
        *self.refusals() = Refusals::default();
    }

    /// The parameters of the configuration, without those that are refused.
    pub(crate) fn parameters(&self) -> Parameters {
        let config = self.config();
        self.refusals().strip(Parameters::of(&config))
    }

    /// Finds what PostgreSQL refuses of the configuration; costs nothing when it is the same as
    /// the time before.
    pub(super) async fn check_parameters(&self, include: Option<&str>) -> Result<()> {
        let wanted = Parameters::of(&self.config());
        let key = (wanted.clone(), include.map(str::to_owned));
        if self.refusals().checked.as_ref() == Some(&key) {
            return Ok(());
        }
        let before = std::fs::read_to_string(self.config_file()).unwrap_or_default();
        let before = render::settings_of(&before);
        let mut found = Refusals {
            settings: badly_named(&wanted),
            ..Refusals::default()
        };
        // Each round takes at least one value out, or one that stood in for another.
        for _ in 0..=2 * wanted.len() {
            let trial = found.strip(wanted.clone());
            let complaints = match self.show_to_postgres(&trial, include).await {
                Ok(complaints) => complaints,
                Err(error) => {
                    tracing::warn!(%error, "parameters are not checked");
                    break;
                }
            };
            if complaints.is_empty() {
                break;
            }
            let mut named = blame(&complaints, &trial);
            if named.is_empty() {
                named = self.try_each(&trial, include).await.unwrap_or_default();
            }
            if named.is_empty() {
                let said = complaints.join("; ");
                tracing::warn!(said, "PostgreSQL refuses what is not ours to leave out");
                break;
            }
            for (name, why) in named {
                refuse(&mut found, &wanted, &before, name, why);
            }
        }
        let mut refusals = self.refusals();
        for (name, refused) in &found.settings {
            if refusals.settings.get(name) != Some(refused) {
                let (value, why) = (&refused.value, &refused.why);
                tracing::warn!("parameter {name} is kept out, value {value:?}: {why}");
            }
        }
        refusals.settings = found.settings;
        refusals.checked = Some(key);
        Ok(())
    }

    /// What the server's program has to say of these parameters; nothing when it takes them.
    async fn show_to_postgres(
        &self,
        trial: &Parameters,
        include: Option<&str>,
    ) -> Result<Vec<String>> {
        let name = format!("{}.check.conf", self.options().config_base_name);
        let file = self.config_dir().join(name);
        let recovery = render::standby_section(trial, None, None);
        let text = render::Settings {
            include,
            parameters: trial,
            hba_file: None,
            ident_file: None,
            synchronous: None,
            recovery: &recovery,
        }
        .render();
        write_atomically(&file, text.as_bytes(), file_mode(self.data_dir())?)?;
        let mut tool = Tool::new("postgres", self.program("postgres")?)
            .arg("-C")
            .arg("config_file")
            .arg("-D")
            .arg(self.data_dir());
        tool = tool.arg(format!("--config-file={}", absolute(&file)?));
        // Whatever the parameters say of logging, its words come to us, in English.
        for ours in [
            "log_destination=stderr",
            "log_line_prefix=",
            "log_min_messages=log",
            "log_error_verbosity=default",
            "lc_messages=C",
        ] {
            tool = tool.arg("-c").arg(ours);
        }
        for (name, value) in trial.managed() {
            tool = tool.arg(format!("--{name}={value}"));
        }
        let mut said = Vec::new();
        let ran = tool
            .run(Limit::Total(CHECK_LIMIT), |line| {
                said.extend(message_of(line, &text));
            })
            .await;
        let _ = std::fs::remove_file(&file);
        match ran {
            Ok(_) => Ok(Vec::new()),
            Err(Error::Command { lines, .. }) if said.is_empty() => Ok(lines),
            Err(Error::Command { .. }) => Ok(said),
            Err(error) => Err(error),
        }
    }

    /// For a complaint that names nobody: each parameter alone.
    async fn try_each(
        &self,
        trial: &Parameters,
        include: Option<&str>,
    ) -> Result<Vec<(String, String)>> {
        let mut named = Vec::new();
        for name in trial.names() {
            let alone = trial.only(&name);
            let complaints = self.show_to_postgres(&alone, include).await?;
            if let Some(why) = complaints.first() {
                named.push((name, why.clone()));
            }
        }
        // All of them: then it is none of them.
        if named.len() == trial.len() {
            named.clear();
        }
        Ok(named)
    }
}

fn refuse(
    found: &mut Refusals,
    wanted: &Parameters,
    before: &BTreeMap<String, String>,
    name: String,
    why: String,
) {
    if let Some(refused) = found.settings.get_mut(&name) {
        // What was in force before is refused as well.
        refused.instead = None;
        return;
    }
    let Some(value) = wanted.value(&name).cloned() else {
        return;
    };
    let instead = before
        .get(&name)
        .filter(|before| **before != value)
        .cloned();
    found.settings.insert(
        name,
        Refused {
            value,
            instead,
            why,
        },
    );
}

/// Names that could not even stand in a file.
fn badly_named(wanted: &Parameters) -> BTreeMap<String, Refused> {
    let is_name = |name: &str| {
        name.split('.').all(|part| {
            let mut letters = part.chars();
            letters
                .next()
                .is_some_and(|c| c.is_alphabetic() || c == '_')
                && letters.all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
        })
    };
    let bad = wanted.names().into_iter().filter(|name| !is_name(name));
    bad.map(|name| {
        let refused = Refused {
            value: wanted.value(&name).cloned().unwrap_or_default(),
            instead: None,
            why: "that is no name of a parameter".to_owned(),
        };
        (name, refused)
    })
    .collect()
}

/// Which of our parameters a complaint is about.
fn blame(complaints: &[String], trial: &Parameters) -> Vec<(String, String)> {
    let mut named = BTreeMap::new();
    let names: BTreeSet<String> = trial.names();
    for complaint in complaints {
        for quoted in complaint.split('"').skip(1).step_by(2) {
            let name = quoted.to_ascii_lowercase();
            if names.contains(&name) {
                named.entry(name).or_insert_with(|| complaint.clone());
                break;
            }
        }
    }
    named.into_iter().collect()
}

/// A complaint as it concerns us. A line of our file is replaced by the parameter that stands
/// there.
fn message_of(line: &str, text: &str) -> Option<String> {
    let (severity, message) = line.trim().split_once(":  ")?;
    if !matches!(severity, "LOG" | "ERROR" | "FATAL") || message.ends_with("contains errors") {
        return None;
    }
    let Some((what, place)) = message.split_once(" in file \"") else {
        return Some(message.to_owned());
    };
    let number = place.split_once(".check.conf\" line ").map(|(_, rest)| {
        rest.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
    });
    let number = number.and_then(|digits| digits.parse::<usize>().ok());
    let name = number
        .and_then(|number| text.lines().nth(number.checked_sub(1)?))
        .and_then(|line| line.split_once(" = "))
        .map(|(name, _)| name);
    match name {
        Some(name) if !what.contains(&format!("\"{name}\"")) => {
            Some(format!("{what} at parameter \"{name}\""))
        }
        Some(_) => Some(what.to_owned()),
        // In a file of somebody else's.
        None => Some(message.to_owned()),
    }
}

fn absolute(path: &Path) -> Result<String> {
    let absolute = std::path::absolute(path).map_err(Error::io("cannot resolve", path))?;
    Ok(absolute.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        let owned = |pair: &(&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
        Parameters::new(&pairs.iter().map(owned).collect())
    }

    #[test]
    fn complaints_name_the_parameter_they_are_about() {
        let text = "# one\n\nwork_mem = 'x'\nfoo = 'y'\n";
        let table = [
            (
                "LOG:  invalid value for parameter \"work_mem\": \"x\"",
                Some("invalid value for parameter \"work_mem\": \"x\""),
            ),
            (
                "LOG:  unrecognized configuration parameter \"foo\" in file \"/d/p.check.conf\" line 4",
                Some("unrecognized configuration parameter \"foo\""),
            ),
            (
                "LOG:  syntax error in file \"/d/p.check.conf\" line 3, near token \"x\"",
                Some("syntax error at parameter \"work_mem\""),
            ),
            (
                "FATAL:  configuration file \"/d/p.check.conf\" contains errors",
                None,
            ),
            ("HINT:  Valid units are \"kB\".", None),
        ];
        for (line, expected) in table {
            assert_eq!(message_of(line, text).as_deref(), expected, "{line}");
        }
        let trial = parameters(&[("work_mem", "x"), ("foo", "y")]);
        let complaint = "64 is outside the range for parameter \"work_mem\"".to_owned();
        let named = blame(std::slice::from_ref(&complaint), &trial);
        assert_eq!(named, [("work_mem".to_owned(), complaint)]);
    }

    #[test]
    fn what_is_refused_gives_way_to_what_was_in_force() {
        let wanted = parameters(&[("work_mem", "x"), ("jit", "perhaps"), ("a b", "1")]);
        let before = BTreeMap::from([("work_mem".to_owned(), "4MB".to_owned())]);
        let mut found = Refusals {
            settings: badly_named(&wanted),
            ..Refusals::default()
        };
        refuse(
            &mut found,
            &wanted,
            &before,
            "work_mem".to_owned(),
            String::new(),
        );
        refuse(
            &mut found,
            &wanted,
            &before,
            "jit".to_owned(),
            String::new(),
        );
        let kept = found.strip(wanted.clone());
        assert_eq!(kept, parameters(&[("work_mem", "4MB")]));
        // A later wish for another value is not held back by the refusal of this one.
        let later = parameters(&[("work_mem", "8MB")]);
        assert_eq!(found.strip(later.clone()), later);
    }
}
