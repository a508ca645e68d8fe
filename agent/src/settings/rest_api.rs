//! The HTTP interface of this member.

use herdsman_rest_api::Credentials;

use super::address::Hosts;
use super::reader::{Findings, Section};
use super::{BasicAuth, HostPort, keys};

/// The section `restapi`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestApi {
    /// Where to listen; an empty host or `*` means every address.
    pub listen: HostPort,
    /// What other members call; published as `http://<this>/patroni`.
    pub connect_address: HostPort,
    /// Asked of unsafe calls when present.
    pub authentication: Option<BasicAuth>,
}

impl RestApi {
    /// What unsafe calls must carry, here and at other members, which are configured alike.
    pub(crate) fn credentials(&self) -> Option<Credentials> {
        let basic = self.authentication.as_ref()?;
        Some(Credentials::new(&basic.username, basic.password.expose()))
    }

    pub(super) fn read(findings: &mut Findings, root: &Section<'_>) -> Option<Self> {
        let section = findings.section(root, "restapi");
        keys::check_all(findings, &section, keys::REST_API);
        let listen = match section.field("listen") {
            Some(field) => HostPort::read(findings, &field, None, Hosts::Any),
            None => {
                let advice = "write where the REST API listens, for example 0.0.0.0:8008";
                findings.missing(&section, "listen", advice);
                None
            }
        };
        let connect_address = match section.field("connect_address") {
            Some(field) => HostPort::read(findings, &field, None, Hosts::Destination),
            None => {
                let usable = listen.clone().filter(|listen| !listen.is_wildcard());
                if usable.is_none() {
                    let advice = "write the host:port at which other members reach this REST API";
                    findings.missing(&section, "connect_address", advice);
                }
                usable
            }
        };
        let authentication = BasicAuth::read(findings, &section);
        Some(Self {
            listen: listen?,
            connect_address: connect_address?,
            authentication,
        })
    }
}
