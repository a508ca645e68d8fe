//! Tests against real PostgreSQL servers, each in folders and on ports of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod certificates;
mod clone;
mod encrypted;
mod kill;
mod lifecycle;
mod numbers;
mod processes;
mod promotion;
mod refused;
mod rewind;
mod standby;
mod support;
