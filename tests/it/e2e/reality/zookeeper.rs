//! What the store's model assumes of ZooKeeper, on real servers of it.
//!
//! Spoken to in its own protocol by a client that does nothing by itself: no ping, no reconnection,
//! no watch that is set again.

mod client;
mod followers;
mod model;
mod nodes;
mod servers;
mod sessions;
