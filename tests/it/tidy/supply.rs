//! Where dependencies come from, which are refused, and that each is there once.

use std::collections::{BTreeMap, BTreeSet};

use super::metadata::{Package, Packages, example, packages};
use super::{expect_none, expect_one};

pub(super) const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Crates that are there in two versions, and why that cannot be helped.
const TWICE: &[(&str, &str)] = &[
    (
        "getrandom",
        "ring is older than what makes names of temporary files",
    ),
    (
        "hashbrown",
        "petgraph (of prost-build, runs while building) is older than indexmap",
    ),
    (
        "syn",
        "half of the derive macros have moved to version 3; runs while building",
    ),
];

const BANNED: &[(&str, &str)] = &[
    (
        "openssl-sys",
        "one TLS implementation, without a C library of the system",
    ),
    (
        "aws-lc-sys",
        "needs cmake and a C compiler; ring is the provider",
    ),
    (
        "native-tls",
        "one TLS implementation, without a C library of the system",
    ),
    ("serde_yaml", "abandoned by its author"),
];

const BANNED_FEATURES: &[(&str, &str, &str)] = &[
    (
        "serde_json",
        "preserve_order",
        "changes the order of keys in what ha-core writes",
    ),
    (
        "tokio",
        "full",
        "features are listed, so that embedding costs what is used",
    ),
];

#[test]
fn dependencies_come_from_the_public_registry() {
    expect_none(&foreign_sources(packages()));
}

#[test]
fn no_crate_is_there_twice_without_a_reason() {
    expect_none(&duplicates(packages(), TWICE));
}

#[test]
fn banned_crates_are_not_used() {
    expect_none(&banned(packages()));
}

#[test]
fn banned_features_are_off() {
    expect_none(&banned_features(packages()));
}

fn foreign_sources(packages: &Packages) -> Vec<String> {
    let sources = packages.values().filter_map(|package| {
        let source = package.source.as_ref()?;
        Some((package, source))
    });
    sources
        .filter(|(_, source)| *source != REGISTRY)
        .map(|(package, source)| format!("{} comes from {source}", package.name))
        .collect()
}

fn duplicates(packages: &Packages, twice: &[(&str, &str)]) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages.values() {
        let known = versions.entry(&package.name).or_default();
        known.insert(&package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let excused: BTreeSet<&str> = twice.iter().map(|(name, _)| *name).collect();
    let unexcused = versions
        .iter()
        .filter(|(name, _)| !excused.contains(*name))
        .map(|(name, versions)| format!("{name} is there in the versions {versions:?}"));
    let stale = excused
        .iter()
        .filter(|name| !versions.contains_key(*name))
        .map(|name| format!("{name} is there once: remove it from the list"));
    unexcused.chain(stale).collect()
}

fn banned(packages: &Packages) -> Vec<String> {
    let pairs = packages
        .values()
        .flat_map(|package| BANNED.iter().map(move |ban| (package, ban)));
    pairs
        .filter(|(package, (name, _))| package.name == *name)
        .map(|(_, (name, reason))| format!("{name}: {reason}"))
        .collect()
}

fn banned_features(packages: &Packages) -> Vec<String> {
    let pairs = packages
        .values()
        .flat_map(|package| BANNED_FEATURES.iter().map(move |ban| (package, ban)));
    pairs
        .filter(|(package, (name, feature, _))| {
            package.name == *name && package.features.contains(*feature)
        })
        .map(|(_, (name, feature, reason))| format!("{name}/{feature}: {reason}"))
        .collect()
}

#[test]
fn foreign_source_is_found() {
    let mut package = Package::from_registry("a", "1.0.0");
    package.source = Some("git+https://example.org/a".to_owned());
    expect_one(&foreign_sources(&example(&[package])), "example.org");
}

#[test]
fn duplicate_without_a_reason_and_stale_reason_are_found() {
    let one = Package::from_registry("a", "1.0.0");
    let two = Package::from_registry("a", "2.0.0");
    let both = example(&[one.clone(), two]);
    expect_one(&duplicates(&both, &[]), "a is there in the versions");
    expect_none(&duplicates(&both, &[("a", "reason")]));
    expect_one(
        &duplicates(&example(&[one]), &[("a", "reason")]),
        "remove it",
    );
}

#[test]
fn banned_crate_is_found() {
    let package = Package::from_registry("native-tls", "0.2.0");
    expect_one(&banned(&example(&[package])), "native-tls");
}

#[test]
fn banned_feature_is_found_only_when_it_is_on() {
    let mut package = Package::from_registry("tokio", "1.0.0");
    expect_none(&banned_features(&example(&[package.clone()])));
    package.features.insert("full".to_owned());
    expect_one(&banned_features(&example(&[package])), "tokio/full");
}
