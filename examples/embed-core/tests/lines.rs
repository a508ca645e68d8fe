//! The example as another program uses it: a first member that makes a cluster, by lines of text.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// The program at the other end of two pipes.
struct Core {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    seconds: u64,
    said: String,
}

impl Core {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_herdsman-embed-core"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the example was built with this test");
        let to = child.stdin.take().expect("it is a pipe");
        let from = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let mut core = Self {
            child,
            to,
            from,
            seconds: 0,
            said: String::new(),
        };
        core.write(json!({
            "settings": {
                "name": "n1",
                "conn_url": "postgres://10.0.0.1:5432/postgres",
                "api_url": "http://10.0.0.1:8008/patroni",
                "tags": serde_json::to_value(herdsman_ha_core::Tags::default()).expect("tags are JSON"),
                "bootstrap_config": {"ttl": 30},
                "watchdog_required": false,
            },
            "boot": {"instance": "run-1", "seed": 7},
        }));
        core
    }

    /// Sends a line, a second after the one before.
    fn write(&mut self, mut line: Value) {
        self.seconds += 1;
        line["now"] = json!({"mono": self.seconds * 1_000_000_000, "wall": 0});
        writeln!(self.to, "{line}").expect("it reads");
    }

    /// The outputs of the step that the line makes.
    fn step(&mut self, line: Value) -> Vec<Value> {
        self.write(line);
        let mut answer = String::new();
        self.from.read_line(&mut answer).expect("it writes text");
        self.said.push_str(&answer);
        let answer: Value = serde_json::from_str(&answer).expect("an answer is JSON");
        answer["outputs"].as_array().expect("a list").clone()
    }

    /// Tells the end of a task.
    fn done(&mut self, op: &Value, report: Value) -> Vec<Value> {
        self.step(json!({"input": {"done": {"op": op, "outcome": {"done": report}}}}))
    }

    fn looks(&mut self, data: &str) -> Vec<Value> {
        let seen_at = (self.seconds + 1) * 1_000_000_000;
        let server = json!({"down": {"orphans": false}});
        self.step(json!({"input": {"local": {
            "seen_at": seen_at, "data": data, "server": server,
        }}}))
    }

    /// What it says when there is no more input, and whether it is content.
    fn end(self) -> (bool, String) {
        drop(self.to);
        let output = self.child.wait_with_output().expect("it ends");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), errors)
    }
}

/// The number of a started task that has this word for its task or its purpose.
fn started(outputs: &[Value], word: &str) -> Value {
    let found = outputs.iter().find(|output| {
        let task = &output["start"]["task"];
        task["task"] == word || task["purpose"] == word
    });
    let found = found.unwrap_or_else(|| panic!("no {word} in {outputs:#?}"));
    found["start"]["op"].clone()
}

fn make_a_cluster() -> String {
    let mut core = Core::start();
    let outputs = core.step(json!({"keys": {"revision": 1, "entries": []}}));
    let op = started(&outputs, "open-session");
    let text = Value::from(core.looks("empty")).to_string();
    assert!(text.contains("claiming-bootstrap"), "{text}");

    let ttl = json!({"secs": 30, "nanos": 0});
    let outputs = core.done(&op, json!({"session": {"name": "s1", "ttl": ttl}}));
    let op = started(&outputs, "claim-initialize");
    let outputs = core.done(&op, json!({"committed": 2}));
    started(&outputs, "bootstrap");
    let said = core.said.clone();
    assert_eq!(core.end(), (true, String::new()));
    said
}

#[test]
fn first_member_makes_a_cluster_and_equal_lines_get_equal_answers() {
    assert_eq!(make_a_cluster(), make_a_cluster());
}

#[test]
fn line_that_cannot_be_read_is_named() {
    let mut core = Core::start();
    core.write(json!({"nonsense": 1}));
    let (is_content, errors) = core.end();
    assert!(!is_content && errors.contains("line 2: "), "{errors}");
}

#[test]
fn clock_that_goes_backwards_is_refused() {
    let mut core = Core::start();
    core.step(json!({"input": "wake"}));
    core.seconds = 0;
    core.write(json!({"input": "wake"}));
    let (is_content, errors) = core.end();
    assert!(
        !is_content && errors.contains("line 3: the clock"),
        "{errors}"
    );
}
