//! The way out: to an actor of this process, to a door, or onto the wire.

use std::collections::HashMap;
use std::sync::Arc;

use stateright::actor::Id;

use super::Inbox;

/// Takes the messages of an actor when they may leave. Used by the commit thread only.
pub trait Outbox<Msg>: Send {
    /// Accepts one message. Delivery is not promised: whatever stands in its way is a loss.
    fn send(&mut self, src: Id, dst: Id, msg: Msg);

    /// Says that there is nothing more for the moment, so that what was held back for company goes
    /// now.
    fn flush(&mut self);
}

/// There is no way out: every message is lost.
impl<Msg> Outbox<Msg> for () {
    fn send(&mut self, _: Id, _: Id, _: Msg) {}
    fn flush(&mut self) {}
}

impl<Msg, O: Outbox<Msg> + ?Sized> Outbox<Msg> for Box<O> {
    fn send(&mut self, src: Id, dst: Id, msg: Msg) {
        (**self).send(src, dst, msg);
    }

    fn flush(&mut self) {
        (**self).flush();
    }
}

/// What lives in this process: actors, each behind its inbox, and *doors*, which are plain
/// functions that take the messages for an [`Id`]: what is no actor hears by one.
///
/// Built once, then shared by the routers of the process's actors and by the transport's receiving
/// thread.
pub struct Routes<Msg>(HashMap<Id, Route<Msg>>);

enum Route<Msg> {
    Inbox(Inbox<Msg>),
    Door(Box<Door<Msg>>),
}

type Door<Msg> = dyn Fn(Id, Id, Msg) + Send + Sync;

impl<Msg> Default for Routes<Msg> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Msg> Routes<Msg> {
    /// Without any yet.
    pub fn new() -> Self {
        Self(HashMap::new())
    }

    /// Adds an actor.
    pub fn inbox(mut self, id: Id, inbox: Inbox<Msg>) -> Self {
        self.0.insert(id, Route::Inbox(inbox));
        self
    }

    /// Adds a door: a function of source, destination and message. It is called on the thread that
    /// delivers, so it must neither block nor take long.
    pub fn door(mut self, id: Id, door: impl Fn(Id, Id, Msg) + Send + Sync + 'static) -> Self {
        self.0.insert(id, Route::Door(Box::new(door)));
        self
    }

    /// Whether this `Id` lives here.
    pub fn contains(&self, id: Id) -> bool {
        self.0.contains_key(&id)
    }

    /// Delivers a message that weighs `bytes` in memory (0: unknown), or gives it back when its
    /// destination does not live here.
    pub fn deliver(&self, src: Id, dst: Id, msg: Msg, bytes: usize) -> Result<(), Msg> {
        match self.0.get(&dst) {
            Some(Route::Inbox(inbox)) => {
                // A full inbox is a loss, and counts it.
                inbox.try_deliver_sized(src, msg, bytes);
                Ok(())
            }
            Some(Route::Door(door)) => {
                door(src, dst, msg);
                Ok(())
            }
            None => Err(msg),
        }
    }
}

/// The outbox of an actor that shares its process with others: delivers here what is for here, and
/// passes the rest on.
pub struct Router<Msg, O> {
    routes: Arc<Routes<Msg>>,
    elsewhere: O,
}

impl<Msg, O> Router<Msg, O> {
    /// `elsewhere` gets what is for none of `routes`.
    pub fn new(routes: Arc<Routes<Msg>>, elsewhere: O) -> Self {
        Self { routes, elsewhere }
    }
}

impl<Msg: Send, O: Outbox<Msg>> Outbox<Msg> for Router<Msg, O> {
    fn send(&mut self, src: Id, dst: Id, msg: Msg) {
        if let Err(msg) = self.routes.deliver(src, dst, msg, 0) {
            self.elsewhere.send(src, dst, msg);
        }
    }

    fn flush(&mut self) {
        self.elsewhere.flush();
    }
}
