//! In which worlds a story can show something.

use std::time::Duration;

use super::Focus;
use crate::chance::Chance;
use crate::options::{Latency, Options};

impl Focus {
    /// Makes worlds likely in which the story can show something.
    pub(in crate::schedule) fn favours(self, chance: &mut Chance, options: &mut Options) {
        let mostly = !chance.once_in(4);
        let (few, enough) = (chance.one_of(&[2, 3]), options.nodes.max(3));
        if !mostly {
            return;
        }
        match self {
            Self::DeafServer | Self::BlindReturn | Self::LateReturn | Self::SilentPrimary => {
                options.has_guardian = false
            }
            Self::LongStart => {
                options.has_guardian = false;
                options.primary_start_timeout = Duration::from_secs(300);
            }
            Self::StalePrimary => {
                options.has_guardian = false;
                options.nodes = few;
            }
            Self::SlowRelease => options.primary_start_timeout = Duration::ZERO,
            Self::Rivals | Self::LeftBehind => {
                options.nodes = enough;
                options.lag_limit = 1 << 20;
                options.write_every = Duration::from_millis(500);
                options.checks_timeline = self == Self::LeftBehind;
            }
            Self::ForgottenCluster => options.nodes = enough,
            Self::SlowBeginning => {
                options.begins_empty = true;
                options.nodes = options.nodes.max(2);
            }
            Self::NewGeneration | Self::StaleWitness | Self::Hearsay => {
                options.nodes = enough;
                options.lag_limit = 1 << 20;
                options.write_every = Duration::from_millis(200);
            }
            Self::StoreAway
            | Self::CutOff
            | Self::Stranger
            | Self::SlowPromises
            | Self::ListGone => {
                options.is_failsafe = true;
                options.has_guardian = false;
                options.nodes = options.nodes.max(2);
            }
            Self::TakenBeside | Self::LateTaking | Self::Retaken => {
                options.is_failsafe = true;
                options.nodes = 2;
            }
            Self::SilentRelay | Self::LaggingRelay => {
                options.nodes = enough;
                options.replicatefrom = match few {
                    2 => [(2, 1)].into(),
                    _ => [(2, 1), (1, 2)].into(),
                };
                options.write_every = Duration::from_millis(200);
                options.latency = Latency::Near;
            }
            Self::PartedTaker => {
                options.nodes = enough.max(4);
                options.replicatefrom = [(2, 1)].into();
                options.write_every = Duration::from_millis(200);
            }
            Self::NewCopies => {
                options.nodes = enough;
                options.has_logical_slot = true;
                options.is_synchronous |= few == 2;
            }
            Self::PartedCopy => {
                options.nodes = enough;
                options.has_logical_slot = true;
                options.lag_limit = 1 << 20;
                options.write_every = Duration::from_millis(200);
            }
            Self::ChosenLine => {
                options.nodes = few;
                options.lag_limit = 1 << 10;
                options.write_every = Duration::from_millis(200);
                options.is_synchronous = false;
                options.checks_timeline = false;
            }
            Self::ForeignSuccessor => {
                options.nodes = few;
                options.write_every = Duration::from_millis(200);
                options.is_synchronous = false;
                options.rewinds = false;
            }
            Self::UnheardList => {
                options.is_failsafe = true;
                options.has_guardian = false;
                options.nodes = enough;
            }
            Self::LeftOrder => {
                options.has_guardian = false;
                options.nodes = enough;
            }
            Self::LateSession
            | Self::OldViews
            | Self::StalledOrder
            | Self::OldKey
            | Self::KeyRemoved
            | Self::StoreRestored
            | Self::OldPause => {}
        }
        options.nofailover.retain(|node| *node < options.nodes);
        let nodes = options.nodes;
        options
            .replicatefrom
            .retain(|taker, source| *taker < nodes && *source < nodes);
        options.drift_ppm.truncate(usize::from(options.nodes));
        while options.drift_ppm.last() == Some(&0) {
            options.drift_ppm.pop();
        }
    }
}
