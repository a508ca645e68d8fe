//! A whole cluster in virtual time: machines of the shipping core over models of PostgreSQL, of
//! the store, of the network and of clocks.
//!
//! The models know the truth, so they can say what no machine can: whether two servers accepted
//! writes in the same instant, and whether an acknowledged row is still there.

pub mod chance;
pub mod checked;
pub mod explore;
pub mod fact;
pub mod fault;
pub mod format;
pub mod ids;
pub mod invariant;
pub mod options;
pub mod outcome;
pub mod pg;
pub mod run;
pub mod schedule;
pub mod script;
pub mod search;
pub mod shrink;
pub mod store;
pub mod timeline;
pub mod trace;
pub mod units;
pub mod words;
pub mod world;
