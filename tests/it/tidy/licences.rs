//! Licences of what we ship: only those that ask for nothing but a notice.

use super::metadata::{Package, Packages, example, packages};
use super::{expect_none, expect_one};

const ALLOWED: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

const OURS: &str = "MIT OR Apache-2.0";

#[test]
fn licences_of_dependencies_are_on_the_list() {
    expect_none(&foreign_licences(packages()));
}

#[test]
fn members_of_the_workspace_have_our_licence() {
    expect_none(&other_licences_of_members(packages()));
}

fn foreign_licences(packages: &Packages) -> Vec<String> {
    let dependencies = packages.values().filter(|package| !package.is_member());
    let refused = dependencies.filter(|package| {
        let licence = package.licence.as_deref().unwrap_or_default();
        !is_allowed(licence)
    });
    refused
        .map(|package| {
            format!(
                "{} {}: {:?}",
                package.name, package.version, package.licence
            )
        })
        .collect()
}

fn other_licences_of_members(packages: &Packages) -> Vec<String> {
    let members = packages.values().filter(|package| package.is_member());
    members
        .filter(|package| package.licence.as_deref() != Some(OURS))
        .map(|package| format!("{}: {:?} is not {OURS}", package.name, package.licence))
        .collect()
}

/// Evaluates an SPDX expression; `/` is the old way to write `OR`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest) == Some(true) && rest.is_empty()
}

fn any_of(rest: &mut &[&str]) -> Option<bool> {
    let mut is_ok = all_of(rest)?;
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        is_ok |= all_of(rest)?;
    }
    Some(is_ok)
}

fn all_of(rest: &mut &[&str]) -> Option<bool> {
    let mut is_ok = one(rest)?;
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        is_ok &= one(rest)?;
    }
    Some(is_ok)
}

fn one(rest: &mut &[&str]) -> Option<bool> {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let is_ok = any_of(rest)?;
            *rest = rest.strip_prefix(&[")"])?;
            Some(is_ok)
        }
        [licence, "WITH", exception, after @ ..] => {
            *rest = after;
            Some(ALLOWED.contains(&format!("{licence} WITH {exception}").as_str()))
        }
        [licence, after @ ..] => {
            *rest = after;
            Some(ALLOWED.contains(licence))
        }
        [] => None,
    }
}

#[test]
fn one_allowed_alternative_is_enough() {
    assert!(is_allowed("MIT"));
    assert!(is_allowed("Apache-2.0 OR LGPL-2.1-or-later"));
    assert!(is_allowed("Unlicense/MIT"));
    assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(is_allowed("GPL-3.0 OR Apache-2.0 WITH LLVM-exception"));
}

#[test]
fn all_parts_of_a_conjunction_are_needed() {
    assert!(!is_allowed("MIT AND GPL-3.0"));
    assert!(!is_allowed("(MIT OR Apache-2.0) AND GPL-3.0"));
    assert!(!is_allowed("GPL-2.0 WITH LLVM-exception"));
}

#[test]
fn unreadable_expression_is_not_allowed() {
    for bad in ["", "MIT OR", "(MIT", "MIT Apache-2.0", "AND MIT"] {
        assert!(!is_allowed(bad), "{bad}");
    }
}

#[test]
fn foreign_and_missing_licences_are_found() {
    let mut copyleft = Package::from_registry("copyleft", "1.0.0");
    copyleft.licence = Some("GPL-3.0".to_owned());
    expect_one(&foreign_licences(&example(&[copyleft])), "GPL-3.0");
    let silent = Package::from_registry("silent", "1.0.0");
    expect_one(&foreign_licences(&example(&[silent])), "silent");
}

#[test]
fn member_with_another_licence_is_found() {
    let member = Package::member("herdsman-x", &[]);
    expect_one(
        &other_licences_of_members(&example(&[member])),
        "herdsman-x",
    );
}
