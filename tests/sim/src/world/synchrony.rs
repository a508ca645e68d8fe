//! Whom commits wait for: what a primary shows of it, and how a setting comes into force.

use herdsman_ha_core::{
    DataView, MemberName, OpId, Outcome, Report, SenderView, ServerView, SyncNames, SyncState,
    SyncView, WaitsFor,
};

use super::World;
use super::draws::What;
use super::driver::transient;
use crate::fault::End;
use crate::ids::Node;
use crate::pg::{Names, SyncNames as Setting};

impl World {
    /// A look at the data directory and the server of a member, with who streams from it.
    pub(super) fn glance(&self, node: Node) -> (DataView, ServerView) {
        let (data, mut server) = self.host(node).server.look(&self.tree);
        if let ServerView::Primary(primary) = &mut server {
            primary.sync = self.synchrony(node);
        }
        (data, server)
    }

    fn synchrony(&self, node: Node) -> SyncView {
        let files = self.host(node).server.files();
        let setting = files.and_then(|files| files.sync.as_ref());
        let named = |other: Node| match setting.map(|setting| &setting.names) {
            Some(Names::Of(names)) => names.contains(&other),
            Some(Names::Any) => true,
            None => false,
        };
        let senders = self
            .hosts
            .iter()
            .filter(|host| host.server.connected() == Some(node))
            .filter(|host| self.net.connects(End::Node(host.node), End::Node(node)))
            .map(|host| SenderView {
                name: host.name.to_string(),
                is_streaming: true,
                state: if named(host.node) {
                    SyncState::Sync
                } else {
                    SyncState::Async
                },
                confirmed: host.server.wal().map(|wal| wal.end),
            });
        SyncView {
            waits_for: self.waits_for(setting),
            is_overruled: setting.is_some(),
            senders: senders.collect(),
        }
    }

    fn waits_for(&self, setting: Option<&Setting>) -> WaitsFor {
        let Some(setting) = setting else {
            return WaitsFor::default();
        };
        let name = |node: &Node| MemberName::from(self.name_of(*node));
        match &setting.names {
            Names::Of(names) if names.is_empty() && setting.need > 0 => WaitsFor::Unmatched,
            Names::Of(names) if setting.need >= names.len() => {
                WaitsFor::All(names.iter().map(name).collect())
            }
            Names::Of(_) | Names::Any => WaitsFor::Other(format!("any {}", setting.need)),
        }
    }

    /// Every process of the server goes by this from now on.
    pub(super) fn set_names(&mut self, node: Node, names: &SyncNames) {
        let setting = match names {
            SyncNames::Configured => None,
            SyncNames::Unmatched => Some(Setting {
                names: Names::Of(std::collections::BTreeSet::new()),
                need: 1,
            }),
            SyncNames::All(names) => {
                let nodes = names.iter().map(|name| self.node_named(name.as_str()));
                Some(Setting {
                    names: Names::Of(nodes.flatten().collect()),
                    need: names.len(),
                })
            }
        };
        if let Some(files) = self.hosts[node.index()].server.files_mut() {
            files.sync = setting;
        }
        self.acknowledge(node);
    }

    pub(super) fn wait_for(&mut self, node: Node, op: OpId, names: &SyncNames, stage: u8) {
        let server = &self.host(node).server;
        if !server.is_primary() || server.is_frozen {
            self.end_soon(node, op, transient("the server does not answer"));
            return;
        }
        match stage {
            0 => {
                let takes = self.draws.millis(What::Server, node, 1, 200);
                self.next_stage(node, op, 1, takes);
            }
            1 => {
                self.set_names(node, names);
                let takes = self.draws.millis(What::Server, node, 1, 1_000);
                self.next_stage(node, op, 2, takes);
            }
            _ => {
                let end = server.wal().map(|wal| wal.end).unwrap_or_default();
                self.end_soon(node, op, Outcome::Done(Report::InForce(end)));
            }
        }
    }
}
