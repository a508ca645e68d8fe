//! What a run came to.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::At;
use crate::trace::Line;

/// The instant of a violation that does not know its own: a run that ended by a panic.
pub const UNDATED: At = At(u64::MAX);

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which, by its name: `one-writable-primary`.
    pub invariant: &'static str,
    /// When it was noticed.
    pub at: At,
    /// What is wrong, in one sentence.
    pub text: String,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The first violation; the run ends there.
    pub violation: Option<Violation>,
    /// What is weaker than one would wish and not a violation, by kind: `agent-hung-without-guardian`.
    pub remarks: BTreeMap<&'static str, u64>,
    /// The hash of everything that happened.
    pub hash: u64,
    /// How much time passed in the world.
    pub simulated: Duration,
    /// How many steps all machines took.
    pub steps: u64,
    /// How often each reason was given, by its code.
    pub codes: BTreeMap<&'static str, u64>,
    /// The lines, when they were kept.
    pub lines: Vec<Line>,
}
