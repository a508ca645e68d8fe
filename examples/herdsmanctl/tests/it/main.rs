//! The program as a user runs it, against a real store and members that are only their REST
//! interface.

mod asking;
mod configuration;
mod conversion;
mod failover;
mod files;
mod list;
mod members;
mod pause;
mod remove;
mod support;
mod switchover;
mod why;
