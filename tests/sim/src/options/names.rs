//! The words of what is chosen from a list.

use std::str::FromStr;

use super::{DriverMutant, Flavour, Latency};

macro_rules! words {
    ($type:ident, $what:literal, $( $variant:ident = $word:literal ),+ $(,)?) => {
        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// Its word.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let found = Self::ALL.iter().find(|one| one.name() == text);
                found.copied().ok_or_else(|| format!("{text} is no {}", $what))
            }
        }
    };
}

words!(
    Flavour,
    "flavour of store",
    Etcd = "etcd",
    ZooKeeper = "zookeeper"
);

words!(
    Latency,
    "latency",
    Fixed = "fixed",
    Near = "near",
    Far = "far"
);

words!(
    DriverMutant,
    "mutant of the driver",
    NoSecondLookAtTheGrant = "no-second-look-at-the-grant",
    KillToldBeforeItIsDone = "kill-told-before-it-is-done",
    NoSecondLookAtTheWitness = "no-second-look-at-the-witness",
    FencedTaskGoesOn = "fenced-task-goes-on",
    EndIsNeverTold = "end-is-never-told",
    NoSecondLookAtTheClaim = "no-second-look-at-the-claim",
    CrashedStandbyRecoversByItself = "crashed-standby-recovers-by-itself",
);

impl DriverMutant {
    /// What it does wrong, in a sentence.
    #[must_use]
    pub const fn breaks(self) -> &'static str {
        match self {
            Self::NoSecondLookAtTheGrant => {
                "What makes a server writable is not checked again when it is carried out."
            }
            Self::KillToldBeforeItIsDone => "A kill is told as done before it is.",
            Self::NoSecondLookAtTheWitness => {
                "Data is deleted without asking the leader's server once more."
            }
            Self::FencedTaskGoesOn => "A task that a fence pushed out goes on.",
            Self::EndIsNeverTold => "A task's end is never told.",
            Self::NoSecondLookAtTheClaim => {
                "A new cluster is started although the claim to make it may have ended."
            }
            Self::CrashedStandbyRecoversByItself => {
                "A standby one of whose processes has crashed recovers by itself."
            }
        }
    }

    /// The invariant that should notice it.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::NoSecondLookAtTheGrant => "promotion-under-grant",
            Self::KillToldBeforeItIsDone => "one-writable-primary",
            Self::NoSecondLookAtTheWitness => "last-copy",
            Self::FencedTaskGoesOn => "one-task-per-lane",
            Self::EndIsNeverTold => "one-task-per-lane",
            Self::NoSecondLookAtTheClaim => "one-writable-primary",
            Self::CrashedStandbyRecoversByItself => "no-corruption",
        }
    }
}
