//! The actors of a ring as one type, for interpreters that run many actors of one type.

use super::{
    Gateway, GatewayState, Key, Msg, Node, NodeState, Oracle, OracleState, Report, Row, Script,
    ScriptState, Timer, View,
};
use crate::coordinator::{self, Coordinator, CoordinatorState};
use crate::mechanism::{Intact, Mechanisms};
use crate::membership::{self, Member, MemberState};
use crate::nested::{Nested, lift, nested_store, with_part};
use crate::store::Store;
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;
use std::ops::Bound;

/// Any actor of a ring.
#[derive(Clone, Debug)]
pub enum RingActor<S, M = Intact> {
    /// A replica of its ranges.
    Node(Node<S, M>),
    /// Where operations come in: the proposer.
    Gateway(Gateway<S, M>),
    /// A coordinator: one of those that decide views.
    Coordinator(Coordinator<View, Nested<S>, M>),
    /// A member: one of those that detect failures.
    Member(Member<Nested<S>, M>),
    /// What decides views, in models that are not about that.
    Oracle(Oracle<M>),
    /// A client of a gateway, in models.
    Script(Script),
}

/// The state of any actor of a ring.
#[derive(Clone, Debug, Hash, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one of these an actor, and it is not moved about"
)]
pub enum RingState<S> {
    /// Of an actor that refused to start without its store, and of one that is down.
    Stopped,
    /// Of a node.
    Node(NodeState<S>),
    /// Of a gateway.
    Gateway(GatewayState<S>),
    /// Of a coordinator.
    Coordinator(CoordinatorState<View, Report, Nested<S>>),
    /// Of a member.
    Member(MemberState<Nested<S>>),
    /// Of an oracle.
    Oracle(OracleState),
    /// Of a script.
    Script(ScriptState),
}

impl<S: Store<Key, Row>, M: Mechanisms> Actor for RingActor<S, M> {
    type Msg = Msg;
    type Timer = Timer;
    type State = RingState<S>;
    type Storage = S;
    type Random = ();

    fn on_start(&self, id: Id, storage: &Option<S>, out: &mut Out<Self>) -> RingState<S> {
        match self {
            RingActor::Node(node) => node.on_start(id, storage, out),
            RingActor::Gateway(gateway) => gateway.on_start(storage, out),
            RingActor::Coordinator(coordinator) => {
                let mut nested = Out::new();
                let started = coordinator.start(id, storage.clone().map(Nested), &mut nested);
                lift(nested, out, Msg::Views, Timer::Views, |Nested(store)| store);
                started.map_or(RingState::Stopped, RingState::Coordinator)
            }
            RingActor::Member(member) => {
                let mut nested = Out::new();
                let started = member.start(id, storage.clone().map(Nested), &mut nested);
                lift(nested, out, said_by_member, Timer::Members, |Nested(store)| store);
                started.map_or(RingState::Stopped, RingState::Member)
            }
            RingActor::Oracle(oracle) => RingState::Oracle(oracle.on_start(out)),
            RingActor::Script(script) => RingState::Script(script.on_start(out)),
        }
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, RingState<S>>,
        src: Id,
        msg: Msg,
        out: &mut Out<Self>,
    ) {
        match self {
            RingActor::Node(node) => {
                with_part!(state, RingState::Node, |part| node.on_msg(id, part, src, msg, out));
            }
            RingActor::Gateway(gateway) => {
                with_part!(state, RingState::Gateway, |part| gateway
                    .on_msg(id, part, src, msg, out));
            }
            RingActor::Coordinator(coordinator) => {
                let Msg::Views(msg) = msg else { return };
                let mut nested = Out::new();
                with_part!(state, RingState::Coordinator, |part| {
                    coordinator.receive(id, part, src, msg, &mut nested)
                });
                lift(nested, out, Msg::Views, Timer::Views, |Nested(store)| store);
            }
            RingActor::Member(member) => {
                let Msg::Members(msg) = msg else { return };
                let mut nested = Out::new();
                with_part!(state, RingState::Member, |part| {
                    member.receive(id, part, src, msg, &mut nested)
                });
                lift(nested, out, said_by_member, Timer::Members, |Nested(store)| store);
            }
            RingActor::Oracle(oracle) => {
                with_part!(state, RingState::Oracle, |part| oracle.on_msg(part, src, msg, out));
            }
            RingActor::Script(script) => {
                with_part!(state, RingState::Script, |part| script.on_msg(part, msg, out));
            }
        }
    }

    fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, RingState<S>>,
        timer: &Timer,
        out: &mut Out<Self>,
    ) {
        match self {
            RingActor::Node(node) => {
                with_part!(state, RingState::Node, |part| node.on_timeout(id, part, timer, out));
            }
            RingActor::Gateway(gateway) => {
                with_part!(state, RingState::Gateway, |part| gateway
                    .on_timeout(id, part, timer, out));
            }
            RingActor::Coordinator(coordinator) => {
                let Timer::Views(timer) = timer else { return };
                let mut nested = Out::new();
                with_part!(state, RingState::Coordinator, |part| {
                    coordinator.timeout(id, part, timer, &mut nested)
                });
                lift(nested, out, Msg::Views, Timer::Views, |Nested(store)| store);
            }
            RingActor::Member(member) => {
                let Timer::Members(timer) = timer else { return };
                let mut nested = Out::new();
                with_part!(state, RingState::Member, |part| {
                    member.timeout(id, part, timer, &mut nested)
                });
                lift(nested, out, said_by_member, Timer::Members, |Nested(store)| store);
            }
            RingActor::Oracle(oracle) => {
                with_part!(state, RingState::Oracle, |part| oracle.on_timeout(part, timer, out));
            }
            RingActor::Script(_) => {}
        }
    }

    fn name(&self) -> String {
        let name = match self {
            RingActor::Node(_) => "node",
            RingActor::Gateway(_) => "gateway",
            RingActor::Coordinator(_) => "coordinator",
            RingActor::Member(_) => "member",
            RingActor::Oracle(_) => "oracle",
            RingActor::Script(_) => "client",
        };
        name.to_string()
    }
}

/// What a member says, as the ring's actors hear it: which nodes are gone is a report to a
/// coordinator.
fn said_by_member(msg: membership::Msg) -> Msg {
    match msg {
        membership::Msg::Report(membership::msg::Report { gone }) => {
            Msg::Views(coordinator::Msg::Report(Report::Members { gone }))
        }
        msg @ (membership::Msg::Gossip(_) | membership::Msg::Leave) => Msg::Members(msg),
    }
}

nested_store!(membership::Key, membership::Row, Key::Members, Row::Members);
nested_store!(coordinator::Key, coordinator::Row<View>, Key::Views, Row::Views);
