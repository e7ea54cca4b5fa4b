//! Which messages can matter to an actor of a chain no more. The checker alone asks.

use super::replica::Admission;
use super::{
    ChainActor, ChainState, Gateway, GatewayState, Key, Msg, Place, Replica, ReplicaState, Row,
    Script, ScriptState, View,
};
use crate::chain::msg::{
    Ack, Caught, Changes, Fetch, Invoke, Missing, Opened, Redirect, Reply, Request, Resume,
    Resumed, Return, Rows, Scanned, Update,
};
use crate::coordinator;
use crate::coordinator::msg::Install;
use crate::mechanism::{Mechanism, Mechanisms};
use crate::prune::Prune;
use crate::session::Sessions;
use crate::store::Store;
use stateright::actor::Id;

/// Without one of these, what was said in a transfer may matter again.
const TRANSFERS: [Mechanism; 8] = [
    Mechanism::RowsOfThisSince,
    Mechanism::CaughtOfThisSince,
    Mechanism::PartsOnce,
    Mechanism::ChangesOnce,
    Mechanism::PlaceDurable,
    Mechanism::HandoverDurable,
    Mechanism::TrimWhenCaughtUp,
    Mechanism::JoinsByLearning,
];

impl<S: Store<Key, Row>, M: Mechanisms> Prune for ChainActor<S, M> {
    fn is_obsolete(&self, id: Id, state: &ChainState<S>, src: Id, msg: &Msg) -> bool {
        match (self, state) {
            (ChainActor::Replica(replica), ChainState::Replica(state)) => {
                replica.is_obsolete(id, state, src, msg)
            }
            (ChainActor::Gateway(gateway), ChainState::Gateway(state)) => {
                gateway.is_obsolete(state, msg)
            }
            (ChainActor::Coordinator(coordinator), ChainState::Coordinator(state)) => {
                let Msg::Views(msg) = msg else { return true };
                coordinator.is_obsolete(state, msg)
            }
            (ChainActor::Script(script), ChainState::Script(state)) => {
                script.is_obsolete(state, msg)
            }
            (
                ChainActor::Replica(_)
                | ChainActor::Gateway(_)
                | ChainActor::Coordinator(_)
                | ChainActor::Script(_),
                _, // it is down
            ) => false,
        }
    }
}

impl<S: Store<Key, Row>, M: Mechanisms> Replica<S, M> {
    /// Old epochs stay old, what is committed stays committed, and a stale operation stays stale.
    fn is_obsolete(&self, id: Id, state: &ReplicaState<S>, src: Id, msg: &Msg) -> bool {
        match msg {
            Msg::Request(Request { id: op_id, op, .. }) => {
                // Where views change, it may be a head no longer one day, and redirect.
                !op.is_read()
                    && state.view.coordinators.is_empty()
                    && state.view.head() == Some(id)
                    && matches!(self.admission(state, op_id), Admission::Stale)
            }
            Msg::Update(Update { epoch, .. }) => {
                *epoch < state.view.epoch && self.mechanisms.has(Mechanism::EpochCheck)
            }
            Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Caught(_)
            | Msg::Changes(_)
            | Msg::Resume(_)
            | Msg::Resumed(_) => self.transfer_is_obsolete(id, state, msg),
            Msg::Missing(Missing { epoch, next: index }) | Msg::Ack(Ack { epoch, index }) => {
                *epoch < state.view.epoch && self.mechanisms.has(Mechanism::EpochCheck)
                    || (*epoch == state.view.epoch
                        && (*index <= state.committed && self.timeouts.unheard.is_none()
                            || self.successor(id, state) != Some(src)))
            }
            Msg::Views(msg) => self.view_is_obsolete(state, src, msg),
            Msg::Opened(_)
            | Msg::Invoke(_)
            | Msg::Return(_)
            | Msg::Reply(_)
            | Msg::Redirect(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::ScanFor(_) => false,
        }
    }

    /// Of what a coordinator says.
    fn view_is_obsolete(
        &self,
        state: &ReplicaState<S>,
        src: Id,
        msg: &coordinator::MsgOf<View>,
    ) -> bool {
        match msg {
            coordinator::Msg::Install(Install { view }) => view.epoch <= state.view.epoch,
            coordinator::Msg::Lease(coordinator::msg::Lease { boot, n }) => {
                let (grant, newest) = ((*boot, *n), (state.lease.boot, state.lease.n));
                self.mechanisms.has(Mechanism::BootCheck)
                    && grant <= newest
                    && (*boot < state.lease.boot || !state.lease.awaits(src, *n))
            }
            coordinator::Msg::Heartbeat(_)
            | coordinator::Msg::Ask(_)
            | coordinator::Msg::Report(_)
            | coordinator::Msg::Prepare(_)
            | coordinator::Msg::Promise(_)
            | coordinator::Msg::Accept(_)
            | coordinator::Msg::Accepted(_) => false,
        }
    }

    /// Of a message of a transfer: what began in a past epoch and is not going on never goes on
    /// again, and places and indexes only advance.
    fn transfer_is_obsolete(&self, id: Id, state: &ReplicaState<S>, msg: &Msg) -> bool {
        if !TRANSFERS.iter().all(|mechanism| self.mechanisms.has(*mechanism)) {
            return false;
        }
        let is_past = |since: u64| {
            since <= state.view.epoch && state.view.learner.map(|(_, since)| since) != Some(since)
        };
        let teaches = |since: u64| {
            state.view.tail() == Some(id)
                && state.view.learner.is_some_and(|(_, this)| this == since)
        };
        let learns = state.learns(id);
        match msg {
            Msg::Fetch(Fetch { since, .. }) => {
                // Where tails report silence, it is heard all the same.
                is_past(*since)
                    || teaches(*since)
                        && state.has_handed_over(id)
                        && self.timeouts.unheard.is_none()
            }
            Msg::Caught(Caught { since, upto, .. }) => {
                is_past(*since) || teaches(*since) && upto.saturating_add(1) < state.retained
            }
            Msg::Rows(Rows { since, after, .. }) => {
                is_past(*since)
                    || learns.is_some_and(|(this, place)| {
                        this == *since
                            && *place > Place::After(after.clone())
                            && *place != Place::Resuming
                    })
            }
            Msg::Changes(Changes { since, from, .. }) => {
                is_past(*since)
                    || learns.is_some_and(|(this, place)| {
                        this == *since
                            && *place > Place::After(None)
                            && *place != Place::Resuming
                            && *from <= state.committed
                    })
            }
            Msg::Resume(Resume { since, .. }) => {
                is_past(*since)
                    || teaches(*since)
                        && state.has_handed_over(id)
                        && self.timeouts.unheard.is_none()
            }
            Msg::Resumed(Resumed { since, .. }) => {
                is_past(*since)
                    || learns
                        .is_some_and(|(this, place)| this == *since && *place != Place::Resuming)
            }
            // Of no transfer.
            Msg::Opened(_)
            | Msg::Invoke(_)
            | Msg::Return(_)
            | Msg::Request(_)
            | Msg::Reply(_)
            | Msg::Redirect(_)
            | Msg::Update(_)
            | Msg::Missing(_)
            | Msg::Ack(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Views(_)
            | Msg::ScanFor(_) => false,
        }
    }
}

impl<S: Store<Key, Row>, M: Mechanisms> Gateway<S, M> {
    /// Lanes only move on, and a new start makes every older operation foreign.
    fn is_obsolete(&self, state: &GatewayState<S>, msg: &Msg) -> bool {
        if self.mechanisms.lacks(Mechanism::IncarnationGrows) {
            return false;
        }
        match msg {
            Msg::Invoke(Invoke { id, .. }) => state.has_come_to(id),
            Msg::Reply(Reply { id, .. }) => state.has_come_to(id) && !state.is_pending(id),
            Msg::Redirect(Redirect { view })
            | Msg::Views(coordinator::Msg::Install(Install { view })) => {
                view.epoch <= state.view.epoch
            }
            // Not for gateways.
            Msg::Opened(_)
            | Msg::Return(_)
            | Msg::Request(_)
            | Msg::Update(_)
            | Msg::Missing(_)
            | Msg::Ack(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Caught(_)
            | Msg::Changes(_)
            | Msg::Views(_)
            | Msg::ScanFor(_)
            | Msg::Resume(_)
            | Msg::Resumed(_) => false,
        }
    }
}

impl Script {
    fn is_obsolete(&self, state: &ScriptState, msg: &Msg) -> bool {
        match msg {
            Msg::Return(Return { id, .. }) => !self.is_waiting_for(state, id),
            Msg::Scanned(Scanned { ticket, .. }) => self.awaits(state, *ticket).is_none(),
            Msg::Opened(Opened { incarnation }) => *incarnation <= state.incarnation,
            // Not for scripts.
            Msg::Invoke(_)
            | Msg::Request(_)
            | Msg::Reply(_)
            | Msg::Redirect(_)
            | Msg::Update(_)
            | Msg::Missing(_)
            | Msg::Ack(_)
            | Msg::Scan(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Caught(_)
            | Msg::Changes(_)
            | Msg::Views(_)
            | Msg::ScanFor(_)
            | Msg::Resume(_)
            | Msg::Resumed(_) => false,
        }
    }
}
