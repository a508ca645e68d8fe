//! The program as a user runs it, against a real store and members that are only their REST
//! interface.

mod files;
mod list;
mod pause;
mod support;
mod switchover;
mod why;
