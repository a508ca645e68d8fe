//! Questions of four letters, which a ZooKeeper server answers without a session.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(1);

/// The words that servers are told to answer.
pub(super) const WHITELIST: &str = "srvr,ruok,cons";

/// What a server answers, when it does.
fn ask(address: SocketAddr, word: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    stream.write_all(word.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// A line of what a server says of itself.
fn line(address: SocketAddr, begin: &str) -> Option<String> {
    let answer = ask(address, "srvr")?;
    let line = answer.lines().find_map(|line| line.strip_prefix(begin))?;
    Some(line.to_owned())
}

/// What a server says that it is: `leader`, `follower` or `standalone`. One that serves nobody
/// says nothing.
pub(super) fn mode(address: SocketAddr) -> Option<String> {
    line(address, "Mode: ")
}

/// How many messages a server has received from clients, the question for it among them.
pub(super) fn received(address: SocketAddr) -> Option<u64> {
    line(address, "Received: ")?.parse().ok()
}

/// The timeouts of the sessions that are connected to a server, as it granted them.
pub(super) fn timeouts(address: SocketAddr) -> Option<Vec<Duration>> {
    Some(timeouts_in(&ask(address, "cons")?))
}

/// A line for each connection; one without a session has no timeout.
fn timeouts_in(connections: &str) -> Vec<Duration> {
    let fields = connections.split([',', '(', ')']);
    let millis = fields.filter_map(|field| field.strip_prefix("to=")?.parse().ok());
    millis.map(Duration::from_millis).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_from_the_list_of_connections() {
        let list = " /127.0.0.1:1[1](queued=0,recved=5,sent=5,sid=0x1,lop=PING,est=1,to=1600,\
                    lcxid=0x1,lzxid=0xf,lresp=1,llat=0,minlat=0,avglat=0,maxlat=1)\n \
                    /127.0.0.1:2[0](queued=0,recved=1,sent=0)\n\n";
        assert_eq!(timeouts_in(list), [Duration::from_millis(1600)]);
    }
}
