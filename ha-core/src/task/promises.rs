//! What a leader without the store asks of the others, and what they say.

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::value::{Generation, Lsn, MemberName};

/// A leader that the store does not confirm asks a member to hold back for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromiseRequest {
    /// Who asks.
    pub name: MemberName,
    /// Where clients reach its PostgreSQL.
    pub conn_url: String,
    /// Where its REST API answers.
    pub api_url: String,
    /// The replication slots of its server and where they are.
    pub slots: BTreeMap<String, Lsn>,
    /// Under which leadership; none: a member of another kind, which does not tell.
    pub generation: Option<Generation>,
    /// How long the promise must last; none: the time to live of the configuration.
    pub ttl: Option<Duration>,
}

/// What a member said when it was asked for a promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromiseReport {
    /// Who was asked.
    pub name: MemberName,
    /// What came back.
    pub answer: PromiseAnswer,
}

/// The possible answers to a [`PromiseRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromiseAnswer {
    /// It holds back.
    Promised,
    /// It does not, and says why.
    Refused(String),
    /// No answer in time.
    Unreachable,
}
