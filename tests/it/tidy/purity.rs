//! ha-core decides and does nothing else: no clock, no thread, no socket, and
//! no arm that swallows a case that nobody has thought of.

use std::collections::BTreeSet;

use super::metadata::{Package, Packages, example, packages};
use super::{SourceFile, expect_none, expect_one, files};

#[test]
fn ha_core_is_no_std_without_unsafe_code() {
    expect_none(&missing_attributes(files()));
}

#[test]
fn ha_core_links_no_async_runtime() {
    expect_none(&async_links(packages()));
}

#[test]
fn ha_core_has_no_async_code() {
    expect_none(&async_code(files()));
}

#[test]
fn decision_tables_have_no_catch_all_arm() {
    expect_none(&catch_all_arms(files()));
}

#[test]
fn decision_tables_are_where_the_rule_looks_for_them() {
    let tables = files().iter().filter(|file| is_table(file));
    assert!(tables.count() > 0, "no table in {TABLES}");
}

const TABLES: &str = "ha-core/src/decide/";

fn missing_attributes(files: &[SourceFile]) -> Vec<String> {
    let path = "ha-core/src/lib.rs";
    let root = files.iter().find(|file| file.path == path);
    let lines: BTreeSet<&str> = root.iter().flat_map(|file| file.text.lines()).collect();
    ["#![no_std]", "#![forbid(unsafe_code)]"]
        .iter()
        .filter(|attribute| !lines.contains(*attribute))
        .map(|attribute| format!("{path} has no {attribute}"))
        .collect()
}

fn async_links(packages: &Packages) -> Vec<String> {
    let core = packages.iter().find(|(_, p)| p.name == "herdsman-ha-core");
    let mut waiting: Vec<&String> = core.iter().map(|(id, _)| *id).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if seen.insert(id) {
            waiting.extend(packages.get(id).iter().flat_map(|package| &package.links));
        }
    }
    seen.into_iter()
        .filter_map(|id| packages.get(id))
        .map(|package| package.name.as_str())
        .filter(|name| {
            let is_runtime = matches!(*name, "tokio" | "mio" | "smol");
            is_runtime || name.starts_with("async") || name.starts_with("futures")
        })
        .map(|name| format!("herdsman-ha-core is linked with {name}"))
        .collect()
}

fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(text.lines().map(str::trim));
    lines.filter(|(_, line)| !line.starts_with("//"))
}

fn async_code(files: &[SourceFile]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        if !file.is_rust() || !file.path.starts_with("ha-core/") {
            continue;
        }
        let found = code_lines(&file.text)
            .filter(|(_, line)| line.contains("async ") || line.contains(".await"));
        problems.extend(found.map(|(number, line)| format!("{}:{number}: {line}", file.path)));
    }
    problems
}

fn is_table(file: &SourceFile) -> bool {
    file.is_rust() && file.path.starts_with(TABLES)
}

fn catch_all_arms(files: &[SourceFile]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files.iter().filter(|file| is_table(file)) {
        let policy = file.text.split("#[cfg(test)]").next().unwrap_or_default();
        let found = code_lines(policy).filter(|(_, line)| is_catch_all(line));
        problems.extend(found.map(|(number, line)| format!("{}:{number}: {line}", file.path)));
    }
    problems
}

/// `_ =>`, `(_, _) =>` and `other =>`; an arm with a condition is none.
fn is_catch_all(line: &str) -> bool {
    let Some((pattern, _)) = line.split_once("=>") else {
        return false;
    };
    let pattern = pattern.trim();
    let is_only_wildcards = pattern.contains(['_', '.'])
        && pattern
            .chars()
            .all(|c| matches!(c, '_' | '.' | ',' | '(' | ')' | '|' | ' '));
    let is_binding = pattern.starts_with(|c: char| c.is_ascii_lowercase())
        && pattern
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !matches!(pattern, "true" | "false");
    is_only_wildcards || is_binding
}

#[test]
fn crate_without_its_attributes_is_found() {
    let path = "ha-core/src/lib.rs";
    let both = "//! Doc.\n#![no_std]\n#![forbid(unsafe_code)]\n";
    expect_none(&missing_attributes(&[SourceFile::new(path, both)]));
    let one = both.replace("#![no_std]", "// #![no_std]");
    expect_one(
        &missing_attributes(&[SourceFile::new(path, &one)]),
        "no_std",
    );
    assert_eq!(missing_attributes(&[]).len(), 2);
}

#[test]
fn indirect_link_with_a_runtime_is_found() {
    let mut core = Package::member("herdsman-ha-core", &[]);
    core.links.push("between 1.0.0".to_owned());
    let mut between = Package::from_registry("between", "1.0.0");
    between.links.push("tokio 1.0.0".to_owned());
    let tokio = Package::from_registry("tokio", "1.0.0");
    expect_one(&async_links(&example(&[core, between, tokio])), "tokio");
}

#[test]
fn async_function_in_the_core_is_found_and_elsewhere_is_not() {
    let text = "//! Not async at all.\npub async fn decide() {}\n";
    let found = async_code(&[
        SourceFile::new("ha-core/src/x.rs", text),
        SourceFile::new("agent/src/x.rs", text),
    ]);
    expect_one(&found, "ha-core/src/x.rs:2");
}

#[test]
fn catch_all_arms_are_recognised() {
    for bad in [
        "_ => hold()",
        "(_, _) => hold()",
        "other => hold(other)",
        "(..) => x",
        "_ | _ => x",
    ] {
        assert!(is_catch_all(bad), "{bad}");
    }
    for good in [
        "(Role::Standby, _) => hold()",
        "Role::Primary => stop()",
        "true => go()",
        ") => hold()",
        "_ if is_late => hold()",
        "let x = y >= z;",
    ] {
        assert!(!is_catch_all(good), "{good}");
    }
}

#[test]
fn catch_all_arm_in_a_table_is_found_and_in_its_tests_is_not() {
    let table = SourceFile::new(
        "ha-core/src/decide/leaderless.rs",
        "match x {\n    _ => hold(),\n}\n#[cfg(test)]\nmod tests { match y {\n _ => () } }\n",
    );
    expect_one(&catch_all_arms(&[table]), "leaderless.rs:2");
}
