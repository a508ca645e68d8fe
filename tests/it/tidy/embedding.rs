//! What a library does not do to the program that embeds it: no signal handler, no end of the
//! process, no state outside of its values, no runtime, nothing printed.
//!
//! And what the examples promise to whoever reads them: they are short and begin with a question.

use super::{SourceFile, expect_none, expect_one, files};

const LIBRARIES: &[&str] = &["dcs", "pgctl", "ha-core", "rest-api", "agent"];

/// Words of code, and what they would do.
const FORBIDDEN: &[(&str, &str)] = &[
    ("tokio::signal", "handles signals"),
    ("SignalKind", "handles signals"),
    ("sigaction", "handles signals"),
    ("ctrl_c", "handles signals"),
    ("process::exit", "ends the process"),
    ("process::abort", "ends the process"),
    ("set_hook", "changes what a panic does"),
    ("set_var", "changes the environment"),
    ("remove_var", "changes the environment"),
    ("set_current_dir", "changes the working directory"),
    ("thread_local!", "keeps state outside of its values"),
    ("LazyLock", "keeps state outside of its values"),
    ("OnceLock", "keeps state outside of its values"),
    ("runtime::Builder", "brings a runtime"),
    ("Runtime::new", "brings a runtime"),
    ("block_on(", "brings a runtime"),
    ("tokio::main", "brings a runtime"),
    ("thread::spawn", "starts a thread"),
    ("thread::Builder", "starts a thread"),
    ("println!", "prints"),
    ("print!(", "prints"),
    ("tracing_subscriber", "decides where the log goes"),
    ("set_global_default", "decides where the log goes"),
];

/// Files that do such a thing, the word, and why that is no harm.
const EXCUSED: &[(&str, &str, &str)] = &[
    (
        "dcs/src/contract.rs",
        "runtime::Builder",
        "claims for tests: each is a test of its own",
    ),
    (
        "dcs/src/contract.rs",
        "block_on(",
        "claims for tests: each is a test of its own",
    ),
    (
        "dcs/src/faults/course.rs",
        "static",
        "faults for tests: what the process uses is counted, so one is tried at a time",
    ),
    (
        "dcs/src/test_servers/password.rs",
        "runtime::Builder",
        "servers for tests, which are started without a runtime",
    ),
    (
        "dcs/src/test_servers/password.rs",
        "block_on(",
        "servers for tests, which are started without a runtime",
    ),
    (
        "dcs/src/zookeeper/link.rs",
        "runtime::Builder",
        "zookeeper-async's task has no end of its own: it runs where it can be ended, and goes with \
         the session",
    ),
    (
        "pgctl/src/process/reap.rs",
        "static",
        "children belong to the process, whichever value waits for them",
    ),
    (
        "pgctl/src/config/files.rs",
        "static",
        "a number that no other temporary file of this process has",
    ),
];

/// How many lines of code an example may have.
const EXAMPLE_LINES: usize = 100;

/// The examples for embedders.
const EXAMPLES: &[&str] = &[
    "custom-dcs",
    "embed-agent",
    "embed-core",
    "observe-postgres",
    "topology",
];

#[test]
fn libraries_leave_the_process_to_their_embedder() {
    expect_none(&intrusions(files(), EXCUSED));
}

#[test]
fn examples_are_short_and_begin_with_a_question() {
    expect_none(&bad_examples(files(), EXAMPLES));
}

#[test]
fn examples_are_shown_in_the_documents() {
    let guide = files().iter().find(|file| file.path == "docs/embedding.md");
    let guide = guide.map_or("", |file| file.text.as_str());
    let absent = EXAMPLES
        .iter()
        .filter(|name| !guide.contains(&format!("(../examples/{name}")))
        .map(|name| format!("docs/embedding.md does not lead to examples/{name}"));
    expect_none(&absent.collect::<Vec<_>>());
}

pub(super) fn is_of_a_library(file: &SourceFile) -> bool {
    let is_test = file.path.ends_with("/tests.rs") || file.path.contains("/tests/");
    let place = file.path.split_once("/src/").map(|(crate_, _)| crate_);
    file.is_rust() && !is_test && place.is_some_and(|place| LIBRARIES.contains(&place))
}

/// The lines of code before the tests, without comments.
pub(super) fn code(file: &SourceFile) -> impl Iterator<Item = (usize, &str)> {
    let shipped = file.text.split("#[cfg(test)]\nmod tests").next();
    let lines = (1..).zip(shipped.unwrap_or_default().lines().map(str::trim));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with("//"))
}

/// A `static` that can change; constants of other kinds are no state.
fn is_global_state(line: &str) -> bool {
    let is_static = line.starts_with("static ") || line.contains(") static ");
    let is_static = is_static || line.starts_with("pub static ");
    let cells = ["mut ", "Mutex", "RwLock", "Atomic", "Cell", "Lock", "Once"];
    is_static && cells.iter().any(|cell| line.contains(cell))
}

fn intrusions(files: &[SourceFile], excused: &[(&str, &str, &str)]) -> Vec<String> {
    let mut used = Vec::new();
    let mut problems = Vec::new();
    for file in files.iter().filter(|file| is_of_a_library(file)) {
        for (number, line) in code(file) {
            let word = |(word, what): &(&'static str, &'static str)| {
                line.contains(word).then_some((*word, *what))
            };
            let state = ("static", "keeps state outside of its values");
            let state = is_global_state(line).then_some(state);
            for (word, what) in FORBIDDEN.iter().filter_map(word).chain(state) {
                let excuse = |(path, excused, _): &&(&str, &str, &str)| {
                    *path == file.path && *excused == word
                };
                match excused.iter().find(excuse) {
                    Some(excuse) => used.push(excuse),
                    None => problems.push(format!("{}:{number} {what}: {line}", file.path)),
                }
            }
        }
    }
    let stale = excused.iter().filter(|excuse| !used.contains(excuse));
    problems.extend(
        stale.map(|(path, word, _)| {
            format!("{path} has no {word} any more: remove it from the list")
        }),
    );
    problems
}

fn bad_examples(files: &[SourceFile], names: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    for name in names {
        let folder = format!("examples/{name}/src/");
        let sources = files.iter().filter(|file| file.path.starts_with(&folder));
        let sources: Vec<&SourceFile> = sources.collect();
        let is_main = |file: &&&SourceFile| {
            let name = &file.path[folder.len()..];
            name == "main.rs" || name == "lib.rs"
        };
        let asks = sources.iter().find(is_main).is_some_and(|main| {
            let first = main.text.lines().next().unwrap_or_default();
            first.contains('?')
        });
        if !asks {
            problems.push(format!("{folder} does not begin with a question"));
        }
        let lines: usize = sources.iter().map(|file| code(file).count()).sum();
        if lines >= EXAMPLE_LINES {
            problems.push(format!("{folder} has {lines} lines of code"));
        }
    }
    problems
}

#[test]
fn intrusions_are_found_and_talk_about_them_is_not() {
    let library = |text: &str| [SourceFile::new("agent/src/x.rs", text)];
    let found = |text: &str| intrusions(&library(text), &[]);
    expect_one(
        &found("fn f() { std::process::exit(1) }\n"),
        "ends the process",
    );
    expect_one(&found("static A: Mutex<u8> = x;\n"), "state");
    expect_one(&found("    eprintln!(\"x\");\n"), "prints");
    expect_none(&found("/// Never calls std::process::exit.\n"));
    expect_none(&found("static TABLE: [u8; 1] = [1];\n"));
    let test = "#[cfg(test)]\nmod tests {\n println!(\"x\");\n}\n";
    expect_none(&found(test));
    let daemon = SourceFile::new("examples/x/src/main.rs", "std::process::exit(1);\n");
    expect_none(&intrusions(&[daemon], &[]));
}

#[test]
fn excuse_that_nobody_needs_is_found() {
    let file = [SourceFile::new("agent/src/x.rs", "fn f() {}\n")];
    let excuse = [("agent/src/x.rs", "block_on(", "reason")];
    expect_one(&intrusions(&file, &excuse), "remove it");
}

#[test]
fn long_example_and_one_without_a_question_are_found() {
    let example = |text: &str| [SourceFile::new("examples/a/src/main.rs", text)];
    expect_none(&bad_examples(&example("//! How?\n"), &["a"]));
    expect_one(&bad_examples(&example("//! So.\n"), &["a"]), "question");
    let long = format!("//! How?\n{}", "x();\n".repeat(EXAMPLE_LINES));
    expect_one(&bad_examples(&example(&long), &["a"]), "100 lines");
}
