//! Which clocks the libraries read. The wall clock is set by people and by programs, forwards and
//! backwards: a lease that went by it would end early, or never. It is read at one place, for times
//! that people are shown or have chosen.

use super::embedding::{code, is_of_a_library};
use super::{SourceFile, expect_none, expect_one, files};

/// How Rust code reads a clock that can be set.
const WALL_CLOCKS: &[&str] = &[
    "SystemTime",
    "ClockId::Realtime",
    "ClockId::Tai",
    "UNIX_EPOCH",
];

/// The file that may.
const READER: &str = "agent/src/clock.rs";

#[test]
fn wall_clock_is_read_at_one_place() {
    expect_none(&readers(files(), READER));
}

fn readers(files: &[SourceFile], permitted: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut is_needed = false;
    for file in files.iter().filter(|file| is_of_a_library(file)) {
        for (number, line) in code(file) {
            if WALL_CLOCKS.iter().any(|word| line.contains(word)) {
                is_needed |= file.path == permitted;
                if file.path != permitted {
                    problems.push(format!(
                        "{}:{number} reads the wall clock: {line}",
                        file.path
                    ));
                }
            }
        }
    }
    if !is_needed {
        problems.push(format!("{permitted} reads no wall clock any more"));
    }
    problems
}

#[test]
fn reader_of_the_wall_clock_is_found_and_one_of_boot_time_is_not() {
    let permitted = SourceFile::new(READER, "clock_gettime(ClockId::Realtime);\n");
    let found = |text: &str| {
        let file = SourceFile::new("dcs/src/x.rs", text);
        readers(&[permitted.clone(), file], READER)
    };
    expect_none(&found("clock_gettime(ClockId::Boottime);\n"));
    expect_one(&found("let now = SystemTime::now();\n"), "dcs/src/x.rs:1");
    expect_one(&readers(&[], READER), "any more");
}
