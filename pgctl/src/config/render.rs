//! The texts of the configuration files.
//!
//! Invariant: equal settings give equal texts, so that an unchanged file is
//! seen as unchanged.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::parameters::{Parameters, is_target_or_upstream};
use crate::synchronous::PARAMETER;

const HEADER: &str = "\
# Written by herdsman: what you change here is lost at the next write.\n\
# Settings belong into the cluster configuration, or into the included file.\n";

/// Begins the recovery section; Patroni marks it in the same way, so that
/// either finds what the other has written.
const RECOVERY_MARK: &str = "# recovery.conf";

/// Begins what a cluster decides of synchronous replication, over all that stands before.
const SYNCHRONOUS_MARK: &str = "# Decided by the cluster, from moment to moment.";

/// Targets that a standby must not stop at.
const NO_TARGETS: [&str; 5] = [
    "recovery_target",
    "recovery_target_lsn",
    "recovery_target_name",
    "recovery_target_time",
    "recovery_target_xid",
];

/// What the main configuration file is made from.
pub(super) struct Settings<'a> {
    pub(super) include: Option<&'a str>,
    pub(super) parameters: &'a Parameters,
    pub(super) hba_file: Option<PathBuf>,
    pub(super) ident_file: Option<PathBuf>,
    pub(super) synchronous: Option<&'a str>,
    pub(super) recovery: &'a [String],
}

impl Settings<'_> {
    pub(super) fn render(&self) -> String {
        let mut text = HEADER.to_owned();
        if let Some(include) = self.include {
            text.push_str(&format!("include {}\n", quote(include)));
        }
        text.push('\n');
        for (name, value) in &self.parameters.settings {
            text.push_str(&setting(name, value));
        }
        let files = [
            ("hba_file", &self.hba_file),
            ("ident_file", &self.ident_file),
        ];
        for (name, path) in files {
            let Some(path) = path else { continue };
            if !self.parameters.settings.contains_key(name) {
                text.push_str(&setting(name, &path.display().to_string()));
            }
        }
        if let Some(names) = self.synchronous {
            text.push_str(&format!("\n{SYNCHRONOUS_MARK}\n"));
            text.push_str(&setting(PARAMETER, names));
        }
        if !self.recovery.is_empty() {
            text.push_str(&format!("\n{RECOVERY_MARK}\n"));
            text.extend(self.recovery.iter().map(|line| format!("{line}\n")));
        }
        text
    }
}

/// The recovery settings of a standby, one line each, sorted by name.
pub(super) fn standby_section(
    parameters: &Parameters,
    conninfo: Option<&str>,
    slot: Option<&str>,
) -> Vec<String> {
    let mut settings: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &parameters.recovery {
        // A standby is one by its signal file; that setting ended with version 11.
        if !is_target_or_upstream(name) && name != "standby_mode" {
            settings.insert(name.clone(), value.clone());
        }
    }
    settings.extend(NO_TARGETS.map(|name| (name.to_owned(), String::new())));
    settings.insert("recovery_target_timeline".to_owned(), "latest".to_owned());
    // A standby that recovers by itself takes the newest timeline that it has heard of, whatever its
    // own log holds: it ends instead, and whoever starts it sees to that.
    settings.insert("restart_after_crash".to_owned(), "off".to_owned());
    let upstream = [("primary_conninfo", conninfo), ("primary_slot_name", slot)];
    for (name, value) in upstream {
        // Written also when empty: the included file may name another one.
        settings.insert(name.to_owned(), value.unwrap_or_default().to_owned());
    }
    settings_lines(&settings)
}

/// The recovery settings of a standby that fetches log from nowhere.
pub(super) fn standby_alone_section(parameters: &Parameters) -> Vec<String> {
    let mut parameters = parameters.clone();
    // Written although it is empty: the included file may name one.
    let restore = ("restore_command".to_owned(), String::new());
    parameters.recovery.extend([restore]);
    standby_section(&parameters, None, None)
}

/// One line for each setting, sorted by name.
pub(super) fn settings_lines(settings: &BTreeMap<String, String>) -> Vec<String> {
    let line = |(name, value): (&String, &String)| setting(name, value).trim_end().to_owned();
    settings.iter().map(line).collect()
}

/// The recovery section of an existing main file.
pub(super) fn recovery_section(text: &str) -> Vec<String> {
    text.lines()
        .skip_while(|line| line.trim() != RECOVERY_MARK)
        .skip(1)
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect()
}

/// The settings of a main file of ours, without those of recovery.
pub(super) fn settings_of(text: &str) -> BTreeMap<String, String> {
    if !text.starts_with(HEADER) {
        return BTreeMap::new();
    }
    text.lines()
        .take_while(|line| line.trim() != RECOVERY_MARK)
        .filter_map(|line| {
            let (name, value) = line.split_once(" = ")?;
            Some((name.to_owned(), unquote(value)?))
        })
        .collect()
}

/// Whom commits wait for by an existing main file, when that is not what the parameters say. In a
/// file that another program has written it may be.
pub(super) fn synchronous_of(text: &str, base_name: &str) -> Option<String> {
    let is_ours = text.starts_with(HEADER);
    if !is_ours && !is_generated(text, base_name) {
        return None;
    }
    let decided = text
        .lines()
        .skip_while(|line| is_ours && line.trim() != SYNCHRONOUS_MARK);
    let value = |line: &str| {
        let (name, value) = line.split_once('=')?;
        let quoted = value.trim().strip_prefix('\'')?.strip_suffix('\'')?;
        let is_it = name.trim().eq_ignore_ascii_case(PARAMETER);
        is_it.then(|| quoted.replace("''", "'").replace("\\\\", "\\"))
    };
    decided.filter_map(value).last()
}

/// Whether a main file is a written one and not an original: it is ours, or it
/// includes the base file as that of another program with the same habit does.
pub(super) fn is_generated(text: &str, base_name: &str) -> bool {
    let includes_base = |line: &str| {
        let rest = line.trim().strip_prefix("include");
        rest.is_some_and(|rest| rest.contains(&quote(base_name)))
    };
    text.starts_with(HEADER) || text.lines().any(includes_base)
}

/// `pg_hba.conf` or `pg_ident.conf`.
pub(super) fn lines_file(lines: &[String]) -> String {
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!("{HEADER}{body}")
}

fn setting(name: &str, value: &str) -> String {
    format!("{name} = {}\n", quote(value))
}

fn quote(value: &str) -> String {
    let escaped = value
        .replace('\\', "\\\\")
        .replace('\'', "''")
        // A value ends with its line.
        .replace('\n', "\\n")
        .replace('\r', "\\r");
    format!("'{escaped}'")
}

/// What [`quote`] was given.
fn unquote(text: &str) -> Option<String> {
    let inner = text.trim_end().strip_prefix('\'')?.strip_suffix('\'')?;
    let mut value = String::new();
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => value.push(letters.next()?),
            '\\' => value.push(match letters.next()? {
                'n' => '\n',
                'r' => '\r',
                other => other,
            }),
            other => value.push(other),
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Credentials;
    use crate::options::Config;

    fn config(parameters: &[(&str, &str)], recovery: &[(&str, &str)]) -> Config {
        let nobody = Credentials::system_user();
        let map = |pairs: &[(&str, &str)]| {
            let owned = |pair: &(&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
            pairs.iter().map(owned).collect()
        };
        let mut config = Config::new("a:1".parse().unwrap(), nobody.clone(), nobody);
        config.parameters = map(parameters);
        config.recovery_conf = map(recovery);
        config
    }

    #[test]
    fn settings_are_sorted_and_quoted_after_the_include() {
        let config = config(
            &[("work_mem", "8MB"), ("archive_command", "cp '%p' c:\\x")],
            &[],
        );
        let settings = Settings {
            include: Some("postgresql.base.conf"),
            parameters: &Parameters::new(&config.parameters),
            hba_file: Some("/c/pg_hba.conf".into()),
            ident_file: None,
            synchronous: Some("2 (a,\"b'c\")"),
            recovery: &["primary_conninfo = 'host=a'".to_owned()],
        };
        let text = settings.render();
        let (header, rest) = text.split_at(HEADER.len());
        assert!(header.lines().all(|line| line.starts_with('#')) && header.lines().count() == 2);
        assert_eq!(
            rest,
            "include 'postgresql.base.conf'\n\n\
             archive_command = 'cp ''%p'' c:\\\\x'\nwork_mem = '8MB'\n\
             hba_file = '/c/pg_hba.conf'\n\n\
             # Decided by the cluster, from moment to moment.\n\
             synchronous_standby_names = '2 (a,\"b''c\")'\n\n\
             # recovery.conf\nprimary_conninfo = 'host=a'\n"
        );
        assert_eq!(recovery_section(&text), ["primary_conninfo = 'host=a'"]);
        let names = synchronous_of(&text, "postgresql.base.conf");
        assert_eq!(names.as_deref(), Some("2 (a,\"b'c\")"));
    }

    #[test]
    fn a_written_file_is_told_from_an_original() {
        let base = "postgresql.base.conf";
        assert!(is_generated(&format!("{HEADER}\n"), base));
        assert!(is_generated(
            "# By somebody else\ninclude 'postgresql.base.conf'\n",
            base
        ));
        assert!(!is_generated("port = 5432\ninclude 'extra.conf'\n", base));
    }

    #[test]
    fn what_commits_wait_for_is_found_in_a_file_of_another_program_and_not_among_our_parameters() {
        let line = "synchronous_standby_names = 'n2'\n";
        let base = "postgresql.base.conf";
        let theirs = format!("# By somebody else\ninclude '{base}'\n{line}");
        assert_eq!(synchronous_of(&theirs, base).as_deref(), Some("n2"));
        assert_eq!(synchronous_of(&format!("{HEADER}\n{line}"), base), None);
        assert_eq!(synchronous_of(line, base), None);
        let ours =
            format!("{HEADER}\n{line}\n{SYNCHRONOUS_MARK}\nsynchronous_standby_names = ''\n");
        assert_eq!(synchronous_of(&ours, base).as_deref(), Some(""));
    }

    #[test]
    fn a_users_hba_file_is_not_overridden() {
        let config = config(&[("hba_file", "/mine")], &[]);
        let settings = Settings {
            include: None,
            parameters: &Parameters::new(&config.parameters),
            hba_file: Some("/c/pg_hba.conf".into()),
            ident_file: None,
            synchronous: None,
            recovery: &[],
        };
        let text = settings.render();
        assert!(text.ends_with("\n\nhba_file = '/mine'\n"), "{text}");
    }

    #[test]
    fn settings_are_read_as_they_were_written() {
        let values = ["8MB", "it's", "c:\\x", "two\nlines", "", "a = 'b'"];
        let names = ["a", "b", "c", "d", "e", "f"];
        let pairs: Vec<(&str, &str)> = names.into_iter().zip(values).collect();
        let config = config(&pairs, &[]);
        let settings = Settings {
            include: Some("postgresql.base.conf"),
            parameters: &Parameters::new(&config.parameters),
            hba_file: None,
            ident_file: None,
            synchronous: None,
            recovery: &["restore_command = 'x'".to_owned()],
        };
        let text = settings.render();
        assert_eq!(settings_of(&text), config.parameters);
        assert!(settings_of("work_mem = '8MB'\n").is_empty());
    }

    #[test]
    fn a_standby_has_no_target_and_keeps_the_users_recovery_settings() {
        let config = config(
            &[("recovery_min_apply_delay", "5s")],
            &[
                ("restore_command", "cp /a/%f %p"),
                ("recovery_min_apply_delay", "1s"),
                ("recovery_target_time", "2020-01-01"),
                ("primary_conninfo", "host=evil"),
            ],
        );
        let lines = standby_section(&Parameters::of(&config), Some("host=a user=b"), None);
        assert_eq!(
            lines,
            [
                "primary_conninfo = 'host=a user=b'",
                "primary_slot_name = ''",
                "recovery_min_apply_delay = '5s'",
                "recovery_target = ''",
                "recovery_target_lsn = ''",
                "recovery_target_name = ''",
                "recovery_target_time = ''",
                "recovery_target_timeline = 'latest'",
                "recovery_target_xid = ''",
                "restart_after_crash = 'off'",
                "restore_command = 'cp /a/%f %p'",
            ]
        );
    }
}
