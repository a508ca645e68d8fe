//! Where a configuration comes from: a text, a file, a folder, the
//! environment. All of them become one tree; of two values the later wins.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::yaml::{self, Document, Entry, Node, Place, SyntaxError, Value};

use super::environment;
use super::{Error, Problem, ProblemKind, Warning, WarningKind};

/// One tree of everything that was written.
pub(super) struct Source {
    pub(super) root: Node,
    pub(super) warnings: Vec<Warning>,
}

pub(super) fn text(text: &str, origin: &str) -> Result<Source, Error> {
    let mut problems = Vec::new();
    let source = parsed(text, origin, &mut problems);
    finished(source, problems)
}

pub(super) fn path(path: &Path) -> Result<Source, Error> {
    let files = files(path)?;
    let mut problems = Vec::new();
    let mut all: Option<Source> = None;
    for file in &files {
        let content = fs::read(file).map_err(|source| read_error(file, source))?;
        let origin = file.display().to_string();
        let Ok(content) = String::from_utf8(content) else {
            let sentence = "the file is not UTF-8 text, save it as UTF-8".to_owned();
            problems.push(whole(&origin, ProblemKind::Syntax(sentence)));
            continue;
        };
        let Some(source) = parsed(&content, &origin, &mut problems) else {
            continue;
        };
        match &mut all {
            None => all = Some(source),
            Some(all) => {
                patch(&mut all.root, source.root);
                all.warnings.extend(source.warnings);
            }
        }
    }
    if files.is_empty() {
        let sentence = "the folder has no *.yml or *.yaml file, add one".to_owned();
        problems.push(whole(
            &path.display().to_string(),
            ProblemKind::Missing(sentence),
        ));
    }
    finished(all, problems)
}

pub(super) fn path_or_environment<I>(
    configuration: Option<&Path>,
    environment: I,
) -> Result<Source, Error>
where
    I: IntoIterator<Item = (String, String)>,
{
    let mut variables: BTreeMap<String, String> = environment
        .into_iter()
        .filter(|(name, value)| environment::is_own_variable(name) && !value.is_empty())
        .collect();
    let whole_text = variables.remove(environment::WHOLE);
    if let Some(configuration) = configuration {
        let mut source = path(configuration)?;
        let over = environment::read(&variables);
        patch(&mut source.root, over.root);
        source.warnings.extend(over.warnings);
        if whole_text.is_some() {
            let beside = configuration.display().to_string();
            source
                .warnings
                .push(without_effect(environment::WHOLE, &beside));
        }
        return Ok(source);
    }
    if let Some(whole_text) = whole_text {
        let mut source = text(&whole_text, environment::WHOLE)?;
        let others = variables.keys();
        source
            .warnings
            .extend(others.map(|name| without_effect(name, environment::WHOLE)));
        return Ok(source);
    }
    if variables.is_empty() {
        let problem = whole("environment", ProblemKind::Empty);
        return finished(None, vec![problem]);
    }
    Ok(environment::read(&variables))
}

/// The file itself, or the files of a folder in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let metadata = fs::metadata(path).map_err(|source| read_error(path, source))?;
    if !metadata.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(|source| read_error(path, source))? {
        let file = entry.map_err(|source| read_error(path, source))?.path();
        let is_yaml = file
            .extension()
            .is_some_and(|extension| extension == "yml" || extension == "yaml");
        if is_yaml && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn parsed(text: &str, origin: &str, problems: &mut Vec<Problem>) -> Option<Source> {
    let Document { root, duplicates } = match yaml::parse(text, &Arc::from(origin)) {
        Ok(document) => document,
        Err(SyntaxError { place, message }) => {
            problems.push(Problem {
                place,
                path: String::new(),
                kind: ProblemKind::Syntax(message),
            });
            return None;
        }
    };
    match root.value {
        Value::Map(_) => {}
        Value::Null => {
            problems.push(whole(origin, ProblemKind::Empty));
            return None;
        }
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) | Value::List(_) => {
            let (expected, found) = ("a map of sections", root.kind());
            problems.push(whole(origin, ProblemKind::WrongType { expected, found }));
            return None;
        }
    }
    let warnings = duplicates.into_iter().map(|duplicate| Warning {
        kind: WarningKind::Duplicate {
            first_line: duplicate.first.line().unwrap_or_default(),
            used_line: duplicate.used.line().unwrap_or_default(),
        },
        place: duplicate.used,
        path: duplicate.path,
    });
    Some(Source {
        warnings: warnings.collect(),
        root,
    })
}

fn finished(source: Option<Source>, problems: Vec<Problem>) -> Result<Source, Error> {
    match source {
        Some(source) if problems.is_empty() => Ok(source),
        Some(_) | None => Err(Error::Invalid { problems }),
    }
}

fn whole(origin: &str, kind: ProblemKind) -> Problem {
    Problem {
        place: Place::Whole(Arc::from(origin)),
        path: String::new(),
        kind,
    }
}

fn without_effect(variable: &str, beside: &str) -> Warning {
    Warning {
        place: Place::Variable(Arc::from(variable)),
        path: variable.to_owned(),
        kind: WarningKind::Note(format!("has no effect beside {beside}")),
    }
}

fn read_error(path: &Path, source: std::io::Error) -> Error {
    Error::Read {
        path: path.to_owned(),
        source,
    }
}

/// Lays one tree over another: maps are merged, a null takes the key away,
/// anything else replaces what was there.
pub(super) fn patch(base: &mut Node, over: Node) {
    let Value::Map(changes) = over.value else {
        *base = over;
        return;
    };
    if !matches!(base.value, Value::Map(_)) {
        base.value = Value::Map(Vec::new());
        base.place = over.place;
    }
    let Value::Map(entries) = &mut base.value else {
        return;
    };
    for Entry { key, value } in changes {
        let position = entries
            .iter()
            .position(|entry| entry.key.value == key.value);
        match (position, &value.value) {
            (Some(position), Value::Null) => {
                entries.remove(position);
            }
            (None, Value::Null) => {}
            (Some(position), Value::Map(_)) => {
                entries[position].key = key;
                patch(&mut entries[position].value, value);
            }
            (Some(position), _) => entries[position] = Entry { key, value },
            (None, _) => entries.push(Entry { key, value }),
        }
    }
}
