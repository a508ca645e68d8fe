//! Which configuration is used: the one that is named, or the first that is found in the usual
//! places, or the environment alone.

use std::path::{Path, PathBuf};

use herdsman_agent::settings::ControlSettings;

use crate::arguments::Arguments;
use crate::error::Error;

/// Names the configuration when the command line does not.
const FILE_VARIABLE: &str = "PATRONICTL_CONFIG_FILE";
/// Names the store when the command line does not.
const URL_VARIABLE: &str = "DCS_URL";

/// Where the packages of both programs put a configuration.
const SYSTEM_FILES: [&str; 3] = [
    "/etc/herdsman/herdsman.yml",
    "/etc/herdsman.yml",
    "/etc/patroni/patroni.yml",
];

/// Reads the settings, and tells of what has no effect in them.
pub(crate) fn read(arguments: &Arguments) -> Result<ControlSettings, Error> {
    let file = match arguments.config_file.clone().or_else(file_of_environment) {
        Some(file) => Some(named(file)?),
        None => usual_files().into_iter().find(|file| is_readable(file)),
    };
    let url = arguments.dcs_url.clone().or_else(|| variable(URL_VARIABLE));
    let is_silent = file.is_none() && url.is_none();
    let settings = ControlSettings::from_path_or_env(file.as_deref(), variables(), url.as_deref());
    let settings = match settings {
        Err(_) if is_silent && !variables().any(|(name, _)| name.starts_with("PATRONI_")) => {
            let advice = "there is no configuration: name a file with -c/--config-file, or the \
                          store with -d/--dcs-url";
            return Err(Error::Refused(advice.to_owned()));
        }
        other => other?,
    };
    for warning in &settings.warnings {
        eprintln!("Warning: {warning}");
    }
    Ok(settings)
}

fn file_of_environment() -> Option<PathBuf> {
    variable(FILE_VARIABLE).map(PathBuf::from)
}

fn named(file: PathBuf) -> Result<PathBuf, Error> {
    if is_readable(&file) {
        return Ok(file);
    }
    let shown = file.display();
    Err(Error::Refused(format!(
        "Provided config file {shown} not existing or no read rights. \
         Check the -c/--config-file parameter"
    )))
}

/// A folder is opened as a file is; to list it is the reader's business.
fn is_readable(path: &Path) -> bool {
    std::fs::File::open(path).is_ok()
}

fn usual_files() -> Vec<PathBuf> {
    let folder = variable("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".config")));
    let own = folder.map(|folder| folder.join("patroni/patronictl.yaml"));
    own.into_iter()
        .chain(SYSTEM_FILES.map(PathBuf::from))
        .collect()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The environment as far as it is text.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
