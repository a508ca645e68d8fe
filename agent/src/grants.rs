//! The lease as it stands now, for the moment in which an effect is executed.
//!
//! A decision is taken under a grant; between the decision and its execution time passes. What
//! makes a server writable asks again here.

use std::sync::Mutex;

use herdsman_ha_core::{Generation, Grant, HeldLease, Mono};

/// The lease in force.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    held: Mutex<Option<(Generation, Mono)>>,
    claim_ends_at: Mutex<Option<Mono>>,
}

impl Grants {
    /// Takes over what the machine holds after a step.
    pub(crate) fn update(&self, lease: Option<HeldLease>) {
        let held = lease.map(|lease| (lease.generation, lease.fence_at));
        *self
            .held
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = held;
    }

    /// Takes over until when our claim to make the cluster holds.
    pub(crate) fn note_claim(&self, ends_at: Option<Mono>) {
        *self
            .claim_ends_at
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = ends_at;
    }

    /// Whether the cluster is ours to make at `now`.
    pub(crate) fn has_claim(&self, now: Mono) -> bool {
        let ends_at = self
            .claim_ends_at
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        ends_at.is_some_and(|ends_at| now < ends_at)
    }

    /// Whether `grant` still holds at `now`.
    pub(crate) fn still_holds(&self, grant: Grant, now: Mono) -> bool {
        let held = self
            .held
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        held.is_some_and(|(generation, fence_at)| {
            generation == grant.generation() && now < fence_at
        })
    }
}
