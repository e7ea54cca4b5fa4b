//! The front door of a node: what Redis clients talk to, wherever their keys are.
//!
//! Every node has a gateway to each chain, or one to the ring, so any node serves any key.
//! Operations go to the door of their key's chain ([`shard`]); how keys are listed is the
//! protocol's business.

use crate::gateway::shard;
use crate::operate::{Context, Operate};
use crate::resp::{Doors, Lines, Order, Position, ScanPage, Service};
use chainring_model::chain::Reads;
use chainring_model::kv::{Key, Op, Outcome, Refusal};
use std::sync::Arc;

/// A node's front door. Clones are the same one.
pub(crate) struct Front<P: Operate>(Arc<Context<P>>);

impl<P: Operate> Clone for Front<P> {
    fn clone(&self) -> Self {
        Front(Arc::clone(&self.0))
    }
}

impl<P: Operate> Front<P> {
    /// The front door of this node.
    pub fn of(node: Arc<Context<P>>) -> Self {
        Front(node)
    }
}

impl<P: Operate> Service for Front<P> {
    const LONGEST_KEY: usize = P::LONGEST_KEY;

    async fn call(&self, key: Key, op: Op, reads: Reads) -> Outcome {
        let doors = &self.0.doors;
        match doors.get(shard::place(&key, doors.len())) {
            Some(door) => door.call(key, op, reads).await,
            None => Outcome::Refused(Refusal::Unavailable), // no cluster is without a chain
        }
    }

    async fn scan(&self, from: Position, limit: usize) -> Option<ScanPage> {
        P::list(&self.0, from, limit).await
    }

    async fn size(&self) -> Option<u64> {
        P::size(&self.0).await
    }

    fn info(&self) -> Vec<(String, Lines)> {
        self.0.sections()
    }

    fn doors(&self) -> Doors {
        let own = &self.0.node;
        self.0.with_roster(|cluster| {
            let others = cluster.nodes.iter().filter(|node| node.id != own.id);
            let others = others.map(|node| (node.id, node.resp)).collect();
            Doors { own: Some(own.resp), others }
        })
    }

    fn status(&self) -> Option<String> {
        Some(P::status(&self.0))
    }

    fn order(&self, order: Order) -> Result<(), String> {
        P::order(&self.0, order)
    }
}
