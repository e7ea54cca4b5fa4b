//! The cluster as a command sees it.

use super::{Doors, Lines, Order, Position, ScanPage, Service};
use chainring_model::chain::Reads;
use chainring_model::kv::{Key, Op, Outcome};
use futures_util::future::BoxFuture;

/// A [`Service`] behind a pointer, so that one function carries a command out whatever the service
/// is.
///
/// Operations on the keys of a command do not go this way, but by
/// [`Job::run`](super::job::Job::run), which sets nothing aside for each.
pub(super) trait DynService: Send + Sync {
    /// See [`Service::call`].
    fn call(&self, key: Key, op: Op, reads: Reads) -> BoxFuture<'_, Outcome>;
    /// See [`Service::scan`].
    fn scan(&self, from: Position, limit: usize) -> BoxFuture<'_, Option<ScanPage>>;
    /// See [`Service::size`].
    fn size(&self) -> BoxFuture<'_, Option<u64>>;
    /// See [`Service::info`].
    fn info(&self) -> Vec<(String, Lines)>;
    /// See [`Service::doors`].
    fn doors(&self) -> Doors;
    /// See [`Service::status`].
    fn status(&self) -> Option<String>;
    /// See [`Service::order`].
    fn order(&self, order: Order) -> Result<(), String>;
}

impl<S: Service> DynService for S {
    fn call(&self, key: Key, op: Op, reads: Reads) -> BoxFuture<'_, Outcome> {
        Box::pin(Service::call(self, key, op, reads))
    }

    fn scan(&self, from: Position, limit: usize) -> BoxFuture<'_, Option<ScanPage>> {
        Box::pin(Service::scan(self, from, limit))
    }

    fn size(&self) -> BoxFuture<'_, Option<u64>> {
        Box::pin(Service::size(self))
    }

    fn info(&self) -> Vec<(String, Lines)> {
        Service::info(self)
    }

    fn doors(&self) -> Doors {
        Service::doors(self)
    }

    fn status(&self) -> Option<String> {
        Service::status(self)
    }

    fn order(&self, order: Order) -> Result<(), String> {
        Service::order(self, order)
    }
}
