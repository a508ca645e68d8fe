//! What a program needs that only looks at a cluster and asks its members:
//! where the store is, which cluster, and who it is for them.
//!
//! It reads the files that members have, and much smaller ones. The invariant:
//! a key that says nothing about these questions is not judged, so a file that
//! a member would refuse can still be used to look at it.

use std::path::Path;
use std::sync::Arc;

use crate::yaml::{Entry, Node, Place, Value};

use super::reader::{Findings, Section};
use super::source::{self, Source};
use super::{
    BasicAuth, Error, Problem, ProblemKind, Store, Warning, environment, keys, normal_namespace,
    store,
};

/// The settings of a program that controls a cluster from outside.
///
/// ```
/// use herdsman_agent::settings::ControlSettings;
///
/// let text = "{scope: demo, etcd3: {host: '10.0.0.11:2379'}}";
/// let settings = ControlSettings::from_text(text, "ctl.yml")?;
/// assert_eq!(settings.scope.as_deref(), Some("demo"));
/// assert_eq!(settings.store.etcd().unwrap().hosts[0].to_string(), "10.0.0.11:2379");
/// # Ok::<(), herdsman_agent::settings::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ControlSettings {
    /// The name of the cluster, unless the caller names it.
    pub scope: Option<String>,
    /// The first part of every key in the store, without slashes at its ends
    /// (`service` when nothing is configured).
    pub namespace: String,
    /// Where the store is.
    pub store: Store,
    /// The user and password for calls to members: those of `ctl`, or else of
    /// `restapi`.
    pub authentication: Option<BasicAuth>,
    /// What of the store's section has no effect, or not the one expected.
    pub warnings: Vec<Warning>,
}

impl ControlSettings {
    /// Reads one YAML text. `origin` is the name that messages give it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with every problem of the text.
    pub fn from_text(text: &str, origin: &str) -> Result<Self, Error> {
        Self::from_source(source::text(text, origin)?, None)
    }

    /// Reads a file or folder with the `PATRONI_*` variables over it, or else
    /// the environment alone. `store_url` is `[etcd3://]host[:port][/namespace]`, with
    /// `zookeeper://` for the other store,
    /// and takes the place of every section of a store, their users included.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] when the path cannot be read, [`Error::Invalid`] with
    /// every problem of the content.
    pub fn from_path_or_env<I>(
        path: Option<&Path>,
        environment: I,
        store_url: Option<&str>,
    ) -> Result<Self, Error>
    where
        I: IntoIterator<Item = (String, String)>,
    {
        let variables: Vec<(String, String)> = environment
            .into_iter()
            .filter(|(name, value)| environment::is_own_variable(name) && !value.is_empty())
            .collect();
        let source = if path.is_none() && variables.is_empty() {
            nothing()
        } else {
            source::path_or_environment(path, variables)?
        };
        Self::from_source(source, store_url)
    }

    fn from_source(source: Source, store_url: Option<&str>) -> Result<Self, Error> {
        let mut findings = Findings::default();
        let settings = Self::read(&mut findings, &Section::root(&source.root), store_url);
        let Findings { problems, warnings } = findings;
        let is_about_store = |warning: &Warning| {
            ["etcd", "zookeeper"]
                .iter()
                .any(|name| warning.path.starts_with(name))
        };
        match settings {
            Some(settings) if problems.is_empty() => Ok(Self {
                warnings: warnings.into_iter().filter(is_about_store).collect(),
                ..settings
            }),
            Some(_) | None => Err(Error::Invalid { problems }),
        }
    }

    fn read(findings: &mut Findings, root: &Section<'_>, store_url: Option<&str>) -> Option<Self> {
        keys::check(findings, root, &[keys::CONTROL], |_, _| true);
        let scope = findings.optional_text(root, "scope");
        let namespace = findings.optional_text(root, "namespace");
        let ctl = findings.section(root, "ctl");
        let rest_api = findings.section(root, "restapi");
        let authentication =
            BasicAuth::read(findings, &ctl).or_else(|| BasicAuth::read(findings, &rest_api));
        let (store, url_namespace) = match store_url {
            None => (Store::read(findings, root), None),
            Some(url) => from_url(findings, url),
        };
        let namespace = url_namespace.or(namespace);
        Some(Self {
            scope,
            namespace: normal_namespace(namespace.as_deref().unwrap_or("service")),
            store: store?,
            authentication,
            warnings: Vec::new(),
        })
    }
}

fn nothing() -> Source {
    let place = Place::Whole(Arc::from("environment"));
    Source {
        root: Node::new(Value::Map(Vec::new()), place),
        warnings: Vec::new(),
    }
}

/// The kind of store that usually has this port.
fn scheme_of_port(url: &str) -> &'static str {
    let hosts = url.split('/').next().unwrap_or_default();
    match hosts.rsplit(':').next() {
        Some("2181") => "zookeeper",
        Some("8500") => "consul",
        Some("8181") => "exhibitor",
        Some(_) | None => "etcd3",
    }
}

/// The store that a URL names, and the namespace in it.
fn from_url(findings: &mut Findings, url: &str) -> (Option<Store>, Option<String>) {
    let place = Place::Whole(Arc::from("the URL of the store"));
    let (scheme, rest) = url
        .split_once("://")
        .unwrap_or_else(|| (scheme_of_port(url), url));
    let (hosts, namespace) = match rest.split_once('/') {
        Some((hosts, namespace)) => (hosts, Some(namespace.trim_matches('/'))),
        None => (rest, None),
    };
    let scheme = scheme.to_ascii_lowercase();
    let section = if scheme == "zookeeper" {
        "zookeeper"
    } else {
        "etcd3"
    };
    let refused = match scheme.as_str() {
        "etcd" | "etcd3" | "zookeeper" => None,
        "exhibitor" | "consul" | "kubernetes" | "raft" => {
            Some(ProblemKind::NotServed(store::not_served(&scheme)))
        }
        // The text may hold a password, so only the scheme is shown.
        _ => {
            let sentence = format!(
                "unknown scheme `{scheme}`, write etcd3://host:port or zookeeper://host:port"
            );
            Some(ProblemKind::Invalid(sentence))
        }
    };
    if let Some(kind) = refused {
        let path = String::new();
        findings.problems.push(Problem { place, path, kind });
        return (None, None);
    }
    // The rules for the servers are those of a file: the section that it would have.
    let text = |text: &str| Node::new(Value::Text(text.to_owned()), place.clone());
    let map = |key: &str, value: Node| {
        let key = text(key);
        Node::new(Value::Map(vec![Entry { key, value }]), place.clone())
    };
    let root = map(section, map("hosts", text(hosts)));
    let store = Store::read(findings, &Section::root(&root));
    let namespace = namespace.filter(|namespace| !namespace.is_empty());
    (store, namespace.map(str::to_owned))
}
