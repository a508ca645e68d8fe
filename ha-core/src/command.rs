//! What can be asked of a machine, and how it answers.

use alloc::string::String;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::restart::RestartOrder;
use crate::task::PromiseRequest;
use crate::value::MemberName;

/// What an operator, or the process around the machine, asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Move the leadership in order.
    Switchover {
        /// Who leads now, as the operator believes.
        leader: Option<MemberName>,
        /// Who shall lead; none: the best.
        candidate: Option<MemberName>,
        /// When, as ISO 8601 text; none: now.
        scheduled_at: Option<String>,
    },
    /// Move the leadership to a named member, also without a leader.
    Failover {
        /// Who leads now; given, it is a switchover.
        leader: Option<MemberName>,
        /// Who shall lead.
        candidate: Option<MemberName>,
        /// Must be absent.
        scheduled_at: Option<String>,
    },
    /// Remove the scheduled switchover.
    FlushSwitchover,
    /// Change the cluster's configuration.
    ChangeConfig(ConfigChange),
    /// Restart the server, now or later.
    Restart(RestartOrder),
    /// Forget the scheduled restart.
    CancelRestart,
    /// Replace the data by a new copy.
    Reinitialize {
        /// Whether a task that is in the way is cancelled.
        force: bool,
        /// Whether the leader is to be copied, and nobody else.
        from_leader: bool,
    },
    /// A leader that the store does not confirm asks us to hold back.
    Promise(PromiseRequest),
    /// Stop the server, hand the leadership over and end.
    Leave,
}

/// A change of the cluster's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigChange {
    /// Values to merge in; null removes.
    Patch(Map<String, Value>),
    /// The whole of it.
    Replace(Map<String, Value>),
}

/// The answer to a [`Command`]: a word that says what an HTTP status would, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What kind of answer.
    pub kind: AnswerKind,
    /// One sentence.
    pub text: String,
}

/// Kinds of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerKind {
    /// It was done.
    Done,
    /// It will be done at its time.
    Accepted,
    /// The request makes no sense.
    Invalid,
    /// What the request speaks of is not there.
    Absent,
    /// Another request or change is in the way.
    Conflict,
    /// A value of the request cannot be acted on.
    Unusable,
    /// What existing clients know as an error of the server.
    Broken,
    /// The request does not fit the state of the cluster.
    Refused,
    /// It was tried and did not work, or its end is not known.
    Failed,
}
