//! The actors of a chain as one type, for interpreters that run many actors of one type.

use super::{
    Gateway, GatewayState, Key, Msg, Replica, ReplicaState, Report, Row, Script, ScriptState,
    Timer, View,
};
use crate::coordinator::{self, Coordinator, CoordinatorState};
use crate::mechanism::{Intact, Mechanisms};
use crate::nested::{Nested, lift, nested_store, with_part};
use crate::store::Store;
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;
use std::ops::Bound;

/// Any actor of a chain.
#[derive(Clone, Debug)]
pub enum ChainActor<S, M = Intact> {
    /// A member of the chain.
    Replica(Replica<S, M>),
    /// Where operations come in.
    Gateway(Gateway<S, M>),
    /// A coordinator: one of those that decide views.
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
                lift(nested, out, Msg::Views, Timer::Views, |Nested(store)| store);
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
                with_part!(state, ChainState::Replica, |part| replica
                    .on_msg(id, part, src, msg, out));
            }
            ChainActor::Gateway(gateway) => {
                with_part!(state, ChainState::Gateway, |part| gateway
                    .on_msg(id, part, src, msg, out));
            }
            ChainActor::Coordinator(coordinator) => {
                let Msg::Views(msg) = msg else { return };
                let mut nested = Out::new();
                with_part!(state, ChainState::Coordinator, |part| {
                    coordinator.receive(id, part, src, msg, &mut nested)
                });
                lift(nested, out, Msg::Views, Timer::Views, |Nested(store)| store);
            }
            ChainActor::Script(script) => {
                with_part!(state, ChainState::Script, |part| script.on_msg(part, msg, out));
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
                with_part!(state, ChainState::Replica, |part| replica
                    .on_timeout(id, part, timer, out));
            }
            ChainActor::Gateway(gateway) => {
                with_part!(state, ChainState::Gateway, |part| gateway
                    .on_timeout(id, part, timer, out));
            }
            ChainActor::Coordinator(coordinator) => {
                let Timer::Views(timer) = timer else { return };
                let mut nested = Out::new();
                with_part!(state, ChainState::Coordinator, |part| {
                    coordinator.timeout(id, part, timer, &mut nested)
                });
                lift(nested, out, Msg::Views, Timer::Views, |Nested(store)| store);
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

nested_store!(coordinator::Key, coordinator::Row<View>, Key::Views, Row::Views);
