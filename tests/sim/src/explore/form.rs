//! The form of a thing: what it is, apart from when it is and how things are numbered.
//!
//! Two worlds in which everything happened a minute later, or with other numbers for the same
//! revisions and tasks, go on alike: to a machine only differences of instants count, and only the
//! order of numbers. So instants, revisions and task numbers are taken out and compared as
//! distances and ranks, and all the rest is hashed once and kept.
//!
//! A form is read off the `Debug` text as it is written, piece by piece: the core's memory is
//! private and needs no second description that could forget a field. A field that has no
//! influence on any decision is skipped by its name.

use std::fmt::{self, Debug, Write};

use super::mix::Mix;

/// So long ago an instant only matters by its order: no rule waits longer than ten seconds, the
/// time to live is five, and the pause between looks is bounded below this.
const LONG: u64 = 12_000_000_000;

/// What no later step depends on: what people read, such as when a timeline ended; the instant of
/// the last step and the number of the last task, which the next ones replace; and by which commits
/// the view was overtaken, because here a view never becomes older than what the member itself has
/// written.
const SKIPPED: [&str; 6] = ["journal", "last_error", "now", "at", "last_op", "committed"];

/// A field of which only names and addresses matter: who there was when there last was a leader.
const OUTLINED: &str = "old_members";

/// What is skipped inside of it.
const DETAILS: [&str; 11] = [
    "revision",
    "session",
    "state",
    "role",
    "timeline",
    "xlog_location",
    "receive_lsn",
    "replay_lsn",
    "replication_state",
    "instance",
    "text",
];

/// What a thing is, and apart from that its instants and numbers in the order of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Form {
    fixed: u128,
    times: Box<[u64]>,
    revisions: Box<[u64]>,
    ops: Box<[u64]>,
}

impl Form {
    pub(super) fn of(thing: &impl Debug) -> Self {
        let mut reader = Reader::default();
        write!(reader, "{thing:?}").expect("a reader takes everything");
        Self {
            fixed: reader.mix.end(),
            times: reader.times.into(),
            revisions: reader.revisions.into(),
            ops: reader.ops.into(),
        }
    }

    /// A hash of everything, with instants and numbers as they are.
    pub(super) fn exact(&self) -> u128 {
        let mut mix = Mix::new();
        mix.add_wide(self.fixed);
        let numbers = [&self.times, &self.revisions, &self.ops];
        numbers
            .into_iter()
            .flatten()
            .for_each(|number| mix.add(*number));
        mix.end()
    }

    pub(super) fn revisions(&self) -> &[u64] {
        &self.revisions
    }

    pub(super) fn ops(&self) -> &[u64] {
        &self.ops
    }
}

/// The hash of many forms together, by distances and ranks.
#[derive(Debug)]
pub(super) struct Blend {
    pub(super) mix: Mix,
    now: u64,
    revisions: Vec<u64>,
    ops: Vec<u64>,
    old: Vec<u64>,
}

impl Blend {
    pub(super) fn new(now: u64) -> Self {
        Self {
            mix: Mix::new(),
            now,
            revisions: Vec::with_capacity(32),
            ops: Vec::with_capacity(16),
            old: Vec::with_capacity(16),
        }
    }

    /// All revisions that there are must be known before the first is ranked.
    pub(super) fn know_revisions(&mut self, numbers: &[u64]) {
        self.revisions.extend_from_slice(numbers);
    }

    pub(super) fn rank_revisions(&mut self) {
        self.revisions.sort_unstable();
        self.revisions.dedup();
    }

    /// From here on task numbers are another member's.
    pub(super) fn begin_ops(&mut self, numbers: impl Iterator<Item = u64>) {
        self.ops.clear();
        self.ops.extend(numbers);
        self.ops.sort_unstable();
        self.ops.dedup();
    }

    pub(super) fn add(&mut self, number: u64) {
        self.mix.add(number);
    }

    /// An instant of the past.
    pub(super) fn past(&mut self, at: u64) {
        self.mix.add(self.now.saturating_sub(at).min(LONG));
    }

    /// When something is due; what is overdue is due now.
    pub(super) fn due(&mut self, at: Option<u64>) {
        let after = at.map(|at| at.saturating_sub(self.now));
        self.mix.add(after.unwrap_or(u64::MAX));
    }

    pub(super) fn op(&mut self, op: u64) {
        self.mix.add(rank(&self.ops, op));
    }

    pub(super) fn revision(&mut self, revision: u64) {
        self.mix.add(rank(&self.revisions, revision));
    }

    pub(super) fn form(&mut self, form: &Form) {
        self.mix.add_wide(form.fixed);
        self.old.clear();
        let limit = self.now.saturating_sub(LONG);
        let is_old = |at: &&u64| **at < limit;
        self.old.extend(form.times.iter().filter(is_old));
        self.old.sort_unstable();
        self.old.dedup();
        for at in &form.times {
            let code = if *at < limit {
                (1 << 63) | rank(&self.old, *at)
            } else {
                at.wrapping_sub(self.now)
            };
            self.mix.add(code);
        }
        for revision in &form.revisions {
            self.mix.add(rank(&self.revisions, *revision));
        }
        for op in &form.ops {
            self.mix.add(rank(&self.ops, *op));
        }
    }

    pub(super) fn end(&self) -> u128 {
        self.mix.end()
    }
}

fn rank(sorted: &[u64], number: u64) -> u64 {
    let place = sorted.partition_point(|other| *other < number);
    u64::try_from(place).unwrap_or(u64::MAX)
}

/// What the next number is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Plain,
    Time,
    Revision,
    Op,
}

/// Takes a `Debug` text apart while it is written.
///
/// A name, a bracket, a number and a quote each come as a piece of their own: the formatter writes
/// them one by one. The test below holds it to that.
#[derive(Debug)]
struct Reader {
    mix: Mix,
    times: Vec<u64>,
    revisions: Vec<u64>,
    ops: Vec<u64>,
    /// What a tuple that was just named would hold, and whether its bracket is open.
    kind: Kind,
    is_open: bool,
    is_quoted: bool,
    is_escaped: bool,
    /// How many brackets are open.
    depth: i32,
    /// What to do with the field that was just named.
    named: Named,
    /// The depth of the field that is being skipped, or outlined.
    skips_at: Option<i32>,
    outlines_at: Option<i32>,
}

/// A field that was just named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Named {
    #[default]
    Usual,
    Skipped,
    Outlined,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            mix: Mix::new(),
            times: Vec::with_capacity(32),
            revisions: Vec::with_capacity(32),
            ops: Vec::with_capacity(8),
            kind: Kind::Plain,
            is_open: false,
            is_quoted: false,
            is_escaped: false,
            depth: 0,
            named: Named::Usual,
            skips_at: None,
            outlines_at: None,
        }
    }
}

impl Write for Reader {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.is_quoted {
            self.quoted(piece);
            return Ok(());
        }
        let depth = self.depth;
        self.depth += brackets(piece);
        self.leave(piece, depth);
        if piece == "\"" {
            self.is_quoted = true;
            self.plain(piece);
        } else if self.skips_at.is_none() {
            self.read(piece);
        }
        Ok(())
    }
}

impl Reader {
    fn quoted(&mut self, piece: &str) {
        if self.is_escaped {
            self.is_escaped = false;
        } else if piece == "\\" {
            self.is_escaped = true;
        } else if piece == "\"" {
            self.is_quoted = false;
        }
        self.plain(piece);
    }

    fn plain(&mut self, piece: &str) {
        if self.skips_at.is_none() {
            self.mix.add_text(piece);
        }
    }

    /// A field ends at the comma behind it, or where the bracket around it closes.
    fn leave(&mut self, piece: &str, depth: i32) {
        let after = self.depth;
        let has_ended = |at: &i32| (depth == *at && piece == ", ") || after < *at;
        if self.skips_at.as_ref().is_some_and(has_ended) {
            self.skips_at = None;
        }
        if self.outlines_at.as_ref().is_some_and(has_ended) {
            self.outlines_at = None;
        }
    }

    fn read(&mut self, piece: &str) {
        let named = std::mem::take(&mut self.named);
        if piece == ": " {
            match named {
                Named::Usual => {}
                Named::Skipped => self.skips_at = Some(self.depth),
                Named::Outlined => self.outlines_at = Some(self.depth),
            }
        }
        if self.is_open {
            self.is_open = false;
            let kind = std::mem::take(&mut self.kind);
            if let Ok(number) = piece.parse() {
                self.number(kind, number);
                return;
            }
        } else if self.kind != Kind::Plain && piece == "(" {
            self.is_open = true;
            return;
        }
        self.kind = match piece {
            "Mono" => Kind::Time,
            "Revision" | "Generation" => Kind::Revision,
            "OpId" => Kind::Op,
            _ => Kind::Plain,
        };
        let is_detail = self.outlines_at.is_some() && DETAILS.contains(&piece);
        self.named = if is_detail || SKIPPED.contains(&piece) {
            Named::Skipped
        } else if piece == OUTLINED {
            Named::Outlined
        } else {
            Named::Usual
        };
        self.mix.add_text(piece);
    }

    fn number(&mut self, kind: Kind, number: u64) {
        match kind {
            Kind::Plain => self.mix.add(number),
            // The beginning of time stands for "never".
            Kind::Time if number == 0 => self.mix.add(0),
            Kind::Time => self.times.push(number),
            Kind::Revision => self.revisions.push(number),
            Kind::Op => self.ops.push(number),
        }
    }
}

fn brackets(piece: &str) -> i32 {
    let bytes = piece.bytes().map(|byte| match byte {
        b'(' | b'[' | b'{' => 1,
        b')' | b']' | b'}' => -1,
        _ => 0,
    });
    bytes.sum()
}

#[cfg(test)]
mod tests;
