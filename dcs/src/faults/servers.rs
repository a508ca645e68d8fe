//! Three servers of either store, and the ways to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Client, ConnectOptions};
use tokio::time::timeout;

use super::Store;
use super::way::{Mode, Way};
use crate::etcd::{EtcdDcs, EtcdOptions};
use crate::test_servers::{EtcdServers, ZooKeeperServers};
use crate::zookeeper::{ZooKeeperDcs, ZooKeeperOptions};
use crate::{Dcs, Limits};

/// How many servers a store has.
pub(super) const COUNT: usize = 3;
/// ZooKeeper's unit of time: sessions are granted 2 to 20 of it by its own defaults.
const TICK: Duration = Duration::from_millis(500);
const SYNC_LIMIT: u32 = 4;
/// How long ZooKeeper's followers take to notice that their leader hangs.
pub(super) const FOLLOWERS_NOTICE: Duration = TICK.saturating_mul(SYNC_LIMIT);
/// The longest session that ZooKeeper grants here. More than any course but one asks for.
pub(super) const LONGEST_GRANT: Duration = Duration::from_secs(6);
const QUESTION: Duration = Duration::from_secs(2);

#[derive(Debug)]
enum Servers {
    Etcd(EtcdServers),
    ZooKeeper(ZooKeeperServers),
}

/// A store of three servers.
#[derive(Debug)]
pub(super) struct Ensemble {
    servers: Servers,
    /// From one member of ZooKeeper (by its number) to another one.
    between: Vec<(usize, Way)>,
}

impl Ensemble {
    /// Starts the servers, and blocks until all of them serve. Needs a runtime.
    pub(super) fn start(store: Store) -> Self {
        let mut between = Vec::new();
        let servers = match store {
            Store::Etcd => Servers::Etcd(EtcdServers::cluster_of_three()),
            Store::ZooKeeper => {
                let longest = format!("maxSessionTimeout={}", LONGEST_GRANT.as_millis());
                let sync_limit = format!("syncLimit={SYNC_LIMIT}");
                let further = [longest.as_str(), sync_limit.as_str()];
                let lay = |from, port| {
                    let way = Way::between(port);
                    let address = way.address();
                    between.push((from, way));
                    address
                };
                let servers = ZooKeeperServers::start_with(COUNT, TICK, &further, lay);
                Servers::ZooKeeper(servers)
            }
        };
        Self { servers, between }
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        let hosts = match &self.servers {
            Servers::Etcd(servers) => servers.endpoints(),
            Servers::ZooKeeper(servers) => servers.hosts(),
        };
        let parse = |host: &String| {
            let address = host.trim_start_matches("http://").parse();
            address.expect("a server has an address")
        };
        hosts.iter().map(parse).collect()
    }

    pub(super) fn kill(&mut self, number: usize) {
        match &mut self.servers {
            Servers::Etcd(servers) => servers.kill(number),
            Servers::ZooKeeper(servers) => servers.kill(number),
        }
    }

    pub(super) fn restart(&mut self, number: usize) {
        match &mut self.servers {
            Servers::Etcd(servers) => servers.restart(number),
            Servers::ZooKeeper(servers) => servers.restart(number),
        }
    }

    pub(super) fn stop(&self, number: usize) {
        match &self.servers {
            Servers::Etcd(servers) => servers.stop(number),
            Servers::ZooKeeper(servers) => servers.stop(number),
        }
    }

    pub(super) fn cont(&self, number: usize) {
        match &self.servers {
            Servers::Etcd(servers) => servers.cont(number),
            Servers::ZooKeeper(servers) => servers.cont(number),
        }
    }

    pub(super) fn back_up(&mut self) {
        match &mut self.servers {
            Servers::Etcd(servers) => servers.back_up(),
            Servers::ZooKeeper(servers) => servers.back_up(),
        }
    }

    pub(super) fn put_back(&mut self) {
        match &mut self.servers {
            Servers::Etcd(servers) => servers.put_back(),
            Servers::ZooKeeper(servers) => servers.put_back(),
        }
    }

    /// Starts all members that were killed and blocks until all serve.
    pub(super) fn restart_all(&mut self) {
        (0..COUNT).for_each(|number| self.restart(number));
        self.wait_until_all_serve();
    }

    pub(super) fn wait_until_all_serve(&mut self) {
        match &mut self.servers {
            Servers::Etcd(servers) => servers.wait_until_all_answer(),
            Servers::ZooKeeper(servers) => servers.wait_until_all_serve(),
        }
    }

    /// Cuts a member of ZooKeeper from the others, or mends that.
    pub(super) fn cut_member(&self, number: usize, is_cut: bool) {
        let own = match &self.servers {
            Servers::ZooKeeper(servers) => servers.peer_ports(number),
            Servers::Etcd(_) => panic!("the ways between members of etcd are its own"),
        };
        for (from, way) in &self.between {
            if *from == number || own.contains(&way.server()) {
                way.set(if is_cut { Mode::Silent } else { Mode::Open });
            }
        }
    }

    /// The connections between members that go through ways of ours.
    pub(super) fn connections_between(&self) -> usize {
        self.between.iter().map(|(_, way)| way.connections()).sum()
    }

    /// The member that leads the others.
    pub(super) async fn leader(&self) -> usize {
        loop {
            let leader = match &self.servers {
                Servers::ZooKeeper(servers) => servers.leader(),
                Servers::Etcd(servers) => leading(servers).await,
            };
            if let Some(leader) = leader {
                return leader;
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn leading(servers: &EtcdServers) -> Option<usize> {
    for number in 0..COUNT {
        let ask = async {
            let mut client = Client::connect([servers.endpoint(number)], None).await?;
            client.status().await
        };
        let Ok(Ok(status)) = timeout(QUESTION, ask).await else {
            continue;
        };
        if status.header().map(|header| header.member_id()) == Some(status.leader()) {
            return Some(number);
        }
    }
    None
}

/// A client of the store by these addresses alone.
pub(super) fn access(store: Store, addresses: &[SocketAddr], limits: Limits) -> Arc<dyn Dcs> {
    match store {
        Store::Etcd => {
            let urls = addresses.iter().map(|address| format!("http://{address}"));
            let options = EtcdOptions::new(urls).expect("addresses are endpoints");
            let options = options.limits(limits).only_given_endpoints();
            Arc::new(EtcdDcs::new(options))
        }
        Store::ZooKeeper => {
            let hosts = addresses.iter().map(SocketAddr::to_string);
            let options = ZooKeeperOptions::new(hosts).expect("addresses are hosts");
            Arc::new(ZooKeeperDcs::new(options.limits(limits)))
        }
    }
}

/// A plain client of etcd at one server.
pub(super) async fn plain_etcd(address: SocketAddr) -> Client {
    let options = ConnectOptions::new().with_timeout(QUESTION);
    let client = Client::connect([format!("http://{address}")], Some(options)).await;
    client.expect("a client connects lazily")
}
