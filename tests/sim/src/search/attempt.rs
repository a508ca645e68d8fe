//! One run that may panic, and one that is repeated to see whether it is the same again.
//!
//! A panic is a violation like any other: it has a name, it is shrunk, and it does not end the
//! search.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::outcome::{Outcome, UNDATED, Violation};
use crate::schedule::Schedule;

/// How often a schedule is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Once.
    Once,
    /// Twice: another hash is a violation.
    Twice,
}

/// The invariant that a run does not panic.
const PANIC: &str = "panic";
/// The invariant that equal schedules give equal runs.
const DETERMINISTIC: &str = "deterministic";

/// Plays a schedule; a panic and, when it is played twice, a difference are violations.
pub fn attempt<F: Fn(&Schedule) -> Outcome + ?Sized>(
    play: &F,
    schedule: &Schedule,
    repeat: Repeat,
) -> Outcome {
    let mut outcome = caught(play, schedule);
    if repeat == Repeat::Twice && outcome.violation.is_none() {
        let again = caught(play, schedule);
        if again.hash != outcome.hash || again.violation.is_some() {
            let (first, second) = (outcome.hash, again.hash);
            let text = format!("played twice: the hash is {first:016x}, then {second:016x}");
            outcome.violation = Some(violation(DETERMINISTIC, text));
        }
    }
    outcome
}

impl Repeat {
    /// What it takes to see this violation again.
    #[must_use]
    pub fn for_seeing(violation: &Violation) -> Self {
        if violation.invariant == DETERMINISTIC {
            Self::Twice
        } else {
            Self::Once
        }
    }
}

/// Neither kind knows its instant: no fault is known to come after it.
fn violation(invariant: &'static str, text: String) -> Violation {
    Violation {
        invariant,
        at: UNDATED,
        text,
    }
}

thread_local! {
    /// What the hook heard while this thread plays a schedule; none: it plays none.
    static HEARD: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn caught<F: Fn(&Schedule) -> Outcome + ?Sized>(play: &F, schedule: &Schedule) -> Outcome {
    listen();
    HEARD.set(Some(String::new()));
    // A world that panicked is not looked at again, whatever state it is in.
    let outcome = catch_unwind(AssertUnwindSafe(|| play(schedule)));
    let heard = HEARD.take().unwrap_or_default();
    outcome.unwrap_or_else(|_| Outcome {
        violation: Some(violation(PANIC, heard)),
        ..Outcome::default()
    })
}

/// Keeps the messages of caught panics, which may be thousands, from the terminal.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_caught = HEARD.with_borrow_mut(|heard| {
                let Some(heard) = heard else { return false };
                *heard = info.to_string();
                true
            });
            if !is_caught {
                others(info);
            }
        }));
    });
}
