//! `edit-config`: changes the dynamic configuration, in the store itself.
//!
//! The invariant: what is written was made of the configuration that was read, shown unless
//! `--quiet`, and never goes over a newer one.

mod editor;
mod patch;

use std::io::{self, IsTerminal as _, Read as _, Write};
use std::path::Path;

use herdsman_agent::settings::{self, ControlSettings};
use herdsman_ha_core::schema::key;
use serde_json::{Map, Value};

use super::pause::config;
use crate::arguments::EditConfig;
use crate::cluster::{Cluster, Written};
use crate::difference::{self, Colour};
use crate::error::Error;
use crate::prompt;
use crate::sheet::block;

/// What the configuration shall be, and how it is shown.
struct Wanted {
    config: Map<String, Value>,
    text: String,
}

/// Makes the change, shows it, asks, and writes.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &EditConfig,
    out: &mut impl Write,
) -> Result<(), Error> {
    let cluster = Cluster::open(settings, arguments.cluster.as_deref())?;
    let view = cluster.view().await?;
    let (revision, before) = config(&cluster.name, &view)?;
    let shown = format!("{}\n", block(&Value::Object(before.clone())));
    let wanted = if is_edited_by_hand(arguments) {
        by_hand(&cluster.name, &shown)?
    } else {
        by_arguments(arguments, before)?
    };
    if wanted.config == *before {
        if !arguments.quiet {
            writeln!(out, "Not changed")?;
        }
        return Ok(());
    }
    if !arguments.quiet {
        let colour = match io::stdout().is_terminal() {
            true => Colour::Terminal,
            false => Colour::None,
        };
        let difference = difference::unified(&shown, &wanted.text, colour);
        write!(out, "{difference}")?;
        out.flush()?;
    }
    if !arguments.force {
        if reads_input(arguments) {
            return Error::refused("Use --force option to apply changes");
        }
        if !prompt::confirm(out, "Apply these changes?").await? {
            return Ok(());
        }
    }
    let changed = Value::Object(wanted.config);
    let written = cluster.put_unless_changed(key::CONFIG, Some(revision), &changed);
    if written.await? == Written::SomebodyElse {
        let text = "Config modification aborted due to concurrent changes";
        return Err(Error::Failed(text.to_owned()));
    }
    writeln!(out, "Configuration changed")?;
    Ok(())
}

fn is_edited_by_hand(arguments: &EditConfig) -> bool {
    let has_file = arguments.apply.is_some() || arguments.replace.is_some();
    !has_file && arguments.set.is_empty() && arguments.pg.is_empty()
}

fn is_input(file: &Path) -> bool {
    file == Path::new("-")
}

/// Whether the input is a file, so that no answer can come from it.
fn reads_input(arguments: &EditConfig) -> bool {
    let mut files = [&arguments.apply, &arguments.replace].into_iter().flatten();
    files.any(|file| is_input(file))
}

fn by_arguments(arguments: &EditConfig, before: &Map<String, Value>) -> Result<Wanted, Error> {
    let mut config = before.clone();
    if let Some(file) = &arguments.replace {
        config = Map::new();
        patch::merge(&mut config, &read(file)?);
    }
    if let Some(file) = &arguments.apply {
        patch::merge(&mut config, &read(file)?);
    }
    for pair in &arguments.set {
        patch::set(&mut config, pair)?;
    }
    for pair in &arguments.pg {
        let pair = pair.trim_start();
        patch::set(&mut config, &format!("postgresql.parameters.{pair}"))?;
    }
    let text = format!("{}\n", block(&Value::Object(config.clone())));
    Ok(Wanted { config, text })
}

fn read(file: &Path) -> Result<Map<String, Value>, Error> {
    let (text, origin) = if is_input(file) {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        (text, "the input".to_owned())
    } else {
        let origin = file.display().to_string();
        let text = std::fs::read_to_string(file)
            .map_err(|error| Error::Refused(format!("cannot read {origin}: {error}")))?;
        (text, origin)
    };
    configuration(&text, &origin)
}

/// Anything but a map would leave the members without rules.
fn configuration(text: &str, origin: &str) -> Result<Map<String, Value>, Error> {
    match settings::document(text, origin)? {
        Value::Object(map) => Ok(map),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Error::refused(format!(
                "{origin} is no configuration: write a map, such as `ttl: 30`"
            ))
        }
    }
}

fn by_hand(cluster: &str, shown: &str) -> Result<Wanted, Error> {
    let edited = editor::edit(cluster, shown)?;
    match configuration(&edited.text, &edited.origin()) {
        Ok(config) => Ok(Wanted {
            config,
            text: edited.text,
        }),
        Err(error) => {
            if let Some(path) = edited.keep() {
                eprintln!("Warning: your text is kept in {}", path.display());
            }
            Err(error)
        }
    }
}
