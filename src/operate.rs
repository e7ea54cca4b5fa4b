//! What a node answers to operators, and to questions about all keys.
//!
//! An operation on a key passes the node by its door, and is the same for every protocol. The rest
//! of what clients and operators ask is answered from what the actors show on the [`Board`], or by
//! asking actors: [`Operate`] says how, protocol by protocol.

mod chain;
mod context;
mod links;
mod ring;

pub(crate) use context::Context;
pub(crate) use links::{Notes, greeting};

use crate::board::Observe;
use crate::resp::{Lines, Order, Position, ScanPage};
use std::future::Future;
use std::sync::Arc;

/// How a protocol's nodes are operated.
pub(crate) trait Operate: Observe {
    /// A page of keys: see [`Service::scan`](crate::resp::Service::scan).
    fn list(
        node: &Context<Self>,
        from: Position,
        limit: usize,
    ) -> impl Future<Output = Option<ScanPage>> + Send;

    /// How many keys there are: see [`Service::size`](crate::resp::Service::size).
    fn size(node: &Context<Self>) -> impl Future<Output = Option<u64>> + Send;

    /// What an operator wants of the node, beyond its status.
    ///
    /// # Errors
    /// Why that cannot be: a sentence.
    fn order(node: &Context<Self>, order: Order) -> Result<(), String>;

    /// What `INFO` says of the actors.
    fn info(node: &Context<Self>) -> Lines;

    /// The reply to `CHAINRING STATUS`.
    fn status(node: &Context<Self>) -> String;

    /// Says aloud in the log what an operator should look at; goes on as long as the node does.
    fn warn(node: Arc<Context<Self>>) -> impl Future<Output = ()> + Send + 'static {
        drop(node);
        std::future::ready(())
    }
}
