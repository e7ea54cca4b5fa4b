//! How a node of a chain answers.

mod aloud;
mod reform;
mod status;

use super::{Context, Operate};
use crate::gateway::door::Enquiry;
use crate::protocol::ChainProtocol;
use crate::resp::{Lines, Order, Position, ScanPage};
use chainring_model::chain::msg::Scan;
use chainring_model::chain::{Msg, SCAN_KEYS};
use chainring_model::kv;
use stateright::actor::Id;
use std::sync::Arc;

impl Operate for ChainProtocol {
    /// Each page is as of one moment since it was asked for: see the model,
    /// `chain/replica/reads.rs`.
    async fn list(
        node: &Context<Self>,
        Position { part, after }: Position,
        limit: usize,
    ) -> Option<ScanPage> {
        let (keys, _) = ask(node, part, after, limit).await?;
        let more = keys.len() >= limit.min(SCAN_KEYS as usize) && limit > 0;
        let next = match keys.last() {
            Some(last) if more => Some(Position { part, after: Some(last.clone()) }),
            _ => (part + 1 < node.doors.len()).then_some(Position { part: part + 1, after: None }),
        };
        Some(ScanPage { keys, next })
    }

    async fn size(node: &Context<Self>) -> Option<u64> {
        let mut size = 0;
        for part in 0..node.doors.len() {
            size += ask(node, part, None, 0).await?.1;
        }
        Some(size)
    }

    fn order(node: &Context<Self>, order: Order) -> Result<(), String> {
        match order {
            Order::Belong(_) => Err("the members of a chain come and go with their processes: \
                                     start or stop the node"
                .to_string()),
            Order::Reform(epoch, named) => reform::order(node, epoch, &named),
            Order::BeginAnew(epoch) => reform::begin_anew(node, epoch),
        }
    }

    fn info(node: &Context<Self>) -> Lines {
        status::lines(node)
    }

    fn status(node: &Context<Self>) -> String {
        status::status(node)
    }

    async fn warn(node: Arc<Context<Self>>) {
        aloud::tell(&node).await;
    }
}

/// Asks a chain for keys: one of its replicas, which answers, or passes it on to the tail.
async fn ask(
    node: &Context<ChainProtocol>,
    part: usize,
    after: Option<kv::Key>,
    limit: usize,
) -> Option<(Vec<kv::Key>, u64)> {
    let (door, gateway) = (node.doors.get(part)?, node.gateway(part)?);
    let own = (gateway.config.chain == node.node.chain).then(|| node.node.replica());
    // The replica of this node where it is a member, and the tail where it is none, or has said
    // nothing: both as far as the gateway knows.
    let whom = |is_first| {
        let view = gateway.view()?;
        own.filter(|own| is_first && view.chain.contains(own)).or(view.tail())
    };
    door.enquire(Ask { whom, after, limit: limit as u32, is_first: true }).await // at most a page's
}

/// A question to whichever replica is the one to ask.
struct Ask<F> {
    whom: F,
    after: Option<kv::Key>,
    limit: u32,
    /// Whether the first is the one to ask next; they take turns.
    is_first: bool,
}

impl<F: Fn(bool) -> Option<Id> + Send> Enquiry<ChainProtocol> for Ask<F> {
    type Answer = (Vec<kv::Key>, u64);

    fn ask(&mut self, ticket: u64) -> Vec<(Id, Msg)> {
        let scan = Msg::Scan(Scan { ticket, after: self.after.clone(), limit: self.limit });
        let whom = (self.whom)(self.is_first);
        self.is_first = !self.is_first;
        whom.map(|replica| (replica, scan)).into_iter().collect()
    }

    fn take(&mut self, _: Id, page: Self::Answer) -> Option<Self::Answer> {
        Some(page)
    }
}
