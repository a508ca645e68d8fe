//! Decisions that go back and forth: a member that may not lead asks again and again, and its
//! decision is to ask, to wait, to ask.
//!
//! The first round is told whole; of the others only how many there were.

use std::collections::BTreeMap;

use super::news::dated;
use crate::ids::{At, Node};

/// What a member has decided.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) node: Node,
    /// The code of its reason.
    pub(super) code: String,
    /// As it is told.
    pub(super) text: String,
    pub(super) at: At,
}

/// What each member decided since its code changed last.
#[derive(Debug, Default)]
pub(super) struct Rounds(BTreeMap<Node, Round>);

#[derive(Debug, Default)]
struct Round {
    code: String,
    told: Vec<String>,
    untold: usize,
    last: At,
}

impl Rounds {
    /// Whether this is to be told; before that, what was left out until now.
    pub(super) fn is_new(&mut self, decided: &Decided, lines: &mut Vec<String>) -> bool {
        let round = self.0.entry(decided.node).or_default();
        if round.code != decided.code {
            round.close(decided.node, decided.at, lines);
            round.code.clone_from(&decided.code);
            round.told.clear();
        }
        round.last = decided.at;
        if round.told.contains(&decided.text) {
            round.untold += 1;
            return false;
        }
        round.told.push(decided.text.clone());
        true
    }

    /// What was left out at the end.
    pub(super) fn end(self, lines: &mut Vec<String>) {
        for (node, mut round) in self.0 {
            let last = round.last;
            round.close(node, last, lines);
        }
    }
}

impl Round {
    fn close(&mut self, node: Node, at: At, lines: &mut Vec<String>) {
        let untold = std::mem::take(&mut self.untold);
        if untold > 0 {
            let (code, last) = (&self.code, self.last);
            lines.push(dated(
                at,
                &format!("{node} {code}: {untold} more until {last}"),
            ));
        }
    }
}
