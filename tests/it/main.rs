//! The one test binary of the workspace: what concerns more than one crate.

mod decisions;
mod scripts;
mod tidy;
