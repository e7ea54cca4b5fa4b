//! The actors of a node, and what each is there for.

use super::{Place, System};
use crate::config::Cluster;

/// One actor of a node.
pub(crate) struct Part<P: System> {
    pub place: Place,
    pub actor: P::Actor,
}

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

impl<P: System> Part<P> {
    /// The directory of its store, in the node's.
    pub(crate) fn directory(&self, cluster: &Cluster) -> String {
        match self.place.role {
            Role::Gateway if cluster.chains().count() > 1 => {
                format!("gateway-{}", self.place.chain)
            }
            role => role.name().to_string(),
        }
    }

    /// What its store is for, as the store says itself: nobody else's store is taken for an actor's own. It
    /// names the number of chains, since the place of every key follows from it.
    pub(crate) fn kind(&self, cluster: &Cluster) -> String {
        let (role, id) = (self.place.role.name(), usize::from(self.place.id));
        match cluster.chains().count() {
            1 => format!("{role} {id}"),
            chains => format!("{role} {id} of chain {} of {chains}", self.place.chain),
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
