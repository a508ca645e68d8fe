//! What the tests of the whole workspace are made of: the script harness, random inputs, and the
//! checks that hold for every step of a machine.
//!
//! Nothing here is shipped. A check looks at outputs and at models, never at a machine's memory.

pub mod balancer;
pub mod bench;
pub mod cluster;
pub mod diverged;
pub mod drill;
pub mod etcd_metrics;
pub mod keys;
pub mod program;
pub mod reality;
pub mod script;
pub mod soak;
pub mod table;
pub mod wild;
pub mod witness;
