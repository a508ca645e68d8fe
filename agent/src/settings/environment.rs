//! The `PATRONI_*` variables as a tree that is laid over the file. Each value
//! knows its variable, so that a message can name it. Variables without an
//! own key are named as unknown, never dropped in silence.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::yaml::{self, Entry, Node, Place, Value};

use super::source::{Source, patch};
use super::{Warning, WarningKind, scalar};

const PREFIX: &str = "PATRONI_";

/// The variable that holds a whole configuration.
pub(super) const WHOLE: &str = "PATRONI_CONFIGURATION";

/// Whether a variable belongs to the agent's own configuration, so that the
/// programs that it starts must not inherit it.
#[must_use]
pub fn is_own_variable(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// How the text of a variable is read.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Boolean,
    Integer,
    List,
    Map,
    /// A text with `%(name)s` patterns, otherwise a list.
    LogFormat,
}

use Kind::{Boolean, Integer, List, LogFormat, Map, Text};

const TOP: &[&str] = &[
    "NAME",
    "NAMESPACE",
    "SCOPE",
    "THREAD_POOL_SIZE",
    "THREAD_STACK_SIZE",
];

const SECTIONS: &[(&str, &[(&str, Kind)])] = &[
    (
        "LOG",
        &[
            ("TYPE", Text),
            ("LEVEL", Text),
            ("TRACEBACK_LEVEL", Text),
            ("FORMAT", LogFormat),
            ("DATEFORMAT", Text),
            ("STATIC_FIELDS", Map),
            ("MAX_QUEUE_SIZE", Integer),
            ("DIR", Text),
            ("MODE", Integer),
            ("FILE_SIZE", Integer),
            ("FILE_NUM", Integer),
            ("LOGGERS", Map),
            ("DEDUPLICATE_HEARTBEAT_LOGS", Boolean),
        ],
    ),
    (
        "RESTAPI",
        &[
            ("LISTEN", Text),
            ("CONNECT_ADDRESS", Text),
            ("CERTFILE", Text),
            ("KEYFILE", Text),
            ("KEYFILE_PASSWORD", Text),
            ("CAFILE", Text),
            ("CIPHERS", Text),
            ("VERIFY_CLIENT", Text),
            ("HTTP_EXTRA_HEADERS", Map),
            ("HTTPS_EXTRA_HEADERS", Map),
            ("ALLOWLIST", List),
            ("ALLOWLIST_INCLUDE_MEMBERS", Boolean),
            ("REQUEST_QUEUE_SIZE", Integer),
            ("SERVER_TOKENS", Text),
        ],
    ),
    (
        "CTL",
        &[
            ("INSECURE", Boolean),
            ("CACERT", Text),
            ("CERTFILE", Text),
            ("KEYFILE", Text),
            ("KEYFILE_PASSWORD", Text),
        ],
    ),
    (
        "POSTGRESQL",
        &[
            ("LISTEN", Text),
            ("CONNECT_ADDRESS", Text),
            ("PROXY_ADDRESS", Text),
            ("CONFIG_DIR", Text),
            ("DATA_DIR", Text),
            ("PGPASS", Text),
            ("BIN_DIR", Text),
        ],
    ),
    ("CITUS", &[("GROUP", Integer), ("DATABASE", Text)]),
];

const PROGRAMS: &[&str] = &[
    "PG_CTL",
    "INITDB",
    "PG_CONTROLDATA",
    "PG_BASEBACKUP",
    "POSTGRES",
    "PG_ISREADY",
    "PG_REWIND",
];

const USERS: &[&str] = &["SUPERUSER", "REPLICATION", "REWIND"];

const USER_KEYS: &[&str] = &[
    "USERNAME",
    "PASSWORD",
    "SSLMODE",
    "SSLCERT",
    "SSLKEY",
    "SSLPASSWORD",
    "SSLROOTCERT",
    "SSLCRL",
    "SSLCRLDIR",
    "GSSENCMODE",
    "CHANNEL_BINDING",
    "SSLNEGOTIATION",
];

const STORES: &[&str] = &[
    "CONSUL",
    "ETCD",
    "ETCD3",
    "EXHIBITOR",
    "KUBERNETES",
    "RAFT",
    "ZOOKEEPER",
];

const STORE_KEYS: &[(&str, Kind)] = &[
    ("HOST", Text),
    ("HOSTS", List),
    ("PORT", Integer),
    ("USE_PROXIES", Boolean),
    ("PROTOCOL", Text),
    ("SRV", Text),
    ("SRV_SUFFIX", Text),
    ("URL", Text),
    ("PROXY", Text),
    ("CACERT", Text),
    ("CERT", Text),
    ("KEY", Text),
    ("VERIFY", Boolean),
    ("TOKEN", Text),
    ("CHECKS", List),
    ("DC", Text),
    ("CONSISTENCY", Text),
    ("REGISTER_SERVICE", Boolean),
    ("SERVICE_CHECK_INTERVAL", Text),
    ("SERVICE_CHECK_TLS_SERVER_NAME", Text),
    ("SERVICE_TAGS", List),
    ("NAMESPACE", Text),
    ("CONTEXT", Text),
    ("USE_ENDPOINTS", Boolean),
    ("SCOPE_LABEL", Text),
    ("ROLE_LABEL", Text),
    ("POD_IP", Text),
    ("PORTS", List),
    ("LABELS", Map),
    ("BYPASS_API_SERVICE", Boolean),
    ("RETRIABLE_HTTP_CODES", List),
    ("KEY_PASSWORD", Text),
    ("USE_SSL", Text),
    ("SET_ACLS", Map),
    ("LEADER_LABEL_VALUE", Text),
    ("FOLLOWER_LABEL_VALUE", Text),
    ("STANDBY_LEADER_LABEL_VALUE", Text),
    ("TMP_ROLE_LABEL", Text),
    ("AUTH_DATA", Map),
    ("BOOTSTRAP_LABELS", Map),
];

const RAFT_KEYS: &[&str] = &[
    "DATA_DIR",
    "SELF_ADDR",
    "PARTNER_ADDRS",
    "PASSWORD",
    "BIND_ADDR",
];

/// Names that a variable had before it got its present one.
const OLD_NAMES: &[(&str, &str)] = &[
    ("LOGLEVEL", "LOG_LEVEL"),
    ("LOGFORMAT", "LOG_FORMAT"),
    ("LOG_DATEFMT", "LOG_DATEFORMAT"),
];

/// Makes a tree of the variables; those with an empty value are not given.
pub(super) fn read(variables: &BTreeMap<String, String>) -> Source {
    let mut source = Source {
        root: Node::new(
            Value::Map(Vec::new()),
            Place::Whole(Arc::from("environment")),
        ),
        warnings: Vec::new(),
    };
    for (variable, text) in variables {
        let suffix = variable.strip_prefix(PREFIX).unwrap_or(variable);
        let current = OLD_NAMES.iter().find(|(old, _)| *old == suffix);
        let name = match current {
            Some((_, new)) if variables.contains_key(&format!("{PREFIX}{new}")) => {
                source.warnings.push(note(
                    variable,
                    format!("has no effect beside {PREFIX}{new}"),
                ));
                continue;
            }
            Some((_, new)) => new,
            None => suffix,
        };
        let Some((path, kind)) = target(name, variables) else {
            source.warnings.push(Warning {
                place: Place::Variable(Arc::from(variable.as_str())),
                path: variable.clone(),
                kind: WarningKind::Unknown { similar: None },
            });
            continue;
        };
        match value(variable, text, kind) {
            Some(node) => patch(&mut source.root, nested(&path, node)),
            None => source
                .warnings
                .push(note(variable, misread(kind).to_owned())),
        }
    }
    source
}

/// The keys that a variable (without its prefix) stands for.
fn target(name: &str, variables: &BTreeMap<String, String>) -> Option<(Vec<String>, Kind)> {
    if TOP.contains(&name) {
        return Some((path(&[name]), Text));
    }
    for (section, keys) in SECTIONS {
        let Some(key) = name
            .strip_prefix(section)
            .and_then(|key| key.strip_prefix('_'))
        else {
            continue;
        };
        if let Some((_, kind)) = keys.iter().find(|(known, _)| *known == key) {
            return Some((path(&[section, key]), *kind));
        }
        let has_users = matches!(*section, "RESTAPI" | "CTL");
        if has_users && matches!(key, "USERNAME" | "PASSWORD") {
            return Some((path(&[section, "authentication", key]), Text));
        }
        if let Some(program) = key
            .strip_prefix("BIN_")
            .filter(|program| PROGRAMS.contains(program))
        {
            return Some((path(&[section, "bin_name", program]), Text));
        }
    }
    let (section, key) = name.split_once('_')?;
    if USERS.contains(&section) && USER_KEYS.contains(&key) {
        return Some((path(&["postgresql", "authentication", section, key]), Text));
    }
    store_target(section, key, variables)
}

fn store_target(
    section: &str,
    key: &str,
    variables: &BTreeMap<String, String>,
) -> Option<(Vec<String>, Kind)> {
    if !STORES.contains(&section) {
        return None;
    }
    let target = path(&[section, key]);
    if let Some((_, kind)) = STORE_KEYS.iter().find(|(known, _)| *known == key) {
        return Some((target, *kind));
    }
    let is_user = matches!(section, "ETCD" | "ETCD3") && matches!(key, "USERNAME" | "PASSWORD");
    // A user alone does not choose a store.
    let is_chosen = STORE_KEYS
        .iter()
        .any(|(other, _)| variables.contains_key(&format!("{PREFIX}{section}_{other}")));
    let is_raft = section == "RAFT" && RAFT_KEYS.contains(&key);
    (is_user && is_chosen || is_raft).then_some((target, Text))
}

fn path(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_ascii_lowercase()).collect()
}

/// A map of a map of a map... with one value.
fn nested(path: &[String], node: Node) -> Node {
    path.iter().rev().fold(node, |value, key| {
        let place = value.place.clone();
        let key = Node::new(Value::Text(key.clone()), place.clone());
        Node::new(Value::Map(vec![Entry { key, value }]), place)
    })
}

fn value(variable: &str, text: &str, kind: Kind) -> Option<Node> {
    let place = Place::Variable(Arc::from(variable));
    let value = match kind {
        Text => Value::Text(text.to_owned()),
        LogFormat if text.contains("%(") => Value::Text(text.to_owned()),
        Boolean => Value::Bool(scalar::boolean(text)?),
        Integer => Value::Integer(i128::from(scalar::integer(text)?)),
        List | LogFormat => {
            let is_list = text.trim_start().starts_with('-') || text.contains('[');
            return collection(text, is_list, ['[', ']'], &place);
        }
        Map => {
            let is_map = text.trim_start().starts_with('{');
            return collection(text, is_map, ['{', '}'], &place);
        }
    };
    Some(Node::new(value, place))
}

fn collection(text: &str, is_marked: bool, marks: [char; 2], place: &Place) -> Option<Node> {
    let text = if is_marked {
        text.to_owned()
    } else {
        format!("{}{text}{}", marks[0], marks[1])
    };
    let mut root = yaml::parse(&text, &Arc::from("")).ok()?.root;
    place_all(&mut root, place);
    matches!(root.value, Value::List(_) | Value::Map(_)).then_some(root)
}

/// A line inside of a variable says little; the variable says all.
fn place_all(node: &mut Node, place: &Place) {
    node.place = place.clone();
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| place_all(item, place)),
        Value::Map(entries) => {
            for entry in entries {
                place_all(&mut entry.key, place);
                place_all(&mut entry.value, place);
            }
        }
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) => {}
    }
}

fn misread(kind: Kind) -> &'static str {
    match kind {
        Boolean => "is neither true nor false and has no effect",
        Integer => "is not an integer and has no effect",
        List | LogFormat => "is not a list like `a,b` and has no effect",
        Map => "is not a map like `a: b, c: d` and has no effect",
        Text => "has no effect",
    }
}

fn note(variable: &str, sentence: String) -> Warning {
    Warning {
        place: Place::Variable(Arc::from(variable)),
        path: variable.to_owned(),
        kind: WarningKind::Note(sentence),
    }
}
