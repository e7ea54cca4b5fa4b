//! The actors of a node, and what each is there for.

use super::Protocol;
use crate::config::{Cluster, NodeConfig};
use stateright::actor::Id;

/// What an actor of a node is there for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    /// It holds data.
    Replica,
    /// It takes part in deciding views.
    Coordinator,
    /// It takes part in detecting failures.
    Member,
    /// Operations come in through it.
    Gateway,
}

/// One actor of a node, as the cluster file has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActorConfig {
    pub id: Id,
    pub role: Role,
    /// Of which chain.
    pub chain: u32,
    /// Of a gateway: its client.
    pub door: Option<Id>,
}

/// The actors of a node, the gateways last: what the driver runs, and what a replay runs again.
pub(crate) fn actors<P: Protocol>(
    cluster: &Cluster,
    node: &NodeConfig,
) -> Vec<(ActorConfig, P::Actor)> {
    let chain = node.chain;
    let config = |id, role| ActorConfig { id, role, chain, door: None };
    let mut configs = vec![config(node.replica(), Role::Replica)];
    configs.extend(node.coordinator().map(|id| config(id, Role::Coordinator)));
    configs.extend(node.member().map(|id| config(id, Role::Member)));
    let gateways = node.gateways().zip(node.doors()).zip(cluster.chains());
    configs.extend(gateways.map(|((id, door), chain)| ActorConfig {
        id,
        role: Role::Gateway,
        chain,
        door: Some(door),
    }));
    configs.into_iter().map(|config| (config, P::actor(&config, cluster, node))).collect()
}

/// The gateways of a chain: its coordinators tell them of views.
pub(super) fn followers(cluster: &Cluster, chain: u32) -> Vec<Id> {
    let place = |chain: u32| (chain as usize).checked_sub(1);
    let gateway = |node: &NodeConfig| node.gateways().nth(place(chain)?);
    cluster.nodes.iter().filter_map(gateway).collect()
}

impl ActorConfig {
    /// The directory of its store, in the node's.
    pub fn directory(&self, cluster: &Cluster) -> String {
        match self.role {
            Role::Gateway if cluster.chains().count() > 1 => format!("gateway-{}", self.chain),
            role => role.name().to_string(),
        }
    }

    /// What its store is for, as the store says itself: no other actor's store is taken for its
    /// own. It names the number of chains, since the place of every key follows from it.
    pub fn kind(&self, cluster: &Cluster) -> String {
        let (role, id) = (self.role.name(), usize::from(self.id));
        match cluster.chains().count() {
            1 => format!("{role} {id}"),
            chains => format!("{role} {id} of chain {} of {chains}", self.chain),
        }
    }
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Replica => "replica",
            Role::Coordinator => "coordinator",
            Role::Member => "member",
            Role::Gateway => "gateway",
        }
    }
}
