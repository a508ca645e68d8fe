//! What a machine is made with: the run that it belongs to.

use serde::{Deserialize, Serialize};

use crate::value::InstanceId;

/// Facts about the process run that the machine belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Boot {
    /// This run of the agent.
    pub instance: InstanceId,
    /// The only source of chance: equal seeds give equal machines.
    pub seed: u64,
    /// The rule that this machine breaks. Never for a machine that people trust.
    #[cfg(feature = "mutants")]
    #[serde(default)]
    pub mutant: Option<crate::mutant::Mutant>,
}

impl Boot {
    /// A run whose machine keeps all rules.
    #[must_use]
    pub const fn new(instance: InstanceId, seed: u64) -> Self {
        Self {
            instance,
            seed,
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }
}
