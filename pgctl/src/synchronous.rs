//! Whom commits wait for: `synchronous_standby_names`, and the proof that it is in force.
//!
//! Invariant: what is told as in force is gone by in every process of the server. A session that
//! shows a new value says nothing of the others: each sender of the log goes by what it read
//! itself, and whether a commit waits at all is decided by what the checkpointer read, which reads
//! nothing while it hurries through a checkpoint.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::Parameters;
use crate::connection::{Results, Session, timed_out};
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::lsn::Lsn;

/// How often it is asked whether a new setting is in force.
const STEP: Duration = Duration::from_millis(20);
/// How many times in a row the checkpointer must be found at rest.
const RESTS: u32 = 3;

/// Where the checkpointer waits between two looks at the configuration.
const AT_REST: [&str; 2] = ["CheckpointerMain", "CheckpointWriteDelay"];

/// Whom commits shall wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SynchronousNames {
    /// Whomever the configuration names.
    Configured,
    /// All of these standbys; none: nobody.
    All(Vec<String>),
}

/// What the configuration files say of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Override {
    /// As they are: this handle has not decided on it yet.
    #[default]
    AsFound,
    /// Whatever the parameters of the configuration say.
    None,
    /// This, whatever they say.
    Text(String),
}

impl SynchronousNames {
    /// The value of the parameter.
    fn text(&self) -> Option<String> {
        let Self::All(names) = self else { return None };
        let quoted: Vec<String> = names.iter().map(|name| quote(name)).collect();
        Some(match quoted.as_slice() {
            [] => String::new(),
            [one] => one.clone(),
            several => format!("{} ({})", several.len(), several.join(",")),
        })
    }
}

/// The names of a setting that makes commits wait for all of them, in its order; `None` when it
/// lets some of several do, or everybody.
#[must_use]
pub fn all_of(setting: &str) -> Option<Vec<String>> {
    let mut rest = setting.trim();
    let mut needed = 1;
    if let Some(inner) = rest.strip_suffix(')') {
        let (head, list) = inner.split_once('(')?;
        let head = head.trim();
        let lower = head.to_ascii_lowercase();
        let number = lower
            .strip_prefix("first")
            .or_else(|| lower.strip_prefix("any"))
            .unwrap_or(&lower);
        needed = number.trim().parse().ok()?;
        rest = list;
    }
    let names = split(rest)?;
    let is_all = names.is_empty() || needed >= names.len();
    (is_all && names.iter().all(|name| name != "*")).then_some(names)
}

/// A list of names, quoted where they are no identifiers.
fn split(list: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let name = rest[..end].trim();
                let is_one_word = !name.contains(|c: char| c.is_whitespace() || "()\"".contains(c));
                (is_one_word.then(|| name.to_owned())?, &rest[end..])
            }
        };
        names.push(name);
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(names)
}

/// The text up to its closing quote, and what comes behind it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(after) => {
                name.push('"');
                rest = after;
            }
            None => return Some((name, after)),
        }
    }
}

fn quote(name: &str) -> String {
    let mut bytes = name.bytes();
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let is_plain = bytes.next().is_some_and(is_first)
        && bytes.all(|byte| is_first(byte) || byte.is_ascii_digit())
        && !["first", "any"].contains(&name);
    if is_plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A sender of the log and the place that it gives its standby in the setting; 0: none.
struct Place {
    name: String,
    priority: i64,
}

/// What the processes of the server show.
struct Shown {
    setting: String,
    is_checkpointer_at_rest: bool,
    senders: Vec<Place>,
}

impl Instance {
    /// Makes commits of the running primary wait for these standbys, and waits until that is in
    /// force for every commit that begins from then on. Returns a position behind everything that
    /// was acknowledged before.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::TimedOut`] when it does not come into force within `limit`,
    /// as when another file sets the parameter too; the setting stays written.
    pub async fn wait_for_standbys(
        &self,
        names: &SynchronousNames,
        limit: Duration,
    ) -> Result<Lsn> {
        const POSITION: &str = "SELECT pg_current_wal_flush_lsn()";
        // What waited for somebody else is released when a standby reports again, which it does
        // when there is something new. Waits for nobody itself.
        const NUDGE: &str = "SET synchronous_commit = 'local'; \
                             SELECT pg_logical_emit_message(true, 'herdsman', '')";
        self.running_postmaster()?;
        self.write_synchronous(names, true).await?;
        let deadline = Instant::now() + limit;
        let session = self.prove_synchronous(names, deadline, limit).await?;
        let sql_limit = self.options().sql_timeout;
        let results = session.run("asking for the position", POSITION, sql_limit);
        let position = first(&results.await?).unwrap_or_default();
        let position = position.parse().map_err(|_| Error::Unexpected {
            what: "position",
            found: format!("{position:?}"),
        })?;
        if let Err(error) = session.run("moving the log on", NUDGE, sql_limit).await {
            tracing::debug!(%error, "commits that wait may be released later");
        }
        Ok(position)
    }

    /// Makes the first commit after a promotion wait for these standbys: in force when this returns.
    ///
    /// # Errors
    /// As [`wait_for_standbys`](Self::wait_for_standbys).
    pub async fn prepare_synchronous(
        &self,
        names: &SynchronousNames,
        limit: Duration,
    ) -> Result<()> {
        self.write_synchronous(names, false).await?;
        let waits = matches!(names, SynchronousNames::All(names) if !names.is_empty());
        if waits {
            let deadline = Instant::now() + limit;
            self.prove_synchronous(names, deadline, limit).await?;
        }
        Ok(())
    }

    /// Whether the main file has other names than these parameters.
    pub(crate) fn overrules(&self, parameters: &Parameters) -> bool {
        let configured = parameters
            .settings
            .get(PARAMETER)
            .map_or("", String::as_str);
        self.synchronous_text()
            .is_some_and(|text| text != configured)
    }

    /// On the disk of a server that is to be a standby nobody is waited for. Does not write.
    pub(crate) fn wait_for_nobody_as_standby(&self) {
        let is_told = self.synchronous_text().is_some();
        let is_configured = self
            .config()
            .parameters
            .keys()
            .any(|name| name.eq_ignore_ascii_case(PARAMETER));
        if is_told || is_configured {
            self.set_synchronous(Override::Text(String::new()));
        }
    }

    async fn write_synchronous(&self, names: &SynchronousNames, always: bool) -> Result<()> {
        let before = self.synchronous();
        self.set_synchronous(names.text().map_or(Override::None, Override::Text));
        let written = self.write_config().await;
        if written.is_err() {
            self.set_synchronous(before);
        }
        // A reload that was lost is repeated.
        if written?.any() || always {
            self.reload().await?;
        }
        Ok(())
    }

    async fn prove_synchronous(
        &self,
        names: &SynchronousNames,
        deadline: Instant,
        limit: Duration,
    ) -> Result<Session> {
        let mut rests = 0;
        loop {
            // A server takes a new session only when it has told all its processes of a reload.
            let session = Session::local(self, self.options().sql_timeout).await?;
            let shown = self.look_at_synchronous(&session).await?;
            let is_set = is_gone_by(names, &shown);
            rests = match shown.is_checkpointer_at_rest {
                true if is_set => rests + 1,
                _ => 0,
            };
            let is_awaited = matches!(names, SynchronousNames::All(names) if !names.is_empty());
            if is_set && (rests >= RESTS || !is_awaited) {
                return Ok(session);
            }
            if Instant::now() >= deadline {
                let setting = shown.setting;
                let why = if is_set {
                    "not read yet by all of its processes"
                } else {
                    "in force"
                };
                return Err(timed_out(
                    format!("synchronous_standby_names (\"{setting}\" is {why})"),
                    limit,
                ));
            }
            tokio::time::sleep(STEP).await;
        }
    }

    async fn look_at_synchronous(&self, session: &Session) -> Result<Shown> {
        const ASK: &str = "SELECT current_setting('synchronous_standby_names'), \
             (SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'checkpointer'); \
             SELECT application_name, coalesce(sync_priority, 0) FROM pg_stat_replication \
             WHERE state IN ('streaming', 'catchup', 'stopping')";
        let limit = self.options().sql_timeout;
        let results = session
            .run("asking whom commits wait for", ASK, limit)
            .await?;
        let [settings, senders] = results.as_slice() else {
            return Err(Error::Unexpected {
                what: "answer to whom commits wait for",
                found: format!("{} results", results.len()),
            });
        };
        let row = settings.first();
        let rests = row.and_then(|row| row.get(1)).unwrap_or_default();
        let place = |row: &tokio_postgres::SimpleQueryRow| {
            let name = row.get(0)?.to_owned();
            let priority = row.get(1)?.parse().ok()?;
            Some(Place { name, priority })
        };
        Ok(Shown {
            setting: row
                .and_then(|row| row.get(0))
                .unwrap_or_default()
                .to_owned(),
            is_checkpointer_at_rest: AT_REST.contains(&rests),
            senders: senders.iter().filter_map(place).collect(),
        })
    }
}

/// The parameter's name.
pub(crate) const PARAMETER: &str = "synchronous_standby_names";

/// Whether a session and all senders go by these names.
fn is_gone_by(names: &SynchronousNames, shown: &Shown) -> bool {
    let SynchronousNames::All(names) = names else {
        return true;
    };
    let place = |sender: &Place| {
        let found = names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(&sender.name));
        found.map_or(0, |index| i64::try_from(index + 1).unwrap_or(i64::MAX))
    };
    all_of(&shown.setting).as_ref() == Some(names)
        && shown
            .senders
            .iter()
            .all(|sender| sender.priority == place(sender))
}

fn first(results: &Results) -> Option<String> {
    let row = results.first()?.first()?;
    row.get(0).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(names: &[&str]) -> SynchronousNames {
        SynchronousNames::All(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn names_are_written_as_postgresql_reads_them_and_read_back() {
        let table: [(&[&str], &str); 6] = [
            (&[], ""),
            (&["n1"], "n1"),
            (&["Node-1"], "\"Node-1\""),
            (&["first"], "\"first\""),
            (&["b", "a"], "2 (b,a)"),
            (&["a,b", "c\"d"], "2 (\"a,b\",\"c\"\"d\")"),
        ];
        for (names, text) in table {
            assert_eq!(all(names).text().as_deref(), Some(text));
            assert_eq!(
                all_of(text).as_deref(),
                Some(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()[..])
            );
        }
        assert_eq!(SynchronousNames::Configured.text(), None);
    }

    #[test]
    fn a_setting_that_lets_some_of_several_do_is_no_list_of_all() {
        for text in [
            "*",
            "a, b",
            "ANY 1 (a, b)",
            "FIRST 1 (a,b)",
            "1 (a, b)",
            "2 (a, *)",
            "2 (a",
        ] {
            assert_eq!(all_of(text), None, "{text}");
        }
        let two = ["a".to_owned(), "b".to_owned()];
        for text in [
            "ANY 2 (a, b)",
            "FIRST 2 (a,b)",
            "first 2(a, b)",
            "2 ( a , \"b\" )",
        ] {
            assert_eq!(all_of(text).as_deref(), Some(&two[..]), "{text}");
        }
    }

    #[test]
    fn a_sender_that_goes_by_an_older_setting_is_seen_by_its_place() {
        let shown = |setting: &str, senders: &[(&str, i64)]| Shown {
            setting: setting.to_owned(),
            is_checkpointer_at_rest: true,
            senders: senders
                .iter()
                .map(|(name, priority)| Place {
                    name: (*name).to_owned(),
                    priority: *priority,
                })
                .collect(),
        };
        let names = all(&["c", "b"]);
        assert!(is_gone_by(
            &names,
            &shown("2 (c,b)", &[("b", 2), ("C", 1), ("d", 0)])
        ));
        assert!(!is_gone_by(
            &names,
            &shown("2 (c,b)", &[("b", 1), ("c", 1)])
        ));
        assert!(!is_gone_by(
            &names,
            &shown("2 (c,b)", &[("b", 2), ("c", 0)])
        ));
        assert!(!is_gone_by(&names, &shown("b", &[("b", 2), ("c", 1)])));
        assert!(!is_gone_by(&all(&[]), &shown("", &[("b", 1)])));
        assert!(is_gone_by(&all(&[]), &shown("", &[("b", 0)])));
    }
}
