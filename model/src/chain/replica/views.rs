//! What a replica has to do with views: it installs them, and asks for leases.
//!
//! A view takes effect at each replica when that replica installs it, and no message of another
//! epoch is taken. What a new view asks of a replica is little, because entries apply only when
//! they commit:
//!
//! - the **tail** commits every entry of its log, for no replica after it could lack one;
//! - **everyone else** sends its log to its successor again, for that may be another one than
//!   before. What a successor lacks is in the log of its new predecessor, because each replica has
//!   at least what its successors have, and no less committed than they have is dropped from its
//!   log;
//! - a replica that is **not in the view** falls silent. It keeps its store, asks to join, and
//!   returns only as a learner, which begins with nothing, or goes on where it was;
//! - a tail whose **learner** is another one than before, or none, forgets what it retained for the
//!   old one, and that it had handed over to it. What it retains for members that return, as every
//!   member does, it keeps.
//!
//! A lease survives an install: see [`coordinator`], section "Leases".
//!
//! Why messages of another epoch are refused is not obvious, since logs are never rolled back: as
//! long as no member returns, what a replica ever sent from an index is what it holds there, and an
//! update or an acknowledgement from the replica that is the neighbour *now* is true whatever its
//! epoch. The check is for members that return. A head is removed with an entry that no other
//! replica has, comes back without it, and is in time the predecessor of the same replica again:
//! its old update is for the next index still.

use super::{Held, Place, Replica, ReplicaState, Transfer};
use crate::chain::msg::{Ack, Reply};
use crate::chain::{ChainActor, Key, Msg, Report, Row, Timer, View};
use crate::coordinator;
use crate::coordinator::msg::{Ask, Install};
use crate::mechanism::{Mechanism, Mechanisms};
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::ops::Bound;

/// How many bits of an index count the entries of one history; the epoch in which it began is above
/// them.
const INDEX_BITS: u32 = 40;

impl<S: Store<Key, Row>, M: Mechanisms> Replica<S, M> {
    /// A coordinator speaks.
    pub(super) fn on_views(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        src: Id,
        msg: coordinator::MsgOf<View>,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if let coordinator::Msg::Report(Report::BeginAnew { epoch }) = msg {
            return self.on_word(id, state, epoch, out);
        }
        if !state.view.coordinators.contains(&src) {
            return;
        }
        match msg {
            coordinator::Msg::Install(install) => self.on_install(id, state, install, out),
            coordinator::Msg::Lease(lease) => self.on_lease(state, src, lease, out),
            // Not for replicas.
            coordinator::Msg::Heartbeat(_)
            | coordinator::Msg::Ask(_)
            | coordinator::Msg::Report(_)
            | coordinator::Msg::Prepare(_)
            | coordinator::Msg::Promise(_)
            | coordinator::Msg::Accept(_)
            | coordinator::Msg::Accepted(_) => {}
        }
    }

    /// An operator wants the chain to begin anew from what is here: it tells the coordinators, if
    /// that is a whole prefix of a history, and if it knows the view that the operator saw.
    fn on_word(
        &self,
        id: Id,
        state: &ReplicaState<S>,
        epoch: u64,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        let is_in_view = state.view.chain.contains(&id) || state.view.learner() == Some(id);
        if epoch != state.view.epoch || is_in_view || !state.is_whole() {
            return;
        }
        let word = Msg::Views(coordinator::Msg::Report(Report::BeginAnew { epoch }));
        out.broadcast(&state.view.coordinators, &word);
    }

    /// A chain that is begun anew counts its entries from far beyond those of the history that was
    /// lost: whoever returns from that one names an entry that this one never had, and learns
    /// everything.
    fn begin_history(&self, id: Id, state: &mut ReplicaState<S>) {
        if !state.view.is_begun_anew() || state.view.chain != [id] {
            return;
        }
        let (lowest, highest) = (Key::Log(0), Key::Log(u64::MAX)); // what is retained is bounded
        let log = (Bound::Included(&lowest), Bound::Included(&highest));
        for (key, _) in state.store.scan(log.0, log.1, usize::MAX) {
            state.store.delete(&key);
        }
        let first = state.view.epoch.min(u64::MAX >> (INDEX_BITS + 1)) << INDEX_BITS;
        state.committed = state.committed.max(first);
        (state.retained, state.held) = (state.committed + 1, Held::default());
    }

    /// A newer view is decided (OSDI '04, section 3.1).
    fn on_install(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        Install { view }: Install<View>,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if view.epoch <= state.view.epoch {
            return;
        }
        let state = state.to_mut();
        let was_member = state.view.chain.contains(&id);
        let teaching = |view: &View| view.learner.filter(|_| view.tail() == Some(id));
        let goes_on = teaching(&view).is_some()
            && teaching(&view) == teaching(&state.view)
            && self.mechanisms.has(Mechanism::TeachingGoesOn);
        state.store.put(Key::View, Row::View(view.clone()));
        state.view = view;
        (state.early, state.resent, state.unheard) = (0, 0, 0); // they were about another neighbour
        out.cancel_timer(Timer::Resend);
        if !goes_on {
            self.end_teaching(state);
        }
        self.await_learner(id, state, out);
        if !state.view.chain.contains(&id) {
            for slot in state.lease.end() {
                out.cancel_timer(Timer::Lapse(slot));
            }
            return match state.view.learner {
                Some((learner, since)) if learner == id => {
                    self.begin_learning(id, since, state, out);
                }
                _ => {
                    out.cancel_timer(Timer::Learn);
                    out.save(state.store.clone());
                    self.heartbeat(id, state, out); // it would like to join
                }
            };
        }
        if matches!(state.transfer, Some(Transfer::Learning { .. })) {
            state.transfer = None; // it is appended
            state.store.delete(&Key::Transfer);
            out.cancel_timer(Timer::Learn);
        }
        match self.successor(id, state) {
            None => {
                if self.mechanisms.has(Mechanism::TailCommitsLog) {
                    self.commit_log(id, state, out);
                }
                if !was_member {
                    self.begin_history(id, state);
                }
            }
            Some(successor) if !state.window.is_empty() => {
                if self.mechanisms.has(Mechanism::ResendOnInstall) {
                    self.resend(successor, state, 0, out);
                    out.set_timer(Timer::Resend, self.timeouts.resend.clone());
                }
            }
            Some(_) => {}
        }
        state.save_committed(out);
        if !state.lease.is_live() {
            self.heartbeat(id, state, out); // it may be a member now for the first time
        }
    }

    /// It is not the tail of this learner any more: nothing is retained, and nothing was handed
    /// over.
    fn end_teaching(&self, state: &mut ReplicaState<S>) {
        if state.transfer == Some(Transfer::HandedOver)
            && self.mechanisms.has(Mechanism::HandoverEnds)
        {
            state.transfer = None;
            state.store.delete(&Key::Transfer);
        }
        state.trim(state.committed, self.retain_bytes, self.part_rows);
    }

    /// Removes a part of what is not needed any more: entries retained for a learner that is gone,
    /// beyond what is kept for members that return; tombstones of its own scan.
    fn sweep(&self, id: Id, state: &mut ReplicaState<S>, out: &mut Out<ChainActor<S, M>>) {
        let retains = !self.has_learner(id, state)
            && state.retained <= state.committed
            && self.is_too_much(state);
        if retains {
            state.trim(state.committed, self.retain_bytes, self.part_rows);
        }
        if state.drop_tombstones(&Place::Done, self.part_rows) || retains {
            out.save(state.store.clone());
        }
    }

    /// The last member commits all it has: replies to each, and one acknowledgement for all.
    fn commit_log(&self, id: Id, state: &mut ReplicaState<S>, out: &mut Out<ChainActor<S, M>>) {
        let epoch = state.view.epoch;
        while let Some((index, entry)) = state.window.pop(u64::MAX) {
            let outcome = self.commit(id, state, index, &entry, false);
            let op_id = entry.id;
            if self.may_acknowledge(id, state) {
                out.send(op_id.gateway, Msg::Reply(Reply { id: op_id, outcome }));
            }
        }
        let index = state.committed;
        if let Some(predecessor) = state.view.predecessor(id)
            && index > 0
        {
            out.send(predecessor, Msg::Ack(Ack { epoch, index }));
        }
    }

    /// Says that this replica lives. A member asks for a lease, whose time begins now; a
    /// replica in no view asks for the newest, and to join.
    pub(super) fn heartbeat(
        &self,
        id: Id,
        state: &mut ReplicaState<S>,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if state.view.coordinators.is_empty() {
            return;
        }
        let coordinators = state.view.coordinators.clone();
        let epoch = state.view.epoch;
        let is_member = state.view.chain.contains(&id);
        let is_out = !is_member && state.view.learner() != Some(id);
        if !is_out || self.mechanisms.has(Mechanism::JoinsAgain) {
            out.set_timer(Timer::Heartbeat, self.timeouts.views.heartbeat.clone());
        }
        if is_out {
            out.broadcast(&coordinators, &Msg::Views(coordinator::Msg::Ask(Ask { epoch })));
            let join = Msg::Views(coordinator::Msg::Report(Report::Join));
            return out.broadcast(&coordinators, &join);
        }
        let n = if is_member {
            self.sweep(id, state, out);
            let (n, slot) = state.lease.ask(self.mechanisms.has(Mechanism::LapseEach));
            if self.mechanisms.has(Mechanism::LeaseFromSending) {
                self.set_lapse(slot, out);
            }
            n
        } else {
            state.lease.number()
        };
        let boot = state.lease.boot;
        let heartbeat =
            Msg::Views(coordinator::Msg::Heartbeat(coordinator::msg::Heartbeat { boot, n, epoch }));
        out.broadcast(&coordinators, &heartbeat);
    }

    /// A coordinator grants its part of a lease, for a heartbeat of this start and no other.
    fn on_lease(
        &self,
        state: &mut Cow<'_, ReplicaState<S>>,
        src: Id,
        coordinator::msg::Lease { boot, n }: coordinator::msg::Lease,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if boot != state.lease.boot && self.mechanisms.has(Mechanism::BootCheck)
            || !state.lease.awaits(src, n)
        {
            return;
        }
        let state = state.to_mut();
        let majority = state.view.coordinators.len() / 2 + 1;
        for slot in state.lease.count(src, n, majority) {
            out.cancel_timer(Timer::Lapse(slot));
        }
        if self.mechanisms.lacks(Mechanism::LeaseFromSending)
            && let Some(held) = &state.lease.held
        {
            self.set_lapse(held.slot, out);
        }
    }

    /// Whether this replica may answer reads: while it has a lease, or where no coordinator grants
    /// any.
    pub(super) fn may_read(&self, state: &ReplicaState<S>) -> bool {
        state.view.coordinators.is_empty() || state.lease.is_live()
    }

    /// Whether this replica may say what became of updates. An only member asks nobody else, so it
    /// would go on in a history that has been given up, where it has no lease. (That it says
    /// nothing is as if that were lost on its way.)
    pub(super) fn may_acknowledge(&self, id: Id, state: &ReplicaState<S>) -> bool {
        !self.alone_with_lease
            || !self.mechanisms.has(Mechanism::AloneWithLease)
            || !state.view.is_alone(id)
            || self.may_read(state)
    }

    fn set_lapse(&self, slot: u8, out: &mut Out<ChainActor<S, M>>) {
        let coordinator::Timeouts { lease, grant, .. } = self.timeouts.views;
        let lease = if self.mechanisms.has(Mechanism::LeaseShorter) { lease } else { grant };
        out.set_timer(Timer::Lapse(slot), lease..lease);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{ChainState, Entry, Timeouts};
    use crate::kv::{Op, OpId};
    use crate::store::MapStore;

    /// A removed member begins the chain anew: it commits what it had received, counts from far
    /// beyond the lost history, retains nothing of the old one, and takes nothing before it has a
    /// lease.
    #[test]
    fn a_history_that_begins_anew_shares_no_index_with_the_lost_one() {
        let (lost, own, coordinator) = (Id::from(0), Id::from(1), Id::from(9));
        let replica = Replica::new(Timeouts::default()).retaining(1 << 20).alone_with_lease();
        let old = View::new(5, vec![lost, own]).decided_by(vec![coordinator]);
        let mut store = MapStore::<Key, Row>::default();
        Replica::init(&mut store, old.clone());
        store.put(Key::Committed, Row::Committed { index: 3, keys: 0 });
        let id = OpId { gateway: Id::from(4), incarnation: 1, lane: 0, seq: 1 };
        store.put(Key::Log(3), Row::Touched { id, key: "x".into() });
        let entry =
            |seq| Entry { id: OpId { seq, ..id }, key: "x".into(), op: Op::Put("a".into()) };
        store.put(Key::Log(4), Row::Entry(entry(2)));
        let mut out = Out::new();
        let ChainState::Replica(mut state) = replica.on_start(own, &Some(store), &mut out) else {
            panic!("it has a store");
        };
        let install = |state: &mut ReplicaState<_>, view: View| {
            let mut cow = Cow::Borrowed(&*state);
            let msg = Msg::Views(coordinator::Msg::Install(Install { view }));
            replica.on_msg(own, &mut cow, coordinator, msg, &mut Out::new());
            *state = cow.into_owned();
        };
        install(&mut state, View { epoch: 6, chain: vec![lost], ..old.clone() });
        assert!(state.is_whole() && state.committed == 3);
        let begun = View { epoch: 7, chain: vec![own], allowed: Some(0), ..old };
        install(&mut state, begun);
        assert_eq!((state.committed, state.keys, state.last()), (7 << 40, 1, 7 << 40));
        let log = (Bound::Included(&Key::Log(0)), Bound::Included(&Key::Log(u64::MAX)));
        assert_eq!(state.store.scan(log.0, log.1, 9), []);
        assert!(!replica.may_acknowledge(own, &state), "it has no lease yet");
    }
}
