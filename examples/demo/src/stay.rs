//! After the story: commands to try, and what comes of them, until somebody interrupts.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use herdsman_ha_core::{Mono, Verdict};
use tokio::time::sleep;

use crate::AnyError;
use crate::configuration::SUPERUSER;
use crate::stage::Stage;
use crate::writer::Writer;

const FRAME: Duration = Duration::from_millis(100);
/// Shorter pauses of the client are not worth a line.
const NOTEWORTHY: Duration = Duration::from_millis(100);
/// How many rows the client's ledger keeps.
const KEPT_ROWS: usize = 1000;

/// Goes on until the future is dropped.
pub(crate) async fn stay(stage: &Stage, writer: &Writer, folder: &Path) -> Result<(), AnyError> {
    let passwords = write_passwords(stage, folder)?;
    stage
        .screen
        .chapter("The cluster stays. Try, in another terminal:");
    stage.screen.say(&commands(stage, &passwords, folder));
    let mut told = decisions(stage)
        .into_iter()
        .map(|(at, text)| (at, text.0))
        .collect();
    let mut seen = stage.now();
    loop {
        sleep(FRAME).await;
        tell_decisions(stage, &mut told);
        tell_gaps(stage, writer, &mut seen);
        writer.ledger().forget_all_but(KEPT_ROWS);
    }
}

fn write_passwords(stage: &Stage, folder: &Path) -> Result<PathBuf, AnyError> {
    let path = folder.join("pgpass");
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&path)?;
    let password = stage.cluster.superuser_password();
    writeln!(file, "127.0.0.1:*:*:{SUPERUSER}:{password}")?;
    Ok(path)
}

fn commands(stage: &Stage, passwords: &Path, folder: &Path) -> String {
    let cluster = &stage.cluster;
    let passwords = passwords.display();
    let mut lines = vec![format!(
        "  export PGPASSFILE={passwords} PGUSER={SUPERUSER} PGDATABASE=postgres"
    )];
    for (_, member) in cluster.members() {
        let (name, api, port) = (&member.place.name, member.api(), member.place.port);
        let pid_file = member.place.data_dir().join("postmaster.pid");
        lines.extend([
            format!("\n  {name}"),
            format!("  curl -s {api}/patroni"),
            format!("  curl -s {api}/decisions"),
            format!("  curl -s -o /dev/null -w '%{{http_code}}\\n' {api}/primary"),
            format!("  psql -h 127.0.0.1 -p {port}"),
            format!("  kill -9 $(head -n 1 {})", pid_file.display()),
        ]);
    }
    lines.extend(cluster_commands(stage));
    let log = folder.join("herdsman.log");
    lines.push(format!("\n  The log of the members: {}", log.display()));
    lines.push("  Ctrl-C ends it.\n".to_owned());
    lines.join("\n")
}

fn cluster_commands(stage: &Stage) -> Vec<String> {
    let cluster = &stage.cluster;
    let Some((_, any)) = cluster.members().next() else {
        return Vec::new();
    };
    let api = any.api();
    let addresses = cluster.addresses();
    let ports: Vec<String> = addresses
        .iter()
        .map(|address| address.port().to_string())
        .collect();
    let (hosts, ports) = (vec!["127.0.0.1"; ports.len()].join(","), ports.join(","));
    let leader = cluster
        .primary()
        .map_or("n1", |primary| cluster.name(primary));
    vec![
        "\n  the cluster".to_owned(),
        format!("  curl -s {api}/cluster"),
        format!("  curl -s {api}/switchover -d '{{\"leader\": \"{leader}\"}}'"),
        format!("  psql 'host={hosts} port={ports} target_session_attrs=read-write'"),
    ]
}

/// Every decision to do something, by instant, with who took it and why.
fn decisions(stage: &Stage) -> Vec<(Mono, (String, String))> {
    let statuses = stage.cluster.statuses();
    let mut decisions: Vec<_> = statuses
        .iter()
        .flat_map(|status| {
            let acts = status
                .decisions
                .iter()
                .filter(|d| d.verdict == Verdict::Act);
            acts.map(|decision| {
                (
                    decision.at,
                    (status.name.to_string(), decision.reason.to_string()),
                )
            })
        })
        .collect();
    decisions.sort_unstable();
    decisions
}

fn tell_decisions(stage: &Stage, told: &mut BTreeSet<(Mono, String)>) {
    let decisions = decisions(stage);
    for (at, (name, reason)) in &decisions {
        if told.insert((*at, name.clone())) {
            stage.tell_at(*at, &format!("{name}: {reason}"));
        }
    }
    // The members forget old decisions, so what they no longer have need not be remembered.
    let oldest = decisions.first().map_or(Mono(0), |(at, _)| *at);
    told.retain(|(at, _)| *at >= oldest);
}

fn tell_gaps(stage: &Stage, writer: &Writer, seen: &mut Mono) {
    let ledger = writer.ledger().clone();
    for pair in ledger.rows().windows(2).filter(|pair| pair[1].at > *seen) {
        let pause = pair[1].at.since(pair[0].at);
        if pause >= NOTEWORTHY {
            let name = stage.cluster.name(pair[1].by);
            let millis = pause.as_millis();
            stage.tell_at(
                pair[1].at,
                &format!("client: no row was acknowledged for {millis} ms, {name} takes writes"),
            );
        }
    }
    *seen = ledger.last().map_or(*seen, |row| row.at);
}
