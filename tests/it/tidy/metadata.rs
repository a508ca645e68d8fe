//! What `cargo metadata` says, reduced to what the rules ask for.
//!
//! Only packages that some member really uses on this platform, with all
//! features on, are in here. See `build.rs` for how the answer got here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::Value;

const ANSWER: &str = include_str!(concat!(env!("OUT_DIR"), "/metadata.json"));

#[derive(Debug, Clone, Default)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) licence: Option<String>,
    /// `None` for the members of the workspace.
    pub(super) source: Option<String>,
    pub(super) manifest: String,
    /// What the manifest asks for, of any kind (normal, build, dev).
    pub(super) wishes: Vec<Wish>,
    /// The features that are on.
    pub(super) features: BTreeSet<String>,
    /// The ids of the packages it is linked with.
    pub(super) links: Vec<String>,
}

/// One dependency as a manifest names it.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) name: String,
    pub(super) has_default_features: bool,
    pub(super) features: Vec<String>,
}

/// By package id.
pub(super) type Packages = BTreeMap<String, Package>;

impl Package {
    pub(super) fn is_member(&self) -> bool {
        self.source.is_none()
    }
}

pub(super) fn packages() -> &'static Packages {
    static PACKAGES: OnceLock<Packages> = OnceLock::new();
    PACKAGES.get_or_init(|| match serde_json::from_str(ANSWER) {
        Ok(answer) => parse(&answer),
        Err(_) => panic!("cargo metadata has failed:\n{ANSWER}"),
    })
}

fn parse(answer: &Value) -> Packages {
    let described = array(&answer["packages"])
        .iter()
        .map(|package| (text(&package["id"]), package))
        .collect::<BTreeMap<_, _>>();
    let nodes = array(&answer["resolve"]["nodes"]).iter();
    nodes
        .map(|node| {
            let id = text(&node["id"]);
            let package = package(described[&id], node);
            (id, package)
        })
        .collect()
}

fn package(described: &Value, node: &Value) -> Package {
    Package {
        name: text(&described["name"]),
        version: text(&described["version"]),
        licence: described["license"].as_str().map(str::to_owned),
        source: described["source"].as_str().map(str::to_owned),
        manifest: text(&described["manifest_path"]),
        wishes: array(&described["dependencies"]).iter().map(wish).collect(),
        features: array(&node["features"]).iter().map(text).collect(),
        links: array(&node["deps"])
            .iter()
            .filter(|dep| is_linked(dep))
            .map(|dep| text(&dep["pkg"]))
            .collect(),
    }
}

/// Build scripts and tests use packages that are not part of the program.
fn is_linked(dep: &Value) -> bool {
    array(&dep["dep_kinds"])
        .iter()
        .any(|kind| kind["kind"].is_null())
}

fn wish(dependency: &Value) -> Wish {
    Wish {
        name: text(&dependency["name"]),
        has_default_features: dependency["uses_default_features"] == true,
        features: array(&dependency["features"]).iter().map(text).collect(),
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().expect("cargo writes a text here").to_owned()
}

/// For the tests of rules.
pub(super) fn example(packages: &[Package]) -> Packages {
    let with_ids = packages.iter().map(|package| {
        let id = format!("{} {}", package.name, package.version);
        (id, package.clone())
    });
    with_ids.collect()
}

impl Package {
    pub(super) fn from_registry(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            source: Some(super::supply::REGISTRY.to_owned()),
            ..Self::default()
        }
    }

    pub(super) fn member(name: &str, wishes: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            wishes: wishes
                .iter()
                .map(|name| Wish {
                    name: (*name).to_owned(),
                    has_default_features: true,
                    features: Vec::new(),
                })
                .collect(),
            ..Self::default()
        }
    }
}

#[test]
fn packages_of_the_workspace_are_known_with_their_features() {
    let packages = packages();
    let members: Vec<_> = packages.values().filter(|p| p.is_member()).collect();
    assert!(members.iter().any(|p| p.name == "herdsman-tests"));
    let serde = packages.values().find(|p| p.name == "serde").unwrap();
    assert!(serde.features.contains("derive"), "{serde:?}");
    assert!(!serde.links.is_empty());
}
