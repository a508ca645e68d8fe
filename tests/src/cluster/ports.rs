//! Free ports of the loopback interface.
//!
//! They lie below the range from which the kernel takes the ports of outgoing connections: while a
//! server is down its clients knock at its port all the time, and one of these connections could
//! otherwise be given that very port. Invariant: no port is given out twice in one process.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// Where to look at all.
const LOWEST: u16 = 10_240;
/// The lower end of the kernel's range when it does not tell.
const USUAL_RANGE: u16 = 32_768;
const ATTEMPTS: u32 = 2000;

static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that nobody listens on. Nothing reserves it: it is free now.
///
/// # Panics
/// When none is found.
#[must_use]
pub fn free() -> u16 {
    let end = outgoing_range_begin()
        .filter(|begin| *begin > LOWEST + 1000)
        .unwrap_or(USUAL_RANGE);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Other test processes look at the same time: chance keeps them apart.
    let chance = RandomState::new();
    for attempt in 0..ATTEMPTS {
        let offset = chance.hash_one(attempt) % u64::from(end - LOWEST);
        let port = LOWEST + u16::try_from(offset).expect("it is below the difference of two ports");
        let is_free = || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if !given.contains(&port) && is_free() {
            given.insert(port);
            return port;
        }
    }
    panic!("no free port found on 127.0.0.1 in {ATTEMPTS} attempts");
}

fn outgoing_range_begin() -> Option<u16> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    range.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_different_and_can_be_bound() {
        let ports: Vec<u16> = (0..6).map(|_| free()).collect();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 6);
        for port in ports {
            assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
        }
    }
}
