//! The front door of a node: what Redis clients talk to, wherever their keys are.
//!
//! Every node has a gateway to each chain, or one to the ring, so any node serves any key. Operations go to the
//! door of their key's chain ([`shard`]); how keys are listed is the protocol's business.

use crate::board::About;
use crate::gateway::door::Door;
use crate::gateway::shard;
use crate::protocol::{Order, System};
use crate::resp::{Doors, Position, ScanPage, Service};
use chainring_model::chain::Reads;
use chainring_model::kv::{Key, Op, Outcome, Refusal};
use std::sync::Arc;

/// A node's front door. Clones are the same one.
pub(crate) struct Front<P: System>(Arc<Inner<P>>);

struct Inner<P: System> {
    /// One for each chain, in order.
    doors: Vec<Door<P>>,
    about: About<P>,
}

impl<P: System> Clone for Front<P> {
    fn clone(&self) -> Self {
        Front(Arc::clone(&self.0))
    }
}

impl<P: System> Front<P> {
    /// A front door before these doors, one for each chain in the order of the chains.
    pub fn new(doors: Vec<Door<P>>, about: About<P>) -> Self {
        Front(Arc::new(Inner { doors, about }))
    }

    /// The doors behind it, one for each chain in order.
    pub fn doors(&self) -> &[Door<P>] {
        &self.0.doors
    }

    /// What the node can say of itself.
    pub fn about(&self) -> &About<P> {
        &self.0.about
    }

    /// Waits until every gateway has started.
    pub async fn opened(&self) {
        for door in &self.0.doors {
            door.opened().await;
        }
    }
}

impl<P: System> Service for Front<P> {
    const LONGEST_KEY: usize = P::LONGEST_KEY;

    async fn call(&self, key: Key, op: Op, reads: Reads) -> Outcome {
        let doors = self.doors();
        match doors.get(shard::place(&key, doors.len())) {
            Some(door) => door.call(key, op, reads).await,
            None => Outcome::Refused(Refusal::Unavailable), // no cluster is without a chain
        }
    }

    async fn scan(&self, from: Position, limit: usize) -> Option<ScanPage> {
        P::list(self, from, limit).await
    }

    async fn size(&self) -> Option<u64> {
        P::size(self).await
    }

    fn info(&self) -> Vec<(String, Vec<(String, String)>)> {
        let under_way = self.doors().iter().map(Door::under_way).sum();
        self.about().lines(under_way)
    }

    fn doors(&self) -> Doors {
        let own = &self.about().node;
        self.about().with_roster(|cluster| {
            let others = cluster.nodes.iter().filter(|node| node.id != own.id);
            let others = others.map(|node| (node.id, node.resp)).collect();
            Doors { own: Some(own.resp), others }
        })
    }

    fn status(&self) -> Option<String> {
        let under_way: Vec<_> = self.doors().iter().map(Door::under_way).collect();
        Some(P::status(self.about(), &under_way))
    }

    fn order(&self, order: Order) -> Result<(), String> {
        P::order(self, order)
    }
}
