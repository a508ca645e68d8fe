//! What PostgreSQL refuses does not keep a server from starting or running.

use herdsman_pgctl::{Config, StartAs, StopMode};

use crate::support::{LONG, TestServer};

fn change(server: &TestServer, parameters: &[(&str, &str)]) -> Config {
    let before = (*server.instance.config()).clone();
    let mut config = before.clone();
    for (name, value) in parameters {
        config
            .parameters
            .insert((*name).to_owned(), (*value).to_owned());
    }
    server.instance.set_config(config);
    before
}

async fn show(server: &TestServer, name: &str) -> String {
    let client = server.client().await;
    let row = client.query_one(&format!("SHOW {name}"), &[]).await;
    row.unwrap().get(0)
}

fn refused(server: &TestServer) -> Vec<String> {
    server.instance.refused().into_keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_parameters_are_kept_out_of_a_start_and_of_a_running_server() {
    let server = TestServer::new("one");
    server.make_cluster();
    let before = change(
        &server,
        &[
            ("work_mem", "much"),
            ("no_such", "1"),
            ("log_destination", "elsewhere"),
            ("max_worker_processes", "9999999"),
            ("no name", "x"),
            ("my.own", "anything"),
            ("temp_buffers", "1kB"),
            ("application_name", "two\nlines"),
            ("recovery_min_apply_delay", "soon"),
        ],
    );
    server.start_primary().await;
    let wrong = [
        "log_destination",
        "max_worker_processes",
        "no name",
        "no_such",
        "recovery_min_apply_delay",
        "temp_buffers",
        "work_mem",
    ];
    assert_eq!(refused(&server), wrong);
    assert_eq!(show(&server, "work_mem").await, "4MB");
    assert_eq!(show(&server, "my.own").await, "anything");

    // What was in force stays in force instead of a later wrong value.
    server.instance.set_config(before);
    change(&server, &[("work_mem", "9MB")]);
    assert!(server.instance.apply_config().await.unwrap());
    assert_eq!(refused(&server), [""; 0]);
    change(&server, &[("work_mem", "much"), ("jit", "off")]);
    assert!(server.instance.apply_config().await.unwrap());
    assert_eq!(refused(&server), ["work_mem"]);
    assert_eq!(show(&server, "work_mem").await, "9MB");
    assert_eq!(show(&server, "jit").await, "off");
    assert!(!server.instance.apply_config().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_falls_back_to_what_the_server_ran_with() {
    let server = TestServer::new("one");
    server.make_cluster();
    server.start_primary().await;
    let mut good = change(&server, &[("shared_preload_libraries", "no_such_library")]);
    assert!(server.instance.apply_config().await.unwrap());
    let pending = server.server().await.pending_restart;
    assert_eq!(pending[0].name, "shared_preload_libraries");
    assert_eq!(pending[0].new_value, "no_such_library");

    let _ = server.instance.stop(StopMode::Fast, LONG).await.unwrap();
    server.start_primary().await;
    assert_eq!(refused(&server), ["shared_preload_libraries"]);

    // Lines that the server cannot load are taken back while it runs ...
    let lines = good.pg_hba.clone().unwrap();
    let mut broken = lines.clone();
    broken.push("host all all nowhere/x trust".to_owned());
    good.pg_hba = Some(broken.clone());
    server.instance.set_config(good.clone());
    assert!(server.instance.apply_config().await.unwrap());
    assert_eq!(refused(&server), ["pg_hba"]);
    let file = server.instance.data_dir().join("pg_hba.conf");
    assert!(!std::fs::read_to_string(&file).unwrap().contains("nowhere"));

    // ... and do not keep it down: a new handle does not know of the refusal.
    let _ = server.instance.stop(StopMode::Fast, LONG).await.unwrap();
    let again = server.reopened("one");
    again.set_config(good);
    let started = again.start(StartAs::Primary, LONG).await.unwrap();
    assert!(started.raised.is_empty());
    assert!(again.refused().contains_key("pg_hba"));
    assert!(!std::fs::read_to_string(&file).unwrap().contains("nowhere"));
}
