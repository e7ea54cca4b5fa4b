//! A node, as its operators see it: its doors, and what it can say of itself.

use super::Operate;
use crate::board::{ActorStatus, Board, Roster};
use crate::config::{Cluster, NodeConfig};
use crate::gateway::door::Door;
use crate::protocol::Role;
use crate::resp::Lines;
use crate::tell;
use chainring_runtime::transport::Transport;
use stateright::actor::Id;
use std::sync::{Arc, OnceLock, PoisonError};

/// A node that runs.
pub(crate) struct Context<P: Operate> {
    pub node: NodeConfig,
    /// One for each chain, in order.
    pub doors: Vec<Door<P>>,
    pub roster: Roster,
    pub board: Board<P>,
    pub transport: Arc<OnceLock<Transport>>,
}

impl<P: Operate> Context<P> {
    /// The sections of `INFO`.
    pub fn sections(&self) -> Vec<(String, Lines)> {
        let line = |name: &str, value: String| (name.to_string(), value);
        let under_way: usize = self.doors.iter().map(Door::under_way).sum();
        let mut chainring = vec![
            line("protocol", P::NAME.to_string()),
            line("node", self.node.id.to_string()),
            line("operations_under_way", under_way.to_string()),
            line("log_lines_lost", tell::lost().to_string()),
        ];
        chainring.extend(P::info(self));
        let (links, differences) = (self.links(), self.differences());
        let refused = links.iter().map(|link| link.count).sum::<u64>();
        let differ: Vec<_> = (differences.iter())
            .map(|it| format!("node {} {} {} here {}", it.node, it.setting, it.there, it.here))
            .collect();
        chainring.extend([
            line("datagrams_in_trouble", refused.to_string()),
            line("settings_differ", differ.join("; ")),
        ]);
        let counters = self.transport.get().map(Transport::counters).unwrap_or_default();
        let transport = counters.named().map(|(name, count)| line(name, count.to_string()));
        vec![("Chainring".to_string(), chainring), ("Transport".to_string(), transport.collect())]
    }

    /// The status of the gateway behind the door of this number, from 0.
    pub fn gateway(&self, number: usize) -> Option<&ActorStatus<P>> {
        self.board.with_role(Role::Gateway).nth(number).map(|actor| &**actor)
    }

    /// The cluster's number.
    pub fn cluster(&self) -> u64 {
        self.with_roster(|cluster| cluster.cluster)
    }

    /// The number of the node where a replica lives, as text; a question mark where it is not
    /// known.
    pub fn node_of(&self, replica: Id) -> String {
        self.with_roster(|cluster| {
            let node = cluster.nodes.iter().find(|node| node.replica() == replica);
            node.map_or("?".to_string(), |node| node.id.to_string())
        })
    }

    /// Looks at all nodes that this one knows of.
    pub fn with_roster<T>(&self, look: impl FnOnce(&Cluster) -> T) -> T {
        look(&self.roster.read().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(super) fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}
