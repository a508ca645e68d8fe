//! What does one PostgreSQL server look like from outside? `herdsman-pgctl` alone: no store, no
//! cluster, no change to the server.
//!
//! `herdsman-observe-postgres DATA_DIR HOST:PORT [USER]` prints what a look shows, then waits for
//! the server to end, and looks again. The password is read from the variable `PGPASSWORD`.

#![expect(clippy::print_stdout, reason = "the facts are what was asked for")]

use herdsman_pgctl::{
    Config, Credentials, DataDirectory, Facts, Instance, InstanceOptions, Listen, Process, Secret,
    ServerRole,
};

type AnyError = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (data_dir, listen, user) = match arguments.as_slice() {
        [data_dir, listen] => (data_dir, listen, "postgres"),
        [data_dir, listen, user] => (data_dir, listen, user.as_str()),
        _ => return Err("usage: herdsman-observe-postgres DATA_DIR HOST:PORT [USER]".into()),
    };
    let password = std::env::var("PGPASSWORD").ok().map(Secret::new);
    let user = Credentials::new(user, password);
    let listen: Listen = listen.parse()?;
    let config = Config::new(listen, user.clone(), user);
    let instance = Instance::new(InstanceOptions::new("observed", data_dir, config));

    let facts = instance.facts().await;
    print(&facts);
    if facts.process != Process::Down {
        let exit = instance.exited().await;
        println!("ended     {exit}");
        print(&instance.facts().await);
    }
    Ok(())
}

fn print(facts: &Facts) {
    match &facts.data {
        DataDirectory::Cluster(control) => println!(
            "data      system {}, {:?}, checkpoint {} on timeline {}",
            control.system_id, control.state, control.checkpoint, control.timeline
        ),
        DataDirectory::Missing
        | DataDirectory::Empty
        | DataDirectory::Leftover(_)
        | DataDirectory::Wreck(_)
        | DataDirectory::NotACluster(_)
        | DataDirectory::Unreadable(_) => println!("data      {:?}", facts.data),
    }
    println!("process   {:?}", facts.process);
    let Some(server) = &facts.server else { return };
    println!("server    PostgreSQL {}", server.version);
    match &server.role {
        ServerRole::Primary { flushed } => println!("role      primary, written to {flushed}"),
        ServerRole::Standby(standby) => println!(
            "role      standby of {:?}, received {:?}, replayed {:?}",
            standby.upstream, standby.received, standby.replayed
        ),
    }
    for sender in &server.senders {
        let (name, state) = (&sender.application_name, &sender.state);
        println!("streams   to {name}: {state}, {}", sender.sync_state);
    }
    for slot in &server.slots {
        let kept = slot
            .restart_lsn
            .map_or_else(|| "-".to_owned(), |lsn| lsn.to_string());
        println!("slot      {}, keeps from {kept}", slot.name);
    }
    for setting in &server.pending_restart {
        println!("restart   {} is {}", setting.name, setting.old_value);
    }
}
