//! The front door of a node: what Redis clients talk to, whichever chain their keys are in.
//!
//! Every node has a gateway to each chain, so any node serves any key. Operations go to the door of their
//! key's chain ([`shard`]); listings go from chain to chain.

use crate::door::Door;
use crate::node::About;
use crate::resp::{Position, ScanPage, Service};
use crate::shard;
use chainring_model::chain::Reads;
use chainring_model::kv::{Key, Op, Outcome, Refusal};
use std::sync::Arc;

/// A node's front door. Clones are the same one.
#[derive(Clone)]
pub struct Front(Arc<Inner>);

struct Inner {
    /// One for each chain, in order.
    doors: Vec<Door>,
    about: About,
}

impl Front {
    /// A front door before these doors, one for each chain in the order of the chains.
    pub(crate) fn new(doors: Vec<Door>, about: About) -> Self {
        Front(Arc::new(Inner { doors, about }))
    }

    /// Waits until every gateway has started.
    pub async fn opened(&self) {
        for door in &self.0.doors {
            door.opened().await;
        }
    }
}

impl Service for Front {
    async fn call(&self, key: Key, op: Op, reads: Reads) -> Outcome {
        let doors = &self.0.doors;
        match doors.get(shard::place(&key, doors.len())) {
            Some(door) => door.call(key, op, reads).await,
            None => Outcome::Refused(Refusal::Unavailable), // no cluster is without a chain
        }
    }

    async fn scan(&self, Position { part, after }: Position, limit: usize) -> Option<ScanPage> {
        let doors = &self.0.doors;
        let (keys, more) = doors.get(part)?.list(after, limit).await?;
        let next = match keys.last() {
            Some(last) if more => Some(Position { part, after: Some(last.clone()) }),
            _ => (part + 1 < doors.len()).then_some(Position { part: part + 1, after: None }),
        };
        Some(ScanPage { keys, next })
    }

    async fn size(&self) -> Option<u64> {
        let mut size = 0;
        for door in &self.0.doors {
            size += door.size().await?;
        }
        Some(size)
    }

    fn info(&self) -> Vec<(String, Vec<(String, String)>)> {
        let under_way = self.0.doors.iter().map(Door::under_way).sum();
        self.0.about.lines(under_way)
    }

    fn status(&self) -> Option<String> {
        let under_way: Vec<_> = self.0.doors.iter().map(Door::under_way).collect();
        Some(self.0.about.status(&under_way))
    }
}
