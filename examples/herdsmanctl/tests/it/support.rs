//! A store with a cluster in it, a member's REST interface, and a way to run the program.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use herdsman_dcs::etcd::{EtcdDcs, EtcdOptions};
use herdsman_dcs::test_servers::EtcdServers;
use herdsman_dcs::{Dcs as _, Lifetime, Prefix};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) const LEADER: &str = "postgresql0";
pub(crate) const STANDBY: &str = "postgresql1";

/// The keys of a cluster in a store of its own.
pub(crate) struct Store {
    servers: EtcdServers,
    runtime: Runtime,
    dcs: EtcdDcs,
    /// Holds the configuration of the program.
    folder: TempDir,
}

impl Store {
    pub(crate) fn empty() -> Self {
        let servers = EtcdServers::single();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let options = EtcdOptions::new(servers.endpoints()).expect("the address is good");
        let store = Self {
            servers,
            runtime,
            dcs: EtcdDcs::new(options),
            folder: TempDir::new().expect("a temporary folder can be made"),
        };
        let text = format!("scope: batman\netcd3: {{hosts: ['{}']}}\n", store.address());
        fs::write(store.file(), text).expect("the folder is writable");
        store
    }

    /// The cluster `batman`: a leader and a standby, whose REST interfaces are at `api`.
    pub(crate) fn with_cluster(api: SocketAddr) -> Self {
        let store = Self::empty();
        store.put("initialize", "7277694203142172922");
        store.put("config", r#"{"ttl":30,"loop_wait":1,"retry_timeout":10}"#);
        store.put("leader", LEADER);
        store.put("status", r#"{"optime":67110120}"#);
        store.put_member(LEADER, api, r#""role":"primary""#);
        store.put_member(
            STANDBY,
            api,
            r#""role":"replica","replication_state":"streaming","receive_lsn":67110120,"replay_lsn":67110120"#,
        );
        store
    }

    pub(crate) fn put_member(&self, name: &str, api: SocketAddr, more: &str) {
        let port = if name == LEADER { 5432 } else { 5433 };
        let value = format!(
            r#"{{"conn_url":"postgres://127.0.0.1:{port}/postgres","api_url":"http://{api}/patroni","state":"running","version":"4.1.4","xlog_location":67110120,"timeline":5,{more}}}"#
        );
        self.put(&format!("members/{name}"), &value);
    }

    pub(crate) fn put(&self, key: &str, value: &str) {
        let key = prefix().key(key).expect("the key is a path");
        let value = value.as_bytes().to_vec();
        let put = self.dcs.put(None, key, value, Lifetime::Permanent);
        let outcome = self.runtime.block_on(put).expect("the store answers");
        assert!(outcome.is_applied());
    }

    pub(crate) fn json(&self, key: &str) -> Value {
        self.find(key).expect("the key is there")
    }

    fn find(&self, key: &str) -> Option<Value> {
        let folder = prefix();
        let snapshot = self.runtime.block_on(self.dcs.snapshot(&folder));
        let snapshot = snapshot.expect("the store answers");
        let entry = snapshot.get(&folder.key(key).expect("the key is a path"))?;
        Some(serde_json::from_slice(&entry.value).expect("it holds JSON"))
    }

    /// Waits until the key holds that; a test that waits in vain is ended from outside.
    pub(crate) fn wait_for(&self, key: &str, value: &Value) {
        while self.find(key).as_ref() != Some(value) {
            thread::yield_now();
        }
    }

    /// How many keys the cluster has.
    pub(crate) fn count(&self) -> usize {
        let snapshot = self.runtime.block_on(self.dcs.snapshot(&prefix()));
        snapshot.expect("the store answers").entries.len()
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.servers.endpoint(0).replace("http://", "")
    }

    pub(crate) fn kill(&mut self) {
        self.servers.kill(0);
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ctl.yml")
    }

    /// The program with this store's configuration and the arguments, ready to run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.arg("-c").arg(self.file()).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        run(self.command(arguments), "")
    }
}

fn prefix() -> Prefix {
    Prefix::new("/service/batman").expect("the prefix is a path")
}

/// The program without anything of the caller's environment that it would read.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_herdsmanctl"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PATRONI") {
            command.env_remove(name);
        }
    }
    let nowhere = "/nonexistent";
    command
        .env_remove("DCS_URL")
        .env("XDG_CONFIG_HOME", nowhere);
    command
}

/// How the program ended, and what it wrote.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the program with a text as its input.
pub(crate) fn run(mut command: Command, input: &str) -> Ended {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let mut stdin = child.stdin.take().expect("the input is a pipe");
    // It may end without having read everything.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("the program ends");
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("the output is text"),
        err: String::from_utf8(output.stderr).expect("the messages are text"),
    }
}

/// A program that goes on until it is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, then there is nothing to kill and only to reap.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A request as a member received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) line: String,
    /// In lower case, as are their values' names.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// What a member does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Answer(u16, String),
    /// It closes the connection without a word.
    HangUp,
}

/// A member's REST interface that answers everything alike.
pub(crate) struct Member {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Member {
    pub(crate) fn answering(status: u16, body: &str) -> Self {
        Self::with(Reply::Answer(status, body.to_owned()))
    }

    /// Its thread ends with the test's process.
    pub(crate) fn with(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be found");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("a connection can be accepted");
                let request = read_request(&stream);
                notes.lock().expect("nobody panics with it").push(request);
                send(&stream, &reply);
            }
        });
        Self { address, received }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("nobody panics with it").clone()
    }
}

fn read_request(stream: &TcpStream) -> Received {
    let mut reader = BufReader::new(stream);
    let mut next = || {
        let mut line = String::new();
        reader.read_line(&mut line).expect("the request is text");
        line.trim_end().to_owned()
    };
    let line = next();
    let mut headers = BTreeMap::new();
    while let Some((name, value)) = next().split_once(": ") {
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length");
    let length = length.map_or(0, |text| text.parse().expect("the length is a number"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the body is complete");
    Received {
        line,
        headers,
        body: String::from_utf8(body).expect("the body is text"),
    }
}

fn send(mut stream: &TcpStream, reply: &Reply) {
    if let Reply::Answer(status, body) = reply {
        let length = body.len();
        // The caller may be gone already.
        let _ = write!(
            stream,
            "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}"
        );
    }
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be found");
    listener
        .local_addr()
        .expect("a bound socket has an address")
}
