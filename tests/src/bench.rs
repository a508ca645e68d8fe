//! Measurements of a whole cluster on this machine, and of another program of its kind beside it.
//!
//! What is measured is what a client sees: the time between two acknowledged rows. Each
//! measurement is repeated, and all values are kept, because one value says little.
//!
//! Invariant: both programs are run by the same code, on the same configuration, in the same run.

mod contender;
pub mod dcs;
mod idle;
mod machine;
mod outage;
mod plan;
mod report;
mod stall;
mod statistics;
mod stores;

pub use contender::{Contender, Timing};
pub use machine::facts as machine_facts;
pub use plan::{Measure, Plan};
pub use report::{Report, Row};
pub use statistics::{Series, Unit};
pub use stores::StorePlan;
