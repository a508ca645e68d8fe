//! The memory store keeps the contract, and its faults do what they say.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod faults;
mod time;

use std::sync::Arc;

use herdsman_dcs::contract::Backend;
use herdsman_dcs::memory::MemoryStore;
use herdsman_dcs::{Dcs, async_trait};

struct Memory(MemoryStore);

#[async_trait]
impl Backend for Memory {
    async fn handle(&self, name: &str) -> Arc<dyn Dcs> {
        Arc::new(self.0.handle(name))
    }
}

async fn memory() -> Memory {
    Memory(MemoryStore::new())
}

mod contract {
    herdsman_dcs::contract_tests!(super::memory);
}

/// The macro lists the claims by hand, so one that is missing there would never be run.
#[test]
fn every_claim_of_the_contract_is_run() {
    let list = include_str!("../../src/contract.rs");
    let files = [
        ("commits", include_str!("../../src/contract/commits.rs")),
        ("races", include_str!("../../src/contract/races.rs")),
        ("sessions", include_str!("../../src/contract/sessions.rs")),
        ("watches", include_str!("../../src/contract/watches.rs")),
    ];
    for (file, source) in files {
        let claims: Vec<&str> = source
            .split("pub async fn ")
            .skip(1)
            .filter_map(|rest| rest.split('(').next())
            .collect();
        assert!(!claims.is_empty(), "{file}");
        for claim in claims {
            assert!(
                list.contains(&format!("{file}::{claim},")),
                "{file}::{claim}"
            );
        }
    }
}
