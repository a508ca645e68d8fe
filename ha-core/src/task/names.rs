//! Whom commits shall wait for: a wish, as a task carries it.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::value::MemberName;

/// Whom commits shall wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncNames {
    /// Whomever the configuration of the server names.
    Configured,
    /// All of these, in this order; none: nobody.
    All(Vec<MemberName>),
    /// A standby that does not exist: commits wait until there is one.
    Unmatched,
}
