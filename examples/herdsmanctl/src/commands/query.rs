//! `query`: asks the PostgreSQL of one member.
//!
//! Statements are committed one by one. The invariant: whoever did not get the answer of the
//! member that was meant gets a status other than 0.

mod answer;
mod password;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use herdsman_agent::settings::ControlSettings;
use herdsman_ha_core::ClusterView;
use herdsman_pgctl::{Credentials, Secret};
use tokio_postgres::{Client, Config};

use crate::arguments::{Format, Query, Role};
use crate::choice::{self, One};
use crate::clock::Instant;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::prompt;
use crate::sheet::{Alignment, Cell, Column, Gaps, Sheet};
use crate::watch;

use password::Login;

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How the connection is encrypted beside `PGSSLMODE`, as in every program of PostgreSQL.
const KEYWORDS: [(&str, &str); 6] = [
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslcrl", "PGSSLCRL"),
    ("sslcrldir", "PGSSLCRLDIR"),
    ("channel_binding", "PGCHANNELBINDING"),
];

/// What is asked, and by whom.
struct Question<'a> {
    sql: String,
    wanted: One<'a>,
    user: String,
    database: String,
    password: Option<String>,
}

/// Asks as often as wanted.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &Query,
    out: &mut impl Write,
) -> Result<(), Error> {
    let sql = sql(arguments)?;
    let wanted = choice::one(arguments.role, arguments.member.as_deref())?;
    let user = user(arguments)?;
    let database = arguments.dbname.clone().or_else(|| variable("PGDATABASE"));
    let question = Question {
        sql,
        wanted,
        database: database.unwrap_or_else(|| user.clone()),
        user,
        password: match arguments.password {
            true => Some(prompt::secret(out, "Password").await?),
            false => None,
        },
    };
    let cluster = Cluster::open(settings, arguments.cluster.as_deref())?;
    watch::repeat(arguments.watch, out, async |out| {
        let view = cluster.view().await?;
        match ask(&view, &question).await {
            Ok(None) => Ok(()),
            Ok(Some(sheet)) => print(&sheet, arguments, out),
            Err(why) => {
                print_failure(&why, arguments.format, &arguments.delimiter, out)?;
                Err(Error::Failed(why))
            }
        }
    })
    .await
}

fn sql(arguments: &Query) -> Result<String, Error> {
    match (&arguments.command, &arguments.file) {
        (Some(_), Some(_)) => Error::refused("--file and --command are mutually exclusive options"),
        (None, None) => Error::refused("You need to specify either --command or --file"),
        (Some(command), None) => Ok(command.clone()),
        (None, Some(file)) if file == Path::new("-") => {
            Ok(std::io::read_to_string(std::io::stdin())?)
        }
        (None, Some(file)) => std::fs::read_to_string(file)
            .map_err(|error| Error::Refused(format!("cannot read {}: {error}", file.display()))),
    }
}

fn user(arguments: &Query) -> Result<String, Error> {
    let names = ["PGUSER", "USER", "LOGNAME"].into_iter();
    let user = arguments.username.clone();
    user.or_else(|| names.filter_map(variable).next())
        .ok_or_else(|| Error::Refused("name a user of the database with -U".to_owned()))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The rows of the last statement; none when it has no rows. The error is for the output too.
async fn ask(view: &ClusterView, question: &Question<'_>) -> Result<Option<Sheet>, String> {
    let unavailable = || match question.wanted {
        One::Named(name) => format!("No connection to member {name} is available"),
        One::With(Role::Leader) => "No connection is available".to_owned(),
        One::With(role) => format!("No connection to role {role} is available"),
    };
    let member = choice::first(view, question.wanted).ok_or_else(unavailable)?;
    let endpoint = view.members[member].endpoint.as_ref();
    let (host, port) = endpoint.ok_or_else(unavailable)?;
    let login = Login {
        host,
        port: *port,
        database: &question.database,
        user: &question.user,
    };
    let known = || password::known(&login);
    let client = connect(&login, question.password.clone().or_else(known)).await?;
    if !is_what_was_wanted(&client, question.wanted).await? {
        return Err(unavailable());
    }
    answer::read(&client, &question.sql)
        .await
        .map_err(|error| told(&error))
}

async fn connect(login: &Login<'_>, password: Option<String>) -> Result<Client, String> {
    let mut settings = Config::new();
    settings
        .dbname(login.database)
        .application_name("herdsmanctl");
    let mut role = Credentials::new(login.user, password.map(Secret::new));
    role.sslmode = variable("PGSSLMODE");
    for (keyword, name) in KEYWORDS {
        let value = variable(name).map(|value| (keyword.to_owned(), value));
        role.keywords.extend(value);
    }
    let place = (login.host, login.port);
    let connected = herdsman_pgctl::connect(place, &role, settings, CONNECT_LIMIT).await;
    connected.map_err(|error| {
        let told = if let herdsman_pgctl::Error::Unreachable {
            code: Some(code), ..
        } = error
        {
            code
        } else {
            error.to_string()
        };
        format!("ERROR, SQLSTATE: {told}").replace('\n', " ")
    })
}

/// What the store says of a role may be old; the server itself knows.
async fn is_what_was_wanted(client: &Client, wanted: One<'_>) -> Result<bool, String> {
    let follows = match wanted {
        One::Named(_) | One::With(Role::Any | Role::Leader) => return Ok(true),
        One::With(Role::Primary) => false,
        One::With(Role::Replica | Role::Standby | Role::StandbyLeader) => true,
    };
    let row = client.query_one("SELECT pg_catalog.pg_is_in_recovery()", &[]);
    let row = row.await.map_err(|error| told(&error))?;
    Ok(row.get::<_, bool>(0) == follows)
}

/// The code of the server's refusal, and its sentence; or why there is none.
fn told(error: &tokio_postgres::Error) -> String {
    if let Some(refusal) = error.as_db_error() {
        return format!("ERROR, SQLSTATE: {}", refusal.code().code());
    }
    let mut text = format!("ERROR, SQLSTATE: {error}");
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text.replace('\n', " ")
}

fn print(sheet: &Sheet, arguments: &Query, out: &mut impl Write) -> Result<(), Error> {
    let text = match arguments.format {
        Format::Pretty => sheet.pretty(""),
        Format::Tsv => sheet.separated(&arguments.delimiter),
        Format::Json => sheet.json(Gaps::Kept),
        Format::Yaml => format!("{}\n", sheet.yaml(Gaps::Kept)),
    };
    write!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// The row that stands for a missing answer, where people read it.
fn print_failure(
    why: &str,
    format: Format,
    delimiter: &str,
    out: &mut impl Write,
) -> Result<(), Error> {
    let time = Instant::now().to_the_second();
    match format {
        Format::Tsv => writeln!(out, "{time}{delimiter}{why}")?,
        Format::Pretty => {
            let columns = ["Field 1", "Field 2"].map(|name| Column {
                name: name.into(),
                title: Some(name.into()),
                alignment: Alignment::Left,
            });
            let sheet = Sheet {
                columns: columns.to_vec(),
                rows: vec![vec![Cell::text(time), Cell::text(why)]],
            };
            write!(out, "{}", sheet.pretty(""))?;
        }
        // A program would take it for an answer.
        Format::Json | Format::Yaml => {}
    }
    out.flush()?;
    Ok(())
}
