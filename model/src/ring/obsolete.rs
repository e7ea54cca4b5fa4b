//! Which messages can matter to an actor of a ring no more. The checker alone asks.

use super::{
    Ballot, Gateway, GatewayState, Key, Msg, Node, NodeState, Oracle, OracleState, Phase, Report,
    RingActor, RingState, Row, Script, ScriptState,
};
use crate::coordinator;
use crate::coordinator::msg::Install;
use crate::kv::{self, OpId};
use crate::mechanism::{Mechanism, Mechanisms};
use crate::prune::Prune;
use crate::ring::msg::{
    Accepted, Compared, Copies, Held, Invoke, Opened, Promise, Refuse, Return, Rows, Vote,
};
use crate::store::Store;
use stateright::actor::Id;

impl<S: Store<Key, Row>, M: Mechanisms> Prune for RingActor<S, M> {
    fn is_obsolete(&self, id: Id, state: &RingState<S>, src: Id, msg: &Msg) -> bool {
        match (self, state) {
            (RingActor::Node(node), RingState::Node(state)) => {
                node.is_obsolete(id, state, src, msg)
            }
            (RingActor::Gateway(gateway), RingState::Gateway(state)) => {
                gateway.is_obsolete(state, src, msg)
            }
            (RingActor::Coordinator(coordinator), RingState::Coordinator(state)) => match msg {
                Msg::Views(msg) => coordinator.is_past(state, msg),
                _ => true,
            },
            (RingActor::Member(member), RingState::Member(state)) => match msg {
                Msg::Members(msg) => member.is_past(id, state, src, msg),
                _ => true,
            },
            (RingActor::Oracle(oracle), RingState::Oracle(state)) => {
                oracle.is_obsolete(state, src, msg)
            }
            (RingActor::Script(script), RingState::Script(state)) => script.is_obsolete(state, msg),
            _ => false,
        }
    }
}

impl<S: Store<Key, Row>, M: Mechanisms> Node<S, M> {
    /// Old epochs stay old.
    pub(super) fn is_obsolete(&self, id: Id, state: &NodeState<S>, src: Id, msg: &Msg) -> bool {
        match msg {
            Msg::Views(coordinator::Msg::Install(Install { view })) => {
                view.epoch <= state.view.epoch
            }
            Msg::Held(Held { epoch, .. }) | Msg::Rows(Rows { epoch, .. })
                if *epoch < state.view.epoch =>
            {
                self.mechanisms.has(Mechanism::RingEpochCheck)
            }
            Msg::Rows(Rows { epoch, span, after, .. }) if *epoch == state.view.epoch => {
                let transfer = state.transfers.get(&span.upto);
                transfer.is_none_or(|transfer| {
                    transfer.done.contains(&src) || transfer.partly.get(&src) > after.as_ref()
                })
            }
            msg => self.is_repaired(id, state, src, msg),
        }
    }

    /// Whether what is said in a repair can matter no more, of an epoch that this node is in, or has left.
    pub(super) fn is_repaired(&self, id: Id, state: &NodeState<S>, src: Id, msg: &Msg) -> bool {
        let sound = [Mechanism::RepairNewer, Mechanism::RepairFloor, Mechanism::RingEpochCheck];
        if !sound.into_iter().all(|mechanism| self.mechanisms.has(mechanism)) {
            return false;
        }
        let is_done = |key: &kv::Key, ballot: Ballot| !self.may_copy(id, state, src, key, ballot);
        match msg {
            Msg::Compared(Compared { epoch, .. }) | Msg::Copies(Copies { epoch, .. })
                if *epoch < state.view.epoch =>
            {
                true
            }
            Msg::Compared(Compared { epoch, rows, looked: None, .. })
                if *epoch == state.view.epoch =>
            {
                rows.iter().flatten().all(|row| is_done(&row.key, row.accepted))
            }
            Msg::Copies(Copies { epoch, rows, rest, then: None }) if *epoch == state.view.epoch => {
                rest.is_empty() && rows.iter().all(|row| is_done(&row.key, row.accepted))
            }
            _ => false,
        }
    }
}

impl<S: Store<Key, Row>, M: Mechanisms> Gateway<S, M> {
    /// Lanes only move on, an attempt's answers count while it lasts, and a new start makes every older
    /// operation foreign.
    pub(super) fn is_obsolete(&self, state: &GatewayState<S>, src: Id, msg: &Msg) -> bool {
        let sound =
            [Mechanism::BallotPerAttempt, Mechanism::BallotIncarnation, Mechanism::RingEpochCheck];
        if !sound.into_iter().all(|mechanism| self.mechanisms.has(mechanism)) {
            return false;
        }
        let is_past = |id: &OpId| {
            id.incarnation < state.incarnation
                || state.lanes.get(&id.lane).is_some_and(|lane| lane.seq >= id.seq)
        };
        let phase = |id: &OpId| state.pending(id).map(|pending| &pending.phase);
        match msg {
            Msg::Invoke(Invoke { id, .. }) => is_past(id),
            Msg::Vote(Vote { epoch, id, .. }) => {
                *epoch < state.view.epoch
                    || (*epoch == state.view.epoch
                        && is_past(id)
                        && state.last_read(id).is_none()
                        && !matches!(
                            phase(id),
                            Some(Phase::Reading { votes }) if !votes.contains_key(&src)
                        ))
            }
            Msg::Promise(Promise { id, ballot: of, .. }) => {
                is_past(id)
                    && !matches!(
                        phase(id),
                        Some(Phase::Preparing { ballot, promised, .. })
                            if ballot == of && !promised.contains(&src)
                    )
            }
            Msg::Accepted(Accepted { id, ballot: of }) => {
                is_past(id)
                    && match phase(id) {
                        Some(Phase::Preparing { ballot, .. }) => ballot != of,
                        Some(Phase::Accepting { ballot, accepted, .. }) => {
                            ballot != of || accepted.contains(&src)
                        }
                        _ => true,
                    }
            }
            Msg::Refuse(Refuse { id, ballot: of, .. }) => {
                is_past(id)
                    && !matches!(
                        phase(id),
                        Some(Phase::Preparing { ballot, .. } | Phase::Accepting { ballot, .. })
                            if ballot == of
                    )
            }
            Msg::Views(coordinator::Msg::Install(Install { view })) => {
                view.epoch <= state.view.epoch
            }
            _ => false,
        }
    }
}

impl<M: Mechanisms> Oracle<M> {
    pub(super) fn is_obsolete(&self, state: &OracleState, src: Id, msg: &Msg) -> bool {
        match msg {
            Msg::Views(coordinator::Msg::Report(Report::Stabilized { epoch })) => {
                *epoch < state.view.epoch
                    || (*epoch == state.view.epoch && state.reported.contains(&src))
            }
            _ => false,
        }
    }
}

impl Script {
    pub(super) fn is_obsolete(&self, state: &ScriptState, msg: &Msg) -> bool {
        match msg {
            Msg::Return(Return { id, .. }) => !self.is_waiting_for(state, id),
            Msg::Opened(Opened { incarnation }) => *incarnation <= state.incarnation,
            _ => false,
        }
    }
}
