//! What a node says of itself: the lines of `INFO`, and the reply to `CHAINRING STATUS`.

use super::board::{Board, Card};
use super::parts::Role;
use crate::config::{Cluster, NodeConfig};
use crate::status::{
    CoordinatorStatus, GatewayStatus, NodeStatus, ReplicaStatus, ViewStatus, number,
};
use crate::transport::Transport;
use chainring_model::chain::View;
use stateright::actor::Id;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// All nodes that this one knows of; grows while it runs.
pub(crate) type Roster = Arc<RwLock<Cluster>>;

/// What a node can say of itself.
pub(crate) struct About {
    pub node: NodeConfig,
    pub roster: Roster,
    pub board: Arc<Board>,
    pub transport: Arc<OnceLock<Transport>>,
}

impl About {
    /// The sections of `INFO`.
    pub fn lines(&self, under_way: usize) -> Vec<(String, Vec<(String, String)>)> {
        let line = |name: &str, value: String| (name.to_string(), value);
        let mut chainring = vec![
            line("protocol", "chain".to_string()),
            line("node", self.node.id.to_string()),
            line("operations_under_way", under_way.to_string()),
        ];
        for replica in self.board.with_role(Role::Replica) {
            let view = replica.view().unwrap_or_else(|| View::new(0, Vec::new()));
            let members: Vec<_> = view.chain.iter().map(|id| self.node_of(*id)).collect();
            chainring.extend([
                line("chain_number", replica.chain.to_string()),
                line("chain_role", role(&view, replica.id).to_string()),
                line("chain", members.join(" ")),
                line("epoch", view.epoch.to_string()),
                line("lease", lease(replica, &view).map_or("not needed", yes_or_no).to_string()),
                line("committed", read(&replica.committed).to_string()),
                line("received", read(&replica.received).to_string()),
                line("keys", read(&replica.keys).to_string()),
            ]);
        }
        for coordinator in self.board.with_role(Role::Coordinator) {
            let rest = coordinator.rest();
            let suspects: Vec<_> = rest.suspects.iter().map(|id| self.node_of(*id)).collect();
            let epoch = rest.view.map_or(0, |view| view.epoch);
            chainring.extend([
                line("coordinator_epoch", epoch.to_string()),
                line("coordinator_suspects", suspects.join(" ")),
            ]);
        }
        let counters = self.transport.get().map(Transport::counters).unwrap_or_default();
        let transport = counters.named().map(|(name, count)| line(name, count.to_string()));
        vec![("Chainring".to_string(), chainring), ("Transport".to_string(), transport.collect())]
    }

    /// The reply to `CHAINRING STATUS`; `under_way` counts operations, chain by chain.
    pub fn status(&self, under_way: &[usize]) -> String {
        let view = |card: &Card| card.view().unwrap_or_else(|| View::new(0, Vec::new()));
        let cards = self.board.cards();
        let replica = cards.iter().find(|card| card.role == Role::Replica).map(|card| {
            let rest = card.rest();
            let view = rest.view.unwrap_or_else(|| View::new(0, Vec::new()));
            ReplicaStatus {
                actor: number(card.id),
                chain: card.chain,
                lease: lease(card, &view),
                view: ViewStatus::from(&view),
                committed: read(&card.committed),
                received: read(&card.received),
                keys: read(&card.keys),
                learning: rest.learning,
            }
        });
        let gateways = self.board.with_role(Role::Gateway).zip(under_way);
        let gateways = gateways.map(|(card, under_way)| GatewayStatus {
            actor: number(card.id),
            chain: card.chain,
            view: ViewStatus::from(&view(card)),
            under_way: *under_way,
        });
        let coordinator = self.board.with_role(Role::Coordinator).next().map(|card| {
            let rest = card.rest();
            CoordinatorStatus {
                actor: number(card.id),
                chain: card.chain,
                view: ViewStatus::from(&rest.view.unwrap_or_else(|| View::new(0, Vec::new()))),
                suspects: rest.suspects.iter().copied().map(number).collect(),
                joining: rest.joining.iter().copied().map(number).collect(),
                deciding: rest.deciding,
            }
        });
        let Some(replica) = replica else { return "{}".to_string() }; // every node has one
        let status = NodeStatus {
            cluster: self.roster.read().unwrap_or_else(PoisonError::into_inner).cluster,
            node: self.node.id,
            version: env!("CARGO_PKG_VERSION").to_string(),
            replica,
            gateways: gateways.collect(),
            coordinator,
        };
        // Numbers, words and lists of them: all have a JSON form.
        serde_json::to_string(&status).unwrap_or_default()
    }

    /// The number of the node where a replica lives, as text; a question mark where it is not known.
    fn node_of(&self, replica: Id) -> String {
        let cluster = self.roster.read().unwrap_or_else(PoisonError::into_inner);
        let node = cluster.nodes.iter().find(|node| node.replica() == replica);
        node.map_or("?".to_string(), |node| node.id.to_string())
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Whether a replica has a lease; `None` where nobody grants any.
fn lease(replica: &Card, view: &View) -> Option<bool> {
    (!view.coordinators.is_empty()).then(|| replica.lease.load(Ordering::Relaxed))
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// A replica's part in a view.
fn role(view: &View, replica: Id) -> &'static str {
    match view.chain.iter().position(|member| *member == replica) {
        None if view.learner() == Some(replica) => "learner",
        None => "not a member",
        Some(_) if view.chain.len() == 1 => "head and tail",
        Some(0) => "head",
        Some(place) if place + 1 == view.chain.len() => "tail",
        Some(_) => "middle",
    }
}
