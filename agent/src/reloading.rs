//! A member's configuration that was read again: what changes while the agent runs, and what stays as
//! it was until the agent is started anew.

use crate::settings::Settings;

/// The settings in force from now on, and what of the new ones is not.
pub(crate) fn take(new: Settings, running: &Settings) -> (Settings, Vec<String>) {
    let mut taken = new;
    let mut kept = Vec::new();
    macro_rules! keep {
        ($($name:literal $($field:ident).+;)+) => {$(
            if taken.$($field).+ != running.$($field).+ {
                kept.push($name);
                taken.$($field).+.clone_from(&running.$($field).+);
            }
        )+};
    }
    // Others have been told where we are and who we are, and the listener stays where it is.
    keep! {
        "name" name;
        "scope" scope;
        "namespace" namespace;
        "restapi" rest_api;
        "the section of the store" store;
        "ctl.authentication" peer_authentication;
        "log" log;
        "postgresql.data_dir" postgresql.data_dir;
        "postgresql.config_dir" postgresql.config_dir;
        "postgresql.pgpass" postgresql.pgpass;
    }
    let warn =
        |name| format!("{name} has changed: that takes effect when the agent is started anew");
    (taken, kept.into_iter().map(warn).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_rest_on_stays_until_the_next_start() {
        let text = |port: u16, work_mem: &str| {
            format!(
                "scope: demo\nname: n1\nrestapi: {{listen: '127.0.0.1:{port}'}}\n\
                 etcd3: {{hosts: '127.0.0.1:2379'}}\n\
                 postgresql:\n  listen: 127.0.0.1:5432\n  data_dir: /data\n  \
                 authentication: {{superuser: {{username: a}}, replication: {{username: b}}}}\n  \
                 parameters: {{work_mem: {work_mem}}}\n"
            )
        };
        let read = |port, work_mem| Settings::from_text(&text(port, work_mem), "n1.yml").unwrap();
        let running = read(8008, "4MB");
        assert_eq!(take(running.clone(), &running), (running.clone(), vec![]));
        let (taken, warnings) = take(read(8009, "8MB"), &running);
        assert_eq!(taken, read(8008, "8MB"));
        let expected = "restapi has changed: that takes effect when the agent is started anew";
        assert_eq!(warnings, [expected]);
    }
}
