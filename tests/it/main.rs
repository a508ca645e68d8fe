//! The one test binary of the workspace: what concerns more than one crate.

mod bad_input;
mod decisions;
mod e2e;
mod explore;
mod golden;
mod matrices;
mod reasons;
mod scripts;
mod sequences;
mod simulation;
mod tidy;
