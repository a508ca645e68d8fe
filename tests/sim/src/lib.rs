//! A whole cluster in virtual time: machines of the shipping core over models of PostgreSQL, of
//! the store, of the network and of clocks.
//!
//! The models know the truth, so they can say what no machine can: whether two servers accepted
//! writes in the same instant, and whether an acknowledged row is still there.

pub mod chance;
pub mod checked;
pub mod fault;
pub mod format;
pub mod ids;
pub mod words;
