//! Free ports of the loopback interface.
//!
//! They lie below the range from which the kernel takes the ports of outgoing connections: while a
//! server is down its clients knock at its port all the time, and one of these connections could
//! otherwise be given that very port.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use crate::AnyError;
use crate::chance;

/// Where to look at all.
const LOWEST: u16 = 10_240;
/// The lower end of the kernel's range when it does not tell.
const USUAL_RANGE: u16 = 32_768;
const ATTEMPTS: usize = 2000;

/// So many different free ports. Nothing reserves them: they are free now.
pub(crate) fn free(count: usize) -> Result<Vec<u16>, AnyError> {
    let end = outgoing_range_begin()
        .filter(|begin| *begin > LOWEST + 1000)
        .unwrap_or(USUAL_RANGE);
    let mut taken = Vec::new();
    for _ in 0..ATTEMPTS {
        if taken.len() == count {
            break;
        }
        let number = chance::number()? % u64::from(end - LOWEST);
        let port = LOWEST + u16::try_from(number)?;
        // The listeners stay open until all ports are found, so that no port is found twice.
        taken.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
    }
    if taken.len() < count {
        return Err(format!("there are no {count} free ports on 127.0.0.1").into());
    }
    let ports = taken
        .iter()
        .map(|listener| Ok(listener.local_addr()?.port()));
    ports.collect()
}

fn outgoing_range_begin() -> Option<u16> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    range.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ports_are_different_and_can_be_bound() {
        let ports = free(6).unwrap();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 6);
        for port in ports {
            assert!(port >= LOWEST);
        }
    }
}
