//! Whether the other end of a loopback connection is this very process.
//!
//! The relay speaks for our session and with our credentials, so nobody else may use it, not even
//! another process of the same user. Linux tells which socket owns an address, and which sockets
//! are ours. Invariant: whatever cannot be proven is a stranger.

mod sock_diag;

use std::fs;
use std::net::SocketAddr;

/// Whether `peer`, connected to `local`, is a socket of this process.
pub(super) fn is_own(peer: SocketAddr, local: SocketAddr) -> bool {
    // Not every kernel has the one, and a sandbox may forbid it.
    let inode = sock_diag::inode_of(peer, local).or_else(|| inode_in_table(peer, local));
    inode.is_some_and(owns_socket)
}

fn inode_in_table(peer: SocketAddr, local: SocketAddr) -> Option<u64> {
    let table = fs::read_to_string("/proc/self/net/tcp").ok()?;
    inode_of(&table, peer, local)
}

/// The socket whose own address is `from` and which is connected to `to`. The table has a line for
/// each socket of the machine, so a line is taken apart only if it is the one.
fn inode_of(table: &str, from: SocketAddr, to: SocketAddr) -> Option<u64> {
    let wanted = format!(" {} {} ", address(from)?, address(to)?);
    let line = table.lines().find(|line| line.contains(&wanted))?;
    line.split_ascii_whitespace().nth(9)?.parse().ok()
}

/// An address as the kernel prints it: the bytes of the address as one number of this machine,
/// and the port.
fn address(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else {
        return None;
    };
    let ip = u32::from_ne_bytes(address.ip().octets());
    Some(format!("{ip:08X}:{:04X}", address.port()))
}

fn owns_socket(inode: u64) -> bool {
    let wanted = format!("socket:[{inode}]");
    let Ok(files) = fs::read_dir("/proc/self/fd") else {
        return false;
    };
    files
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|target| target.as_os_str() == wanted.as_str())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn connection_of_this_process_is_its_own() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let _client = TcpStream::connect(local).unwrap();
        let (_, peer) = listener.accept().unwrap();
        assert!(is_own(peer, local));
        assert!(inode_in_table(peer, local).is_some_and(owns_socket));
    }

    #[test]
    fn connection_of_another_process_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{}; read -r line <&3",
            local.port()
        );
        let mut other = Command::new("bash")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let (stream, peer) = listener.accept().unwrap();
        let found = is_own(peer, local);
        drop(stream);
        other.wait().unwrap();
        assert!(!found);
    }
}
