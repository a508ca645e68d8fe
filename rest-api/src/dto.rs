//! The JSON shapes, each with its field names in the order that readers know.
//!
//! A field that is absent in some situation is left out, never null, except where the interface
//! says null. Golden files pin every shape.

mod cluster;
mod decisions;
mod member_status;
mod peer_status;
mod task;

#[cfg(test)]
mod tests;

pub(crate) use cluster::Cluster;
pub(crate) use decisions::Decisions;
pub(crate) use member_status::MemberStatus;
pub(crate) use peer_status::PeerStatus;
