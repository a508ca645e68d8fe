//! Servers that DNS names: a name server of the test tells who they are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use herdsman_dcs::etcd::{EtcdDcs, EtcdOptions};
use herdsman_dcs::test_servers::{Authority, EtcdServers};
use herdsman_dcs::{Dcs, Error, Lifetime, Limits, Prefix, TlsOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

const NONE: [&str; 0] = [];

/// A name server for services only, which can be told others while it runs.
struct NameServer {
    address: SocketAddr,
    services: Arc<Mutex<BTreeMap<String, Vec<u16>>>>,
    tasks: [JoinHandle<()>; 2],
}

impl NameServer {
    async fn start() -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let services = Arc::new(Mutex::new(BTreeMap::new()));
        let (first, second) = (Arc::clone(&services), Arc::clone(&services));
        let over_udp = tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = udp.recv_from(&mut question).await {
                let mut answer = answer(&first, &question[..length]);
                if answer.len() > 512 {
                    answer.truncate(12);
                    answer[2] |= 2;
                    // The question must be there all the same.
                    answer = [&answer[..6], &[0; 6], &question[12..length - 11]].concat();
                }
                let _ = udp.send_to(&answer, from).await;
            }
        });
        let over_tcp = tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let mut question = vec![0; stream.read_u16().await.unwrap().into()];
                stream.read_exact(&mut question).await.unwrap();
                let answer = answer(&second, &question);
                let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                let _ = stream.write_all(&[&length[..], &answer].concat()).await;
            }
        });
        Self {
            address,
            services,
            tasks: [over_udp, over_tcp],
        }
    }

    /// Each port is one of this machine, whose name is in the record.
    fn tell(&self, service: &str, endpoints: &[String]) {
        let port = |endpoint: &String| endpoint.rsplit_once(':').unwrap().1.parse().unwrap();
        let name = format!("{service}._tcp.herd.example");
        let mut services = self.services.lock().unwrap();
        services.insert(name, endpoints.iter().map(port).collect());
    }

    fn forget(&self) {
        self.services.lock().unwrap().clear();
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn answer(services: &Mutex<BTreeMap<String, Vec<u16>>>, question: &[u8]) -> Vec<u8> {
    let mut labels = Vec::new();
    let mut at = 12;
    while question[at] != 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..=at + length]).into_owned());
        at += length + 1;
    }
    let ports = services.lock().unwrap().get(&labels.join(".")).cloned();
    let mut answer = question[..at + 5].to_vec();
    answer[2] |= 0x80;
    let Some(ports) = ports else {
        answer[3] = 3;
        answer[11] = 0;
        return answer;
    };
    answer[7] = u8::try_from(ports.len()).unwrap();
    answer[11] = 0;
    for port in ports {
        let host = b"\x09localhost\x00";
        let data = [&[0, 1, 0, 1], &port.to_be_bytes()[..], host].concat();
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        let head = [0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60];
        answer.extend([&head[..], &length, &data].concat());
    }
    answer
}

fn prefix() -> Prefix {
    Prefix::new("/demo").unwrap()
}

fn access(dns: &NameServer, suffix: Option<&str>, tls: TlsOptions) -> EtcdDcs {
    let limits = Limits {
        call: Duration::from_secs(10),
        attempt: Duration::from_secs(2),
    };
    let options = EtcdOptions::discovered("herd.example", suffix, NONE).unwrap();
    let options = options.name_servers([dns.address]).limits(limits);
    EtcdDcs::new(options.tls(tls).unwrap())
}

#[tokio::test]
async fn servers_that_dns_names_are_used_and_asked_for_again_when_they_are_gone() {
    let dns = NameServer::start().await;
    let mut first = EtcdServers::single();
    // Names of servers that are gone make the answer too long for one datagram.
    let gone = vec!["localhost:1".to_owned(); 20];
    dns.tell("_etcd-client-two", &[first.endpoints(), gone].concat());
    let dcs = access(&dns, Some("two"), TlsOptions::new());
    let session = dcs.open(Duration::from_secs(60)).await.unwrap();
    let key = prefix().key("x").unwrap();
    let put = dcs.put(Some(&session), key, b"1".to_vec(), Lifetime::Session);
    assert!(put.await.unwrap().is_applied());

    let second = EtcdServers::single();
    dns.tell("_etcd-client-two", &second.endpoints());
    first.kill(0);
    // Another store is told from the first one: the answer came from the second server.
    let moved = async {
        loop {
            match dcs.snapshot(&prefix()).await {
                Err(Error::StoreReplaced { .. }) => return,
                Err(Error::Unavailable(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let moved = tokio::time::timeout(Duration::from_secs(60), moved).await;
    moved.expect("the servers of now are asked");
}

#[tokio::test]
async fn encrypted_servers_are_told_by_their_service_and_members_by_their_peers() {
    let dns = NameServer::start().await;
    let authority = Authority::new();
    let servers = EtcdServers::encrypted(1, &authority.issue(), None, &[]);
    let trusting = TlsOptions::new().ca(authority.certificate());
    // The peers tell the clients' addresses, which are encrypted although the peers are not.
    dns.tell("_etcd-server", &[servers.peer_endpoint(0)]);
    let by_peers = access(&dns, None, trusting.clone());
    by_peers.snapshot(&prefix()).await.unwrap();
    dns.forget();
    dns.tell("_etcd-client-ssl", &servers.endpoints());
    let by_clients = access(&dns, None, trusting);
    by_clients.snapshot(&prefix()).await.unwrap();
}

#[tokio::test]
async fn domain_without_servers_is_named() {
    let dns = NameServer::start().await;
    let dcs = access(&dns, None, TlsOptions::new());
    dcs.set_limits(Limits {
        call: Duration::from_secs(1),
        attempt: Duration::from_millis(500),
    });
    let error = dcs.snapshot(&prefix()).await.unwrap_err();
    let text = format!("{error:?}");
    assert!(
        text.contains("srv") && text.contains("herd.example"),
        "{text}"
    );
}
