//! The actors of a node, as values, and what each is there for.

use super::{NodeActor, NodeStore};
use crate::config::{Cluster, NodeConfig};
use chainring_model::chain::{ChainActor, Gateway, Nested, Replica};
use chainring_model::coordinator::Coordinator;
use stateright::actor::Id;

/// One actor of a node.
pub(crate) struct Part {
    pub id: Id,
    pub role: Role,
    /// Of which chain.
    pub chain: u32,
    pub actor: NodeActor,
}

/// What an actor of a node is there for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    Replica,
    Coordinator,
    Gateway,
}

/// The actors of a node, the gateways last: what the driver runs, and what a replay runs again.
pub(crate) fn parts(cluster: &Cluster, node: &NodeConfig) -> Vec<Part> {
    let timeouts = cluster.timeouts.apply();
    let mut parts = Vec::new();
    let replica = ChainActor::Replica(Replica::new(timeouts.clone()));
    let chain = node.chain;
    parts.push(Part { id: node.replica(), role: Role::Replica, chain, actor: replica });
    if let Some(id) = node.coordinator() {
        let followers = cluster.nodes.iter().filter_map(|node| gateway_of(node, chain));
        let views = timeouts.views.clone();
        let actor = ChainActor::Coordinator(Coordinator::new(followers.collect(), views));
        parts.push(Part { id, role: Role::Coordinator, chain, actor });
    }
    for ((id, door), chain) in node.gateways().zip(node.doors()).zip(cluster.chains()) {
        let nearest = (chain == node.chain).then(|| node.replica());
        let view = cluster.first_view(chain);
        let actor = ChainActor::Gateway(Gateway::new(door, nearest, view, timeouts.clone()));
        parts.push(Part { id, role: Role::Gateway, chain, actor });
    }
    parts
}

/// A node's gateway for a chain.
fn gateway_of(node: &NodeConfig, chain: u32) -> Option<Id> {
    node.gateways().nth((chain as usize).checked_sub(1)?)
}

impl Part {
    /// The directory of its store, in the node's.
    pub(super) fn directory(&self, cluster: &Cluster) -> String {
        match self.role {
            Role::Gateway if cluster.chains().count() > 1 => format!("gateway-{}", self.chain),
            role => role.name().to_string(),
        }
    }

    /// What its store is for, as the store says itself: nobody else's store is taken for an actor's own. It
    /// names the number of chains, since the place of every key follows from it.
    pub(super) fn kind(&self, cluster: &Cluster) -> String {
        let (role, id) = (self.role.name(), usize::from(self.id));
        match cluster.chains().count() {
            1 => format!("{role} {id}"),
            chains => format!("{role} {id} of chain {} of {chains}", self.chain),
        }
    }

    /// Writes what its store holds at first.
    pub(super) fn init(&self, cluster: &Cluster, store: &mut NodeStore) {
        let view = cluster.first_view(self.chain);
        match self.role {
            Role::Replica => Replica::init(store, view),
            Role::Gateway => Gateway::init(store),
            Role::Coordinator => {
                let mut nested = Nested(store.clone());
                Coordinator::init(&mut nested, view);
                *store = nested.0;
            }
        }
    }
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Replica => "replica",
            Role::Coordinator => "coordinator",
            Role::Gateway => "gateway",
        }
    }
}
