//! Rewinding on real servers: what it does, and what it leaves when it fails.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use herdsman_pgctl::{
    ClusterState, DataDirectory, Error, Instance, Rewound, StartAs, StopMode, Timeline, Upstream,
};

use crate::certificates::Authority;
use crate::encrypted::serve_tls;
use crate::support::{LONG, TestServer, bin_dir, control_of, processes_in, wait_for};

/// A former primary that went on alone, and is down; and the one that took over.
struct Parted {
    old: TestServer,
    new: TestServer,
}

impl Parted {
    async fn make() -> Self {
        Self::make_with(|_| {}).await
    }

    /// With changes to the configuration of both.
    async fn make_with(change: impl Fn(&mut herdsman_pgctl::Config)) -> Self {
        let old = TestServer::new("one");
        let new = TestServer::new("two");
        for server in [&old, &new] {
            let mut config = (*server.instance.config()).clone();
            change(&mut config);
            server.instance.set_config(config);
        }
        old.make_cluster();
        old.start_primary().await;
        old.instance.bootstrap_users(LONG).await.unwrap();
        new.instance
            .basebackup(&old.upstream(), LONG, |_| {})
            .await
            .unwrap();
        let as_standby = StartAs::Standby {
            upstream: Some(old.upstream()),
        };
        let _ = new.instance.start(as_standby, LONG).await.unwrap();
        new.wait_for_streaming(old.port).await;
        old.client()
            .await
            .batch_execute("CREATE TABLE t AS SELECT generate_series(1, 1000) i")
            .await
            .unwrap();
        wait_for("the table", async || {
            let asked = new.client().await;
            asked.simple_query("SELECT count(*) FROM t").await.is_ok()
        })
        .await;
        new.instance.promote(Some(Timeline(2)), LONG).await.unwrap();
        new.instance.checkpoint(LONG).await.unwrap();
        let both = [
            (&old, "INSERT INTO t VALUES (0), (0), (0)"),
            (&new, "DELETE FROM t"),
        ];
        for (server, sql) in both {
            server.client().await.batch_execute(sql).await.unwrap();
        }
        Self { old, new }
    }

    async fn rewind(&self) -> Result<Rewound, Error> {
        let source = self.new.upstream();
        self.old
            .instance
            .rewind(&source, LONG, async || Ok(true))
            .await
    }

    async fn old_streams_from_new(&self) {
        let upstream = Some(self.new.upstream());
        let as_standby = StartAs::Standby { upstream };
        let _ = self.old.instance.start(as_standby, LONG).await.unwrap();
        self.old.wait_for_streaming(self.new.port).await;
        self.new
            .client()
            .await
            .batch_execute("INSERT INTO t VALUES (7)")
            .await
            .unwrap();
        wait_for("the new primary's rows", async || {
            self.old.count("t").await == 1
        })
        .await;
    }

    fn own_files(&self) -> [(&'static str, String); 3] {
        ["postgresql.conf", "pg_hba.conf", "postgresql.base.conf"].map(|name| {
            let path = self.old.instance.data_dir().join(name);
            (name, fs::read_to_string(path).unwrap())
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_primary_returns_by_a_rewind_with_its_own_files() {
    let parted = Parted::make().await;
    let instance = &parted.old.instance;
    fs::write(instance.data_dir().join("own.key"), "mine").unwrap();
    let _ = instance.kill_all(LONG).await.unwrap();
    let before = parted.own_files();
    assert_eq!(
        control_of(&instance.facts().await.data).state,
        ClusterState::InProduction
    );
    assert!(
        instance
            .is_settled(&parted.new.upstream(), LONG)
            .await
            .unwrap()
    );
    assert_eq!(parted.rewind().await.unwrap(), Rewound::Done);
    assert_eq!(parted.own_files(), before);
    let own = fs::read_to_string(instance.data_dir().join("own.key"));
    assert_eq!(own.unwrap(), "mine");
    parted.old_streams_from_new().await;
    // Nothing is left beside the data directory but what was there.
    let left: Vec<String> = fs::read_dir(parted.old.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("rewind"))
        .collect();
    assert_eq!(left, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_stopped_in_order_and_a_stopped_standby_are_rewound_alike() {
    let parted = Parted::make().await;
    let instance = &parted.old.instance;
    instance.stop(StopMode::Fast, LONG).await.unwrap();
    // As the agent does: its own recovery finds the end of its log.
    let alone = StartAs::Standby { upstream: None };
    let _ = instance.start(alone, LONG).await.unwrap();
    instance.stop(StopMode::Fast, LONG).await.unwrap();
    assert_eq!(
        control_of(&instance.facts().await.data).state,
        ClusterState::ShutDownInRecovery
    );
    assert_eq!(parted.rewind().await.unwrap(), Rewound::Done);
    let control = control_of(&instance.facts().await.data).clone();
    let (_, timeline) = control.min_recovery.expect("a standby's");
    assert_eq!(timeline, Timeline(2));
    parted.old_streams_from_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_in_the_data_directories_do_not_break_a_rewind() {
    let parted = Parted::make_with(|config| {
        let name = "unix_socket_directories".to_owned();
        config.parameters.insert(name, ".".to_owned());
    })
    .await;
    let socket = format!(".s.PGSQL.{}", parted.new.port);
    assert!(parted.new.instance.data_dir().join(&socket).exists());
    let _ = parted.old.instance.kill_all(LONG).await.unwrap();
    let before = parted.own_files();
    assert_eq!(parted.rewind().await.unwrap(), Rewound::Done);
    assert_eq!(parted.own_files(), before);
    assert!(!parted.old.instance.data_dir().join(&socket).exists());
    parted.old_streams_from_new().await;
}

/// The source lets the role of a rewind in with TLS only, and it goes through the relay.
#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_around_sockets_is_encrypted_as_the_role_demands() {
    let authority = Authority::new();
    let issued = authority.issue("server", "x", Some("IP:127.0.0.1"));
    let demand = |mode: &str| {
        let root = authority.certificate().display().to_string();
        let mode = mode.to_owned();
        move |config: &mut herdsman_pgctl::Config| {
            let role = config.rewind.as_mut().unwrap();
            role.sslmode = Some(mode.clone());
            let root = ("sslrootcert".to_owned(), root.clone());
            role.keywords.extend([root]);
        }
    };
    let parted = Parted::make_with(|config| {
        serve_tls(config, &issued);
        let name = "unix_socket_directories".to_owned();
        config.parameters.insert(name, ".".to_owned());
        let lines = config.pg_hba.get_or_insert_default();
        let only = ["hostssl", "hostnossl"].map(|kind| {
            let method = if kind == "hostssl" {
                "scram-sha-256"
            } else {
                "reject"
            };
            format!("{kind} all rewinder 127.0.0.1/32 {method}")
        });
        lines.splice(0..0, only);
        demand("verify-full")(config);
    })
    .await;
    let _ = parted.old.instance.kill_all(LONG).await.unwrap();
    let set = |change: &dyn Fn(&mut herdsman_pgctl::Config)| {
        let mut config = (*parted.old.instance.config()).clone();
        change(&mut config);
        parted.old.instance.set_config(config);
    };
    set(&|config| {
        let role = config.rewind.as_mut().unwrap();
        let word = "require".to_owned();
        role.keywords.insert("channel_binding".to_owned(), word);
    });
    let refused = parted.rewind().await.unwrap_err();
    assert!(matches!(refused, Error::NotRewindable { .. }), "{refused}");
    set(&|config| {
        let role = config.rewind.as_mut().unwrap();
        role.keywords.remove("channel_binding");
    });
    set(&demand("disable"));
    let refused = parted.rewind().await.unwrap_err();
    assert!(matches!(refused, Error::Unreachable { .. }), "{refused}");
    set(&demand("verify-full"));
    assert_eq!(parted.rewind().await.unwrap(), Rewound::Done);
    parted.old_streams_from_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_that_fails_leaves_a_wreck_with_the_members_own_files() {
    let parted = Parted::make().await;
    let instance = &parted.old.instance;
    let _ = instance.kill_all(LONG).await.unwrap();
    let before = parted.own_files();
    // A file that the source itself cannot read.
    let unreadable = parted.new.instance.data_dir().join("unreadable");
    fs::write(&unreadable, "x").unwrap();
    fs::set_permissions(&unreadable, fs::Permissions::from_mode(0o000)).unwrap();
    let error = parted.rewind().await.unwrap_err();
    let Error::Wrecked { why } = &error else {
        panic!("{error:?}");
    };
    assert!(why.contains("Permission denied"), "{why}");
    let DataDirectory::Wreck(wreck) = instance.facts().await.data else {
        panic!("a wreck shows as one");
    };
    assert_eq!(wreck.why.as_ref(), Some(why));
    assert_eq!(wreck.system_id, parted.new.server().await.system_id);
    assert_eq!(parted.own_files(), before);
    for as_what in [StartAs::Primary, StartAs::Standby { upstream: None }] {
        let refused = instance.start(as_what, LONG).await.unwrap_err();
        assert!(matches!(refused, Error::NoCluster { .. }), "{refused:?}");
    }
    let again = parted.rewind().await.unwrap_err();
    assert!(matches!(again, Error::NoCluster { .. }), "{again:?}");
    instance.wipe().await.unwrap();
    assert_eq!(instance.facts().await.data, DataDirectory::Empty);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_that_is_killed_leaves_a_wreck_also_for_the_next_process() {
    let parted = Parted::make().await;
    let instance = &parted.old.instance;
    let data_dir = instance.data_dir().to_owned();
    let _ = instance.kill_all(LONG).await.unwrap();
    let before = parted.own_files();
    // The source answers the copying part of the program slowly: it waits for a lock.
    let script = parted.old.folder().join("bin");
    make_bin_with_slow_rewind(&script);
    let mut options = parted.old.options();
    options.bin_dir = Some(script);
    let slow = Instance::new(options);
    let source = parted.new.upstream();
    {
        let rewinding = slow.rewind(&source, LONG, async || Ok(true));
        let begun = wait_for("the wreck", async || data_dir.join("begun").exists());
        tokio::select! {
            ended = rewinding => panic!("it was to be slow: {ended:?}"),
            () = begun => {}
        }
    }
    wait_for("the end of the program", async || {
        processes_in(&data_dir).is_empty()
    })
    .await;
    let reopened = parted.old.reopened("one");
    let DataDirectory::Wreck(wreck) = reopened.facts().await.data else {
        panic!("a wreck shows as one");
    };
    assert_eq!(wreck.why, None);
    let refused = reopened.start(StartAs::Standby { upstream: None }, LONG);
    assert!(matches!(refused.await, Err(Error::NoCluster { .. })));
    assert_eq!(
        fs::read_to_string(data_dir.join("pg_hba.conf")).unwrap(),
        ""
    );
    reopened.tidy_wreck().await.unwrap();
    assert_eq!(parted.own_files(), before);
    assert!(matches!(
        reopened.facts().await.data,
        DataDirectory::Wreck(_)
    ));
}

/// The real programs, and a `pg_rewind` that empties a file and waits, as the real
/// one does in the middle of its work; a dry run is the real one's.
fn make_bin_with_slow_rewind(folder: &std::path::Path) {
    fs::create_dir(folder).unwrap();
    for name in ["postgres", "pg_controldata"] {
        std::os::unix::fs::symlink(bin_dir().join(name), folder.join(name)).unwrap();
    }
    let path = folder.join("pg_rewind");
    let real = bin_dir().join("pg_rewind");
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *--dry-run*) exec {} \"$@\";; esac\n\
         : > pg_hba.conf\n: > begun\nexec sleep 600\n",
        real.display()
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Moves all files of the log, as an archive and a small `pg_wal` would have it.
fn move_log(instance: &Instance, aside: &std::path::Path) {
    fs::create_dir(aside).unwrap();
    let wal = instance.data_dir().join("pg_wal");
    for entry in fs::read_dir(wal).unwrap().flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().len() == 24 {
            fs::rename(entry.path(), aside.join(name)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_rewound_is_told_and_stays_as_it_is() {
    let parted = Parted::make().await;
    let instance = &parted.old.instance;
    let _ = instance.kill_all(LONG).await.unwrap();
    let alone = StartAs::Standby { upstream: None };
    let _ = instance.start(alone.clone(), LONG).await.unwrap();
    instance.stop(StopMode::Fast, LONG).await.unwrap();
    // The log between the last common checkpoint and the fork is gone.
    let aside = parted.old.folder().join("aside");
    move_log(instance, &aside);
    let error = parted.rewind().await.unwrap_err();
    let Error::NotRewindable { why } = &error else {
        panic!("{error:?}");
    };
    assert!(why.contains("WAL record"), "{why}");
    assert!(matches!(
        instance.facts().await.data,
        DataDirectory::Cluster(_)
    ));
    // The archive has it.
    let mut config = (*instance.config()).clone();
    let restore = format!("cp {}/%f %p", aside.display());
    config
        .recovery_conf
        .insert("restore_command".to_owned(), restore);
    instance.set_config(config);
    instance.write_config().await.unwrap();
    assert_eq!(parted.rewind().await.unwrap(), Rewound::Done);
}

/// It knows of the start on the server's own log only what stands in the files.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_handle_rewinds_by_the_archive() {
    let parted = Parted::make().await;
    let instance = &parted.old.instance;
    let _ = instance.kill_all(LONG).await.unwrap();
    let aside = parted.old.folder().join("aside");
    let mut config = (*instance.config()).clone();
    let restore = format!("cp {}/%f %p", aside.display());
    config
        .recovery_conf
        .insert("restore_command".to_owned(), restore);
    instance.set_config(config.clone());
    let alone = StartAs::Standby { upstream: None };
    let _ = instance.start(alone, LONG).await.unwrap();
    instance.stop(StopMode::Fast, LONG).await.unwrap();
    move_log(instance, &aside);

    let reopened = parted.old.reopened("one");
    reopened.set_config(config);
    let source = parted.new.upstream();
    let rewound = reopened.rewind(&source, LONG, async || Ok(true)).await;

    assert_eq!(rewound.unwrap(), Rewound::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_when_the_source_is_gone_or_stops_to_be_a_primary() {
    let parted = Parted::make().await;
    let instance = &parted.old.instance;
    let _ = instance.kill_all(LONG).await.unwrap();
    let source = parted.new.upstream();
    let refused = instance.rewind(&source, LONG, async || Ok(false)).await;
    assert!(
        matches!(refused, Err(Error::Unreachable { .. })),
        "{refused:?}"
    );
    let nowhere = Upstream::new("127.0.0.1", crate::support::free_port());
    let refused = instance.rewind(&nowhere, LONG, async || Ok(true)).await;
    assert!(
        matches!(refused, Err(Error::Unreachable { .. })),
        "{refused:?}"
    );
    assert!(matches!(
        instance.facts().await.data,
        DataDirectory::Cluster(_)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_was_just_promoted_is_not_settled_before_its_checkpoint() {
    let primary = TestServer::primary("one").await;
    let standby = TestServer::standby("two", &primary.upstream()).await;
    let _ = primary.instance.kill_all(LONG).await.unwrap();
    standby
        .instance
        .promote(Some(Timeline(2)), LONG)
        .await
        .unwrap();
    let at = standby.upstream();
    // The server writes it by itself, a little later.
    wait_for("the checkpoint", async || {
        standby.instance.is_settled(&at, LONG).await.unwrap()
    })
    .await;
    let output = Command::new(bin_dir().join("pg_controldata"))
        .arg(standby.instance.data_dir())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("Latest checkpoint's TimeLineID:       2"),
        "{text}"
    );
    let late = standby
        .instance
        .is_settled(&Upstream::new("127.0.0.1", 1), Duration::from_secs(5))
        .await;
    assert!(late.is_err(), "{late:?}");
}
