//! The actors of a chain as one type, for interpreters that run many actors of one type.

use super::{
    Gateway, GatewayState, Key, Msg, Replica, ReplicaState, Report, Row, Script, ScriptState,
    Timer, View,
};
use crate::coordinator::{self, Coordinator, CoordinatorState};
use crate::mechanism::{Intact, Mechanisms};
use crate::prune::Prune;
use crate::store::Store;
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::ops::Bound;

/// Any actor of a chain.
#[derive(Clone, Debug)]
pub enum ChainActor<S, M = Intact> {
    /// A member of the chain.
    Replica(Replica<S, M>),
    /// Where operations come in.
    Gateway(Gateway<S, M>),
    /// One of those who decide views.
    Coordinator(Coordinator<View, Nested<S>, M>),
    /// A client of a gateway, in models.
    Script(Script),
}

/// The state of any actor of a chain.
#[derive(Clone, Debug, Hash, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one of these an actor, and it is not moved about"
)]
pub enum ChainState<S> {
    /// Of an actor that refused to start without its store, and of one that is down.
    Stopped,
    /// Of a replica.
    Replica(ReplicaState<S>),
    /// Of a gateway.
    Gateway(GatewayState<S>),
    /// Of a coordinator.
    Coordinator(CoordinatorState<View, Report, Nested<S>>),
    /// Of a script.
    Script(ScriptState),
}

/// A coordinator's store inside a chain actor's: its keys and rows are variants of the chain's.
#[derive(Clone, Debug, Hash, PartialEq)]
pub struct Nested<S>(pub S);

/// Runs `$call` with the part of the state that belongs to the actor, and puts it back; a part that was
/// borrowed and not changed leaves the whole borrowed. An actor that is stopped does nothing.
macro_rules! with_part {
    ($state:ident, $variant:ident, |$part:ident| $call:expr) => {
        match std::mem::replace($state, Cow::Owned(ChainState::Stopped)) {
            Cow::Borrowed(whole @ ChainState::$variant(part)) => {
                let mut borrowed = Cow::Borrowed(part);
                let $part = &mut borrowed;
                $call;
                *$state = match borrowed {
                    Cow::Borrowed(_) => Cow::Borrowed(whole),
                    Cow::Owned(part) => Cow::Owned(ChainState::$variant(part)),
                };
            }
            Cow::Owned(ChainState::$variant(part)) => {
                let mut owned = Cow::Owned(part);
                let $part = &mut owned;
                $call;
                *$state = Cow::Owned(ChainState::$variant(owned.into_owned()));
            }
            stopped => *$state = stopped,
        }
    };
}

impl<S: Store<Key, Row>, M: Mechanisms> Actor for ChainActor<S, M> {
    type Msg = Msg;
    type Timer = Timer;
    type State = ChainState<S>;
    type Storage = S;
    type Random = ();

    fn on_start(&self, id: Id, storage: &Option<S>, out: &mut Out<Self>) -> ChainState<S> {
        match self {
            ChainActor::Coordinator(coordinator) => {
                let mut nested = Out::new();
                let started = coordinator.start(id, storage.clone().map(Nested), &mut nested);
                lift(nested, out);
                started.map_or(ChainState::Stopped, ChainState::Coordinator)
            }
            ChainActor::Replica(replica) => replica.on_start(id, storage, out),
            ChainActor::Gateway(gateway) => gateway.on_start(storage, out),
            ChainActor::Script(script) => ChainState::Script(script.on_start(out)),
        }
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, ChainState<S>>,
        src: Id,
        msg: Msg,
        out: &mut Out<Self>,
    ) {
        match self {
            ChainActor::Replica(replica) => {
                with_part!(state, Replica, |part| replica.on_msg(id, part, src, msg, out));
            }
            ChainActor::Gateway(gateway) => {
                with_part!(state, Gateway, |part| gateway.on_msg(id, part, src, msg, out));
            }
            ChainActor::Coordinator(coordinator) => {
                let Msg::Views(msg) = msg else { return };
                let mut nested = Out::new();
                with_part!(state, Coordinator, |part| {
                    coordinator.receive(id, part, src, msg, &mut nested)
                });
                lift(nested, out);
            }
            ChainActor::Script(script) => {
                with_part!(state, Script, |part| script.on_msg(part, msg, out));
            }
        }
    }

    fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, ChainState<S>>,
        timer: &Timer,
        out: &mut Out<Self>,
    ) {
        match self {
            ChainActor::Replica(replica) => {
                with_part!(state, Replica, |part| replica.on_timeout(id, part, timer, out));
            }
            ChainActor::Gateway(gateway) => {
                with_part!(state, Gateway, |part| gateway.on_timeout(id, part, timer, out));
            }
            ChainActor::Coordinator(coordinator) => {
                let Timer::Views(timer) = timer else { return };
                let mut nested = Out::new();
                with_part!(state, Coordinator, |part| {
                    coordinator.timeout(id, part, timer, &mut nested)
                });
                lift(nested, out);
            }
            ChainActor::Script(_) => {}
        }
    }

    fn name(&self) -> String {
        match self {
            ChainActor::Replica(_) => "replica".to_string(),
            ChainActor::Gateway(_) => "gateway".to_string(),
            ChainActor::Coordinator(_) => "coordinator".to_string(),
            ChainActor::Script(_) => "client".to_string(),
        }
    }
}

impl<S: Store<Key, Row>, M: Mechanisms> Prune for ChainActor<S, M> {
    fn is_obsolete(&self, id: Id, state: &ChainState<S>, src: Id, msg: &Msg) -> bool {
        match (self, state) {
            (ChainActor::Replica(replica), ChainState::Replica(state)) => {
                replica.is_obsolete(id, state, src, msg)
            }
            (ChainActor::Gateway(gateway), ChainState::Gateway(state)) => {
                gateway.is_obsolete(state, msg)
            }
            (ChainActor::Coordinator(coordinator), ChainState::Coordinator(state)) => match msg {
                Msg::Views(msg) => coordinator.is_past(state, msg),
                _ => true,
            },
            (ChainActor::Script(script), ChainState::Script(state)) => {
                script.is_obsolete(state, msg)
            }
            _ => false,
        }
    }
}

/// Makes a coordinator's commands those of a chain actor.
fn lift<S: Store<Key, Row>, M: Mechanisms>(
    nested: Out<Coordinator<View, Nested<S>, M>>,
    out: &mut Out<ChainActor<S, M>>,
) {
    for command in nested {
        match command {
            Command::Send(dst, msg) => out.send(dst, Msg::Views(msg)),
            Command::SetTimer(timer, duration) => out.set_timer(Timer::Views(timer), duration),
            Command::CancelTimer(timer) => out.cancel_timer(Timer::Views(timer)),
            Command::Save(Nested(store)) => out.save(store),
            Command::ChooseRandom(..) => {} // a coordinator chooses nothing
        }
    }
}

impl<S: Store<Key, Row>> Store<coordinator::Key, coordinator::Row<View>> for Nested<S> {
    fn get(&self, key: &coordinator::Key) -> Option<coordinator::Row<View>> {
        match self.0.get(&Key::Views(*key)) {
            Some(Row::Views(row)) => Some(row),
            _ => None,
        }
    }

    fn put(&mut self, key: coordinator::Key, row: coordinator::Row<View>) {
        self.0.put(Key::Views(key), Row::Views(row));
    }

    fn delete(&mut self, key: &coordinator::Key) {
        self.0.delete(&Key::Views(*key));
    }

    fn scan(
        &self,
        from: Bound<&coordinator::Key>,
        to: Bound<&coordinator::Key>,
        limit: usize,
    ) -> Vec<(coordinator::Key, coordinator::Row<View>)> {
        let (from, to) = (from.map(|key| Key::Views(*key)), to.map(|key| Key::Views(*key)));
        let rows = self.0.scan(from.as_ref(), to.as_ref(), usize::MAX).into_iter();
        let rows = rows.filter_map(|row| match row {
            (Key::Views(key), Row::Views(row)) => Some((key, row)),
            _ => None,
        });
        rows.take(limit).collect()
    }
}
