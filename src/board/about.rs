//! What a node says of itself: the lines of `INFO`, and what its status is made of.

use super::Board;
use crate::config::{Cluster, NodeConfig};
use crate::protocol::{Lines, System};
use crate::tell;
use chainring_runtime::transport::Transport;
use stateright::actor::Id;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// All nodes that this one knows of; grows while it runs.
pub(crate) type Roster = Arc<RwLock<Cluster>>;

/// What a node can say of itself.
pub(crate) struct About<P: System> {
    pub node: NodeConfig,
    pub roster: Roster,
    pub board: Arc<Board<P>>,
    pub transport: Arc<OnceLock<Transport>>,
}

impl<P: System> About<P> {
    /// The sections of `INFO`.
    pub fn lines(&self, under_way: usize) -> Vec<(String, Lines)> {
        let line = |name: &str, value: String| (name.to_string(), value);
        let mut chainring = vec![
            line("protocol", P::NAME.to_string()),
            line("node", self.node.id.to_string()),
            line("operations_under_way", under_way.to_string()),
            line("log_lines_lost", tell::lost().to_string()),
        ];
        chainring.extend(P::lines(self));
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

    /// The cluster's number.
    pub fn cluster(&self) -> u64 {
        self.with_roster(|cluster| cluster.cluster)
    }

    /// The number of the node where a replica lives, as text; a question mark where it is not known.
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

pub(crate) fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}
