//! Breaks one rule after the other and sees whether an invariant notices.
//!
//! An invariant that no broken rule trips shows nothing, and neither does a simulator that does
//! not reach the situations for which a rule exists.

use std::time::Duration;

use super::{Found, Play, Repeat, Search, Sums, attempt, search};
use crate::options::DriverMutant;
use crate::outcome::Outcome;
use crate::schedule::{Focus, Schedule, Wish};

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A rule of the machines, by the name of its mutant.
    Core {
        /// The mutant.
        name: &'static str,
        /// The invariant that should notice.
        expected: &'static str,
        /// The rule, in a sentence.
        breaks: &'static str,
    },
    /// A rule of the driver around the machine.
    Driver(DriverMutant),
}

impl Subject {
    /// All of them; those of the machines exist only in a build with the feature `mutants`.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let drivers = DriverMutant::ALL.iter().copied().map(Self::Driver);
        core().into_iter().chain(drivers).collect()
    }

    /// The mutant's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Core { name, .. } => name,
            Self::Driver(mutant) => mutant.name(),
        }
    }

    /// The invariant that should notice.
    #[must_use]
    pub fn expected(self) -> &'static str {
        match self {
            Self::Core { expected, .. } => expected,
            Self::Driver(mutant) => mutant.expected(),
        }
    }

    /// The rule that it breaks, in a sentence.
    #[must_use]
    pub fn breaks(self) -> &'static str {
        match self {
            Self::Core { breaks, .. } => breaks,
            Self::Driver(mutant) => mutant.breaks(),
        }
    }

    /// The story that concerns it; none: any seed will do.
    #[must_use]
    pub fn focus(self) -> Option<Focus> {
        super::hint::focus(self.name())
    }

    /// The wish, that this rule is broken, and the story that concerns it.
    #[must_use]
    pub fn wish(self, wish: &Wish) -> Wish {
        let mut wish = wish.clone();
        wish.focus = wish.focus.or_else(|| self.focus());
        match self {
            Self::Core { name, .. } => wish.mutant = Some(name),
            Self::Driver(mutant) => wish.driver_mutant = Some(mutant),
        }
        wish
    }
}

/// What notices these is in the core's own tests (`ha-core/src/mutant/tests.rs`). No world has two
/// clusters, one of which follows the other; and none has leaders that keep no record of their
/// leaderships, as those of other systems do not: where there is a record, it speaks first.
#[cfg(feature = "mutants")]
const WITHOUT_A_WORLD: [&str; 2] = ["standby-leader-promotes", "own-history-ignored"];

#[cfg(feature = "mutants")]
fn core() -> Vec<Subject> {
    let mutants = herdsman_ha_core::Mutant::ALL.iter();
    let subject = |mutant: &herdsman_ha_core::Mutant| Subject::Core {
        name: mutant.name(),
        expected: mutant.expected(),
        breaks: mutant.breaks(),
    };
    let has_world = |mutant: &&herdsman_ha_core::Mutant| !WITHOUT_A_WORLD.contains(&mutant.name());
    mutants.filter(has_world).map(subject).collect()
}

#[cfg(not(feature = "mutants"))]
fn core() -> Vec<Subject> {
    Vec::new()
}

/// What became of a mutant.
#[derive(Clone, Debug)]
pub struct Caught {
    /// Which.
    pub subject: Subject,
    /// What noticed it; none: it survived all seeds.
    pub found: Option<Found>,
    /// What was played for it.
    pub sums: Sums,
}

impl Caught {
    /// How much time passed in worlds until it was noticed.
    #[must_use]
    pub fn simulated(&self) -> Duration {
        self.sums.simulated
    }

    /// In how many seeds the same was violated with every rule kept: nothing that a search should
    /// find.
    #[must_use]
    pub fn also_without(&self) -> u64 {
        self.sums.remarks.get(ALSO_WITHOUT).copied().unwrap_or(0)
    }
}

/// Searches for each of the subjects; `tell` hears of each when its search has ended.
pub fn mutants(
    subjects: &[Subject],
    plan: &Search,
    play: Play<'_>,
    tell: &mut dyn FnMut(&Caught),
) -> Vec<Caught> {
    let caught = |subject: &Subject| {
        let plan = Search {
            wish: subject.wish(&plan.wish),
            keeps_going: false,
            twice_every: 0,
            ..plan.clone()
        };
        let play = |schedule: &Schedule| owed_to_the_mutant(play, schedule);
        let sums = search(&plan, &play, &mut |_| {});
        let caught = Caught {
            subject: *subject,
            found: sums.found.first().cloned(),
            sums,
        };
        tell(&caught);
        caught
    };
    subjects.iter().map(caught).collect()
}

/// Plays a schedule; when a rule is broken in it, what is violated without that as well does not
/// count.
pub fn owed_to_the_mutant(play: Play<'_>, schedule: &Schedule) -> Outcome {
    let mut outcome = attempt(play, schedule, Repeat::Once);
    let Some(violation) = &outcome.violation else {
        return outcome;
    };
    let mut sound = schedule.clone();
    (sound.options.mutant, sound.options.driver_mutant) = (None, None);
    if sound == *schedule {
        return outcome;
    }
    let without = attempt(play, &sound, Repeat::Once).violation;
    if without.is_some_and(|without| without.invariant == violation.invariant) {
        outcome.violation = None;
        *outcome.remarks.entry(ALSO_WITHOUT).or_default() += 1;
    }
    outcome
}

/// The remark about seeds that violate something whether the rule is broken or not.
const ALSO_WITHOUT: &str = "violated-without-the-mutant-too";
