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
use crate::ring::msg::{Accepted, Invoke, Opened, Promise, Refuse, Return, Vote};
use crate::session::Sessions;
use crate::store::Store;
use stateright::actor::Id;

/// Without one of these, what was said of an attempt may matter again.
const ATTEMPTS: [Mechanism; 3] =
    [Mechanism::BallotPerAttempt, Mechanism::BallotIncarnation, Mechanism::RingEpochCheck];

impl<S: Store<Key, Row>, M: Mechanisms> Prune for RingActor<S, M> {
    fn is_obsolete(&self, id: Id, state: &RingState<S>, src: Id, msg: &Msg) -> bool {
        match (self, state) {
            (RingActor::Node(node), RingState::Node(state)) => {
                node.is_obsolete(id, state, src, msg)
            }
            (RingActor::Gateway(gateway), RingState::Gateway(state)) => {
                gateway.is_obsolete(state, src, msg)
            }
            (RingActor::Coordinator(coordinator), RingState::Coordinator(state)) => {
                let Msg::Views(msg) = msg else { return true };
                coordinator.is_obsolete(state, msg)
            }
            (RingActor::Member(member), RingState::Member(state)) => {
                let Msg::Members(msg) = msg else { return true };
                member.is_obsolete(id, state, src, msg)
            }
            (RingActor::Oracle(oracle), RingState::Oracle(state)) => {
                oracle.is_obsolete(state, src, msg)
            }
            (RingActor::Script(script), RingState::Script(state)) => script.is_obsolete(state, msg),
            (
                RingActor::Node(_)
                | RingActor::Gateway(_)
                | RingActor::Coordinator(_)
                | RingActor::Member(_)
                | RingActor::Oracle(_)
                | RingActor::Script(_),
                _, // it is down
            ) => false,
        }
    }
}

impl<S: Store<Key, Row>, M: Mechanisms> Node<S, M> {
    /// Old epochs stay old, what was given stays given, and what is newer here stays newer.
    fn is_obsolete(&self, id: Id, state: &NodeState<S>, src: Id, msg: &Msg) -> bool {
        let epoch = state.view.epoch;
        let has = |mechanism| self.mechanisms.has(mechanism);
        let leaves_epochs = has(Mechanism::RingEpochCheck);
        let repairs = leaves_epochs && has(Mechanism::RepairNewer) && has(Mechanism::RepairFloor);
        let is_done = |key: &kv::Key, ballot: Ballot| !self.may_copy(id, state, src, key, ballot);
        match msg {
            Msg::Views(coordinator::Msg::Install(Install { view })) => view.epoch <= epoch,
            Msg::Held(held) => held.epoch < epoch && leaves_epochs,
            Msg::Rows(rows) if rows.epoch == epoch => {
                let transfer = state.transfers.get(&rows.span.upto);
                transfer.is_none_or(|transfer| {
                    transfer.done.contains(&src) || transfer.partly.get(&src) > rows.after.as_ref()
                })
            }
            Msg::Rows(rows) => rows.epoch < epoch && leaves_epochs,
            Msg::Compared(compared) if compared.epoch == epoch => {
                let mut rows = compared.rows.iter().flatten();
                repairs
                    && compared.looked.is_none()
                    && rows.all(|row| is_done(&row.key, row.accepted))
            }
            Msg::Compared(compared) => compared.epoch < epoch && repairs,
            Msg::Copies(copies) if copies.epoch == epoch => {
                repairs
                    && copies.then.is_none()
                    && copies.rest.is_empty()
                    && copies.rows.iter().all(|row| is_done(&row.key, row.accepted))
            }
            Msg::Copies(copies) => copies.epoch < epoch && repairs,
            Msg::Opened(_)
            | Msg::Invoke(_)
            | Msg::Return(_)
            | Msg::Read(_)
            | Msg::Vote(_)
            | Msg::Prepare(_)
            | Msg::Promise(_)
            | Msg::Accept(_)
            | Msg::Accepted(_)
            | Msg::Refuse(_)
            | Msg::Sweep(_)
            | Msg::Fetch(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Belong(_)
            | Msg::Views(_)
            | Msg::Members(_)
            | Msg::Compare(_)
            | Msg::Want(_)
            | Msg::Behind(_) => false,
        }
    }
}

impl<S: Store<Key, Row>, M: Mechanisms> Gateway<S, M> {
    /// Lanes only move on, an attempt's answers count while it lasts, and a new start makes every
    /// older operation foreign.
    fn is_obsolete(&self, state: &GatewayState<S>, src: Id, msg: &Msg) -> bool {
        if !ATTEMPTS.iter().all(|mechanism| self.mechanisms.has(*mechanism)) {
            return false;
        }
        let is_past = |id: &OpId| state.has_come_to(id);
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
            // Not for gateways, or asked without end.
            Msg::Opened(_)
            | Msg::Return(_)
            | Msg::Read(_)
            | Msg::Prepare(_)
            | Msg::Accept(_)
            | Msg::Sweep(_)
            | Msg::Held(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Belong(_)
            | Msg::Views(_)
            | Msg::Members(_)
            | Msg::Compare(_)
            | Msg::Compared(_)
            | Msg::Want(_)
            | Msg::Copies(_)
            | Msg::Behind(_) => false,
        }
    }
}

impl<M: Mechanisms> Oracle<M> {
    fn is_obsolete(&self, state: &OracleState, src: Id, msg: &Msg) -> bool {
        match msg {
            Msg::Views(coordinator::Msg::Report(Report::Stabilized { epoch })) => {
                *epoch < state.view.epoch
                    || (*epoch == state.view.epoch && state.reported.contains(&src))
            }
            Msg::Opened(_)
            | Msg::Invoke(_)
            | Msg::Return(_)
            | Msg::Read(_)
            | Msg::Vote(_)
            | Msg::Prepare(_)
            | Msg::Promise(_)
            | Msg::Accept(_)
            | Msg::Accepted(_)
            | Msg::Refuse(_)
            | Msg::Sweep(_)
            | Msg::Held(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Belong(_)
            | Msg::Views(_)
            | Msg::Members(_)
            | Msg::Compare(_)
            | Msg::Compared(_)
            | Msg::Want(_)
            | Msg::Copies(_)
            | Msg::Behind(_) => false,
        }
    }
}

impl Script {
    fn is_obsolete(&self, state: &ScriptState, msg: &Msg) -> bool {
        match msg {
            Msg::Return(Return { id, .. }) => !self.is_waiting_for(state, id),
            Msg::Opened(Opened { incarnation }) => *incarnation <= state.incarnation,
            // Not for scripts.
            Msg::Invoke(_)
            | Msg::Read(_)
            | Msg::Vote(_)
            | Msg::Prepare(_)
            | Msg::Promise(_)
            | Msg::Accept(_)
            | Msg::Accepted(_)
            | Msg::Refuse(_)
            | Msg::Sweep(_)
            | Msg::Held(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Belong(_)
            | Msg::Views(_)
            | Msg::Members(_)
            | Msg::Compare(_)
            | Msg::Compared(_)
            | Msg::Want(_)
            | Msg::Copies(_)
            | Msg::Behind(_) => false,
        }
    }
}
