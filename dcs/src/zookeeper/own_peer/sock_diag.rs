//! The kernel's answer about one TCP socket of this machine, over netlink (`sock_diag(7)`).
//!
//! It costs the same however many sockets there are, while the table in `/proc` has a line for
//! each: with ten thousand connections that were closed a minute ago, reading it takes 40 ms.

use std::net::SocketAddr;

use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

/// `SOCK_DIAG_BY_FAMILY`: both the question and the answer.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`, without `NLM_F_DUMP`: the one socket that has these addresses.
const REQUEST: u16 = 1;
const TCP: u8 = 6;
/// Every state of a connection.
const ANY_STATE: u32 = u32::MAX;
/// `INET_DIAG_NOCOOKIE`: whichever socket it is.
const ANY_COOKIE: [u8; 8] = [0xff; 8];
/// Of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Where `struct inet_diag_msg`, after the header, has the socket's inode.
const INODE: usize = HEADER + 68;

/// The inode of the socket whose own address is `from` and which is connected to `to`; none if
/// there is no such socket, and none if the kernel cannot or may not be asked.
pub(super) fn inode_of(from: SocketAddr, to: SocketAddr) -> Option<u64> {
    let question = question(from, to)?;
    let protocol = Some(netlink::SOCK_DIAG);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol).ok()?;
    // The kernel answers within the call, so there is nothing to wait for.
    net::send(&socket, &question, SendFlags::empty()).ok()?;
    let mut answer = [0; 512];
    let (length, _) = net::recv(&socket, &mut answer, RecvFlags::empty()).ok()?;
    inode_in(answer.get(..length)?)
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`; numbers are in the machine's order, but for
/// addresses and ports.
fn question(from: SocketAddr, to: SocketAddr) -> Option<Vec<u8>> {
    let (SocketAddr::V4(from), SocketAddr::V4(to)) = (from, to) else {
        return None;
    };
    let mut request = vec![AddressFamily::INET.as_raw().try_into().ok()?, TCP, 0, 0];
    request.extend(ANY_STATE.to_ne_bytes());
    request.extend(from.port().to_be_bytes());
    request.extend(to.port().to_be_bytes());
    for address in [from, to] {
        request.extend(address.ip().octets());
        // There is room for an address of IPv6.
        request.extend([0; 12]);
    }
    let any_interface: u32 = 0;
    request.extend(any_interface.to_ne_bytes());
    request.extend(ANY_COOKIE);

    let length = u32::try_from(HEADER + request.len()).ok()?;
    let mut message = Vec::from(length.to_ne_bytes());
    message.extend(BY_FAMILY.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    let (sequence, port): (u32, u32) = (0, 0);
    message.extend(sequence.to_ne_bytes());
    message.extend(port.to_ne_bytes());
    message.extend(request);
    Some(message)
}

/// The inode in an answer, unless it is an error.
fn inode_in(answer: &[u8]) -> Option<u64> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    if kind != BY_FAMILY {
        return None;
    }
    let inode = answer.get(INODE..INODE + 4)?.try_into().ok()?;
    // A connection that has been closed on both sides belongs to no file, and has number 0.
    Some(u64::from(u32::from_ne_bytes(inode))).filter(|&inode| inode != 0)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn socket_of_a_connection_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let client = TcpStream::connect(local).unwrap();
        let (_server, peer) = listener.accept().unwrap();
        let own = rustix::fs::fstat(client.as_fd()).unwrap().st_ino;
        // Where the kernel may not be asked, there is no answer, and never a wrong one.
        assert!([Some(own), None].contains(&inode_of(peer, local)));
    }

    #[test]
    fn connection_that_does_not_exist_has_no_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        assert_eq!(inode_of("127.0.0.1:1".parse().unwrap(), local), None);
    }

    #[test]
    fn answer_that_is_cut_off_or_an_error_tells_nothing() {
        let mut answer = vec![0; INODE + 4];
        answer[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        answer[INODE..].copy_from_slice(&77_u32.to_ne_bytes());
        assert_eq!(inode_in(&answer), Some(77));
        assert_eq!(inode_in(&answer[..INODE + 3]), None);
        let error: u16 = 2;
        answer[4..6].copy_from_slice(&error.to_ne_bytes());
        assert_eq!(inode_in(&answer), None);
    }
}
