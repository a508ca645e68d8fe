//! A model of PostgreSQL: its data, its processes, and the WAL of the whole world.
//!
//! It is pure: no queue, no clock, no chance. The world calls a method when something happens and
//! decides how long things take. A server acts on what PostgreSQL can know, which is timeline
//! numbers and positions; the [`Tree`] knows the truth, which is who wrote what.

mod copies;
mod life;
mod look;
mod refused;
mod server;
mod slots;
mod state;
mod stream;
mod sync;
mod tree;

pub use look::{PORT, host, node_of};
pub use refused::{NoStream, Refused};
pub use server::{Data, Ending, Files, Process, Receiver, Server};
pub use sync::{Names, SyncNames};
pub use tree::{Branch, BranchId, CHECKPOINT, END_OF_RECOVERY, ROW, Tree, Wal};

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod walk;
