//! Exhaustive search of small worlds: the shipping core with two or three members, one store, one
//! row and a bounded number of faults, in every order in which things can happen.
//!
//! Where the simulator draws one order of events after another, this takes all of them: breadth
//! first, so that the first way to a broken promise is a shortest one, and each state once. What
//! is on its way (a task that has had no effect yet, an answer, a view, a look) has no delay:
//! it happens at any moment, before or after anything else, and time passes while it waits.
//!
//! # Orders and delays
//!
//! All orders of everything, with time passing at any moment, are too many to get far from a
//! fault. Two bounds go deeper instead, and each names what it leaves out: [`Bounds::delays`], how
//! often time passes although something could happen, and [`Bounds::swaps`], how often something
//! comes before what is usually first. With a few of these a search ends: it has then met every
//! state there is within them, takeover, return and rest included, however long it takes there.
//!
//! # Why not a model checker's crate
//!
//! `stateright` is the one for Rust, and needs `Hash` and `Eq` on the whole state. The core has
//! neither, and must not be given them for this: its memory holds instants and revisions, by which
//! equal states would differ for ever. Two states are one here when they differ only in *when* they
//! are and in how revisions and tasks are *numbered* (`form`), and what decides nothing is left
//! out; a test compares how such states go on. With that in hand a search is a page (`search`).
//! What makes it fast is that no step of a machine is taken twice (`minds`), which a general tool
//! cannot know: reading a form costs six steps, and where any order is possible only one step in
//! fifty is a new one.
//!
//! # What is the same as in the simulator, and what is not
//!
//! Servers, WAL and store are the simulator's models, the machines are the shipping ones, and what
//! a driver does with a task is done here again without delays (`go`). Instants lie on a grid of
//! `TICK`: a timer that runs out between two of them runs out at the later one, as a busy host's
//! may. Clocks agree. A guardian watches over the lease of an agent that is gone or stands still,
//! and over nothing else, so that what the machine itself does is seen.
//!
//! Two rules bind time: a timer is served, and a kill that was begun is done, before time passes
//! beyond what the lease gave them. Without these no lease could be kept by anybody.

mod disks;
mod form;
mod go;
mod kept;
mod minds;
mod mix;
mod origin;
mod promise;
mod search;
mod small;
mod table;
#[cfg(test)]
mod tests;
mod way;
mod words;

use std::time::Duration;

pub use promise::Broken;
pub use search::{Found, NotHealthy, Report, explore};

/// The time to live of sessions.
const TTL: Duration = Duration::from_secs(5);
/// The grid of instants: the time that a lease of [`TTL`] keeps back for a kill.
const TICK: Duration = Duration::from_millis(500);

/// A kind of thing that may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A postmaster is killed, with or without the processes that it had.
    Server,
    /// An agent is killed; it is started again at any later moment.
    Agent,
    /// Nothing goes between a member and the store, until any later moment.
    Cut,
    /// An agent stands still until any later moment.
    Freeze,
    /// A server stands still until any later moment.
    FreezeServer,
    /// A call to the store has its effect, and its answer is lost.
    Mute,
    /// A call to the store is held up: it arrives at any later moment, and nobody hears of it.
    Linger,
    /// An operator asks for a switchover.
    Move,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Server,
        Self::Agent,
        Self::Cut,
        Self::Freeze,
        Self::FreezeServer,
        Self::Mute,
        Self::Linger,
        Self::Move,
    ];

    /// Its name on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Agent => "agent",
            Self::Cut => "cut",
            Self::Freeze => "freeze",
            Self::FreezeServer => "freeze-server",
            Self::Mute => "mute",
            Self::Linger => "linger",
            Self::Move => "move",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How large the worlds are, and how far the search goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How many members: two or three.
    pub members: u8,
    /// How many things may go wrong.
    pub faults: u8,
    /// Which.
    pub kinds: Vec<Kind>,
    /// How many rows a client writes: none or one.
    pub rows: u8,
    /// How often time may pass although something could happen; none: always.
    pub delays: Option<u8>,
    /// How often something may happen before what would usually come first; none: always.
    pub swaps: Option<u8>,
    /// Whether also what neither gives nor takes the right to write takes its time: publications,
    /// slots, checkpoints. Otherwise it is done and told as soon as it is asked for.
    pub is_fine: bool,
    /// After how many states the search ends.
    pub states: usize,
    /// After how many steps from the beginning the search ends; none: never.
    pub depth: Option<u32>,
    /// The rule of the machines that is broken.
    #[cfg(feature = "mutants")]
    pub mutant: Option<herdsman_ha_core::Mutant>,
}

impl Default for Bounds {
    /// Two members, one fault of any kind, one row, any order, no delays.
    fn default() -> Self {
        Self {
            members: 2,
            faults: 1,
            kinds: Kind::ALL.to_vec(),
            rows: 1,
            delays: Some(0),
            swaps: None,
            is_fine: false,
            states: 1_000_000,
            depth: None,
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }
}

impl Bounds {
    fn left(&self) -> small::Left {
        small::Left {
            faults: self.faults,
            rows: self.rows,
            delays: self.delays,
            swaps: self.swaps,
        }
    }
}
