//! The actors of a ring as one type, for interpreters that run many actors of one type.

use super::{
    Gateway, GatewayState, Key, Msg, Node, NodeState, Oracle, OracleState, Row, Script,
    ScriptState, Timer,
};
use crate::mechanism::{Intact, Mechanisms};
use crate::prune::Prune;
use crate::store::Store;
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;

/// Any actor of a ring.
#[derive(Clone, Debug)]
pub enum RingActor<S, M = Intact> {
    /// A replica of its ranges.
    Node(Node<S, M>),
    /// Where operations come in: the proposer.
    Gateway(Gateway<S, M>),
    /// Who decides views, in models.
    Oracle(Oracle<M>),
    /// A client of a gateway, in models.
    Script(Script),
}

/// The state of any actor of a ring.
#[derive(Clone, Debug, Hash, PartialEq)]
pub enum RingState<S> {
    /// Of an actor that refused to start without its store, and of one that is down.
    Stopped,
    /// Of a node.
    Node(NodeState<S>),
    /// Of a gateway.
    Gateway(GatewayState<S>),
    /// Of an oracle.
    Oracle(OracleState),
    /// Of a script.
    Script(ScriptState),
}

/// Runs `$call` with the part of the state that belongs to the actor, and puts it back; a part that was
/// borrowed and not changed leaves the whole borrowed. An actor that is stopped does nothing.
macro_rules! with_part {
    ($state:ident, $variant:ident, |$part:ident| $call:expr) => {
        match std::mem::replace($state, Cow::Owned(RingState::Stopped)) {
            Cow::Borrowed(whole @ RingState::$variant(part)) => {
                let mut borrowed = Cow::Borrowed(part);
                let $part = &mut borrowed;
                $call;
                *$state = match borrowed {
                    Cow::Borrowed(_) => Cow::Borrowed(whole),
                    Cow::Owned(part) => Cow::Owned(RingState::$variant(part)),
                };
            }
            Cow::Owned(RingState::$variant(part)) => {
                let mut owned = Cow::Owned(part);
                let $part = &mut owned;
                $call;
                *$state = Cow::Owned(RingState::$variant(owned.into_owned()));
            }
            stopped => *$state = stopped,
        }
    };
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
                with_part!(state, Node, |part| node.on_msg(id, part, src, msg, out));
            }
            RingActor::Gateway(gateway) => {
                with_part!(state, Gateway, |part| gateway.on_msg(id, part, src, msg, out));
            }
            RingActor::Oracle(oracle) => {
                with_part!(state, Oracle, |part| oracle.on_msg(part, src, msg, out));
            }
            RingActor::Script(script) => {
                with_part!(state, Script, |part| script.on_msg(part, msg, out));
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
                with_part!(state, Node, |part| node.on_timeout(id, part, timer, out));
            }
            RingActor::Gateway(gateway) => {
                with_part!(state, Gateway, |part| gateway.on_timeout(id, part, timer, out));
            }
            RingActor::Oracle(oracle) => {
                with_part!(state, Oracle, |part| oracle.on_timeout(part, timer, out));
            }
            RingActor::Script(_) => {}
        }
    }

    fn name(&self) -> String {
        let name = match self {
            RingActor::Node(_) => "node",
            RingActor::Gateway(_) => "gateway",
            RingActor::Oracle(_) => "oracle",
            RingActor::Script(_) => "client",
        };
        name.to_string()
    }
}

impl<S: Store<Key, Row>, M: Mechanisms> Prune for RingActor<S, M> {
    fn is_obsolete(&self, id: Id, state: &RingState<S>, src: Id, msg: &Msg) -> bool {
        match (self, state) {
            (RingActor::Node(node), RingState::Node(state)) => {
                node.is_obsolete(id, state, src, msg)
            }
            (RingActor::Gateway(gateway), RingState::Gateway(state)) => {
                gateway.is_obsolete(state, src, msg)
            }
            (RingActor::Oracle(oracle), RingState::Oracle(state)) => {
                oracle.is_obsolete(state, src, msg)
            }
            (RingActor::Script(script), RingState::Script(state)) => script.is_obsolete(state, msg),
            _ => false,
        }
    }

    fn spent(&self, id: Id, state: &RingState<S>, src: Id, msg: &Msg) -> Option<Msg> {
        match (self, state) {
            (RingActor::Node(node), RingState::Node(state)) => node.spent(id, state, src, msg),
            (RingActor::Gateway(_), RingState::Gateway(state)) => match msg {
                Msg::Behind { .. } => Some(Msg::Install { view: state.view.clone() }),
                _ => None,
            },
            _ => None,
        }
    }
}
