//! A run as data: the options of its world and everything that will go wrong in it.

use std::time::Duration;

use crate::chance::Chance;
use crate::fault::Planned;
use crate::options::{DriverMutant, Flavour, Options};

mod draw;
mod focus;
mod kind;
mod story;
mod swarm;

pub use focus::Focus;
pub use kind::Kind;
pub use swarm::Swarm;

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Decides every draw that is not in the schedule: latencies, durations, who is asked first.
    pub seed: u64,
    /// What kind of world.
    pub options: Options,
    /// What goes wrong, by time.
    pub faults: Vec<Planned>,
}

/// What a seed does not decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The store; none: either.
    pub flavour: Option<Flavour>,
    /// Whether commits wait for standbys in every world, not only in some.
    pub synchronous: bool,
    /// Whether failsafe mode is on in every world, not only in some.
    pub failsafe: bool,
    /// `ttl` and `loop_wait` of every world; none: each draws its own.
    pub timings: Option<(Duration, Duration)>,
    /// How long faults go on.
    pub safety: Duration,
    /// The story that is told again and again; none: a half of the seeds has one of any.
    pub focus: Option<Focus>,
    /// The rule of the machines that is broken.
    pub mutant: Option<&'static str>,
    /// The rule of the driver that is broken.
    pub driver_mutant: Option<DriverMutant>,
}

impl Default for Wish {
    /// Ten minutes of any world.
    fn default() -> Self {
        Self {
            flavour: None,
            synchronous: false,
            failsafe: false,
            timings: None,
            focus: None,
            safety: Duration::from_secs(600),
            mutant: None,
            driver_mutant: None,
        }
    }
}

impl Schedule {
    /// The schedule of a seed: always the same one, whatever machine draws it.
    #[must_use]
    pub fn generate(seed: u64, wish: &Wish) -> Self {
        let mut chance = Chance::new(seed);
        let swarm = Swarm::draw(&mut chance, wish);
        Self {
            seed,
            faults: story::faults(&mut chance, &swarm),
            options: swarm.options,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::fault::Fault;

    fn generated() -> impl Iterator<Item = Schedule> {
        (0..1000).map(|seed| Schedule::generate(seed, &Wish::default()))
    }

    #[test]
    fn equal_seeds_give_equal_schedules() {
        let again = generated().zip(generated());
        again.for_each(|(first, second)| assert_eq!(first, second));
        let different: BTreeSet<String> = generated().map(|s| format!("{s:?}")).collect();
        assert_eq!(different.len(), 1000);
    }

    #[test]
    fn what_is_wished_does_not_change_what_is_drawn() {
        let wish = Wish {
            mutant: Some("a-rule"),
            driver_mutant: Some(DriverMutant::EndIsNeverTold),
            ..Wish::default()
        };
        for plain in generated() {
            let mut wished = Schedule::generate(plain.seed, &wish);
            (wished.options.mutant, wished.options.driver_mutant) = (None, None);
            assert_eq!(wished, plain);
        }
    }

    #[test]
    fn a_half_of_the_seeds_has_a_focus_and_each_is_drawn() {
        let swarms = (0..1000).map(|seed| Swarm::of(seed, &Wish::default()));
        let drawn: Vec<Focus> = swarms.filter_map(|swarm| swarm.focus).collect();
        assert!((400..600).contains(&drawn.len()), "{}", drawn.len());
        let drawn: BTreeSet<Focus> = drawn.into_iter().collect();
        assert_eq!(drawn, Focus::ALL.iter().copied().collect());
    }

    #[test]
    fn a_focus_that_is_wished_for_is_told_in_every_seed() {
        for focus in Focus::ALL {
            assert_eq!(focus.name().parse(), Ok(*focus));
            let wish = Wish {
                focus: Some(*focus),
                ..Wish::default()
            };
            for seed in 0..20 {
                let schedule = Schedule::generate(seed, &wish);
                assert_eq!(Swarm::of(seed, &wish).focus, Some(*focus));
                assert!(!schedule.faults.is_empty(), "{focus} {seed}");
            }
        }
    }

    #[test]
    fn faults_are_sorted_and_begin_while_faults_go_on() {
        for schedule in generated() {
            assert!(schedule.faults.is_sorted_by_key(|planned| planned.at));
            let last = schedule.faults.last().map(|planned| planned.at);
            assert!(last.unwrap_or_default().0 < 600_000_000_000);
        }
    }

    #[test]
    fn faults_are_about_members_and_end_by_themselves() {
        for schedule in generated() {
            for planned in &schedule.faults {
                let nodes = planned.fault.nodes();
                assert!(nodes.iter().all(|node| node.0 < schedule.options.nodes));
                let text = planned.fault.to_string();
                let is_lasting = [
                    "crash", "pause", "cut", "slow", "stale", "quirk", "dcs down",
                ]
                .iter()
                .any(|verb| text.starts_with(verb) && !text.contains(" server"))
                    && !text.contains(" backend")
                    && !text.contains(" back=");
                assert!(!is_lasting || text.contains(" for="), "{text}");
            }
        }
    }

    #[test]
    fn a_majority_of_disks_is_never_lost() {
        for schedule in generated() {
            let mut lost = BTreeSet::new();
            for planned in &schedule.faults {
                if let Fault::LoseDisk(node) = planned.fault {
                    lost.insert(node);
                }
            }
            let nodes = usize::from(schedule.options.nodes);
            assert!(2 * lost.len() < nodes, "{}", schedule.seed);
        }
    }

    #[test]
    fn each_kind_of_fault_and_of_world_is_drawn() {
        let verbs = |planned: Planned| {
            let text = planned.fault.to_string();
            let words = text.split(' ').filter(|word| word.len() > 1);
            let words = words.map(|word| word.split('=').next().expect("a word").to_owned());
            words.collect::<Vec<_>>().join(" ")
        };
        let drawn: BTreeSet<String> = generated().flat_map(|s| s.faults).map(verbs).collect();
        for expected in [
            "crash for",
            "crash agent for",
            "crash server",
            "crash server orphans",
            "crash backend",
            "pause for",
            "pause host for",
            "pause server for",
            "quirk disk-full for",
            "cut dcs oneway for",
            "cut clients oneway for",
            "cut oneway for",
            "slow dcs oneway by for",
            "heal",
            "dcs down for",
            "dcs election for",
            "dcs lose-reply next",
            "dcs delay next by",
            "watch broken for",
            "stale for",
            "recycle",
            "lose-disk",
            "stale once back",
            "stale reconnect back",
            "upon promote freeze-agent after for",
            "operator switchover to",
            "operator switchover",
            "operator failover to",
            "operator restart away",
            "operator pause",
            "operator resume",
            "operator ttl",
            "operator delete-leader-key",
            "operator overwrite-leader-key",
            "operator wipe-store",
            "operator restore-store back",
        ] {
            assert!(drawn.contains(expected), "{expected} of {drawn:#?}");
        }
        let nodes: BTreeSet<u8> = generated().map(|s| s.options.nodes).collect();
        assert_eq!(nodes.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
        let flavours: BTreeSet<Flavour> = generated().map(|s| s.options.flavour).collect();
        assert_eq!(flavours.len(), 2);
    }
}
