//! The server and the client over real sockets: what a load balancer, a tool and a peer see.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod changing;
mod client;
mod connections;
mod reading;
mod site;
