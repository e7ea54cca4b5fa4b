//! The node: an acceptor of the registers in its ranges.
//!
//! Every handler refuses first, and changes state last: persist, then speak.

use super::place::{Span, View, is_majority, position};
use super::{
    Ballot, Content, Copied, Floors, Key, MAX_KEY_BYTES, Msg, Register, RingActor, RingState, Row,
    Timeouts, Timer, Transfer,
};
use crate::kv::{self, OpId};
use crate::mechanism::{Intact, Mechanism, Mechanisms};
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::ops::Bound;

/// How many registers a message carries at the most.
const CHUNK: usize = 64;

/// How many tombstones one round of sweeping shows to other nodes.
const SWEPT: usize = 64;

/// A node, as a value: what it is configured with. Its state is a [`NodeState`].
#[derive(Clone, Debug)]
pub struct Node<S, M = Intact> {
    coordinators: Vec<Id>,
    recent: usize,
    timeouts: Timeouts,
    mechanisms: M,
    store: PhantomData<S>,
}

/// What a node knows.
#[derive(Clone, Debug, Hash, PartialEq)]
pub struct NodeState<S> {
    /// All that is durable. Invariant: equal to what was last saved, after every handler.
    pub store: S,
    /// The newest view installed. Invariants: as in the store; its epoch never goes back.
    pub view: View,
    /// How what is missing reads. Invariants: as in the store; neither part goes back.
    pub floors: Floors,
    /// What it still has to fetch, by the end of the span. Invariant: as in the store; empty in a stable
    /// view.
    pub transfers: BTreeMap<u64, Transfer>,
    /// Which other replicas hold the tombstones that it shows around. Volatile.
    pub sweeping: BTreeMap<kv::Key, (Ballot, BTreeSet<Id>)>,
}

impl<S: Store<Key, Row>> Node<S> {
    /// A node that reports to these coordinators. `recent` says how many operations a register remembers,
    /// the same in the whole cluster.
    pub fn new(coordinators: Vec<Id>, recent: usize, timeouts: Timeouts) -> Self {
        Self::with(coordinators, recent, timeouts, Intact)
    }

    /// Fills a new store, once in its life, with the view that the node begins in.
    pub fn init(store: &mut S, view: View) {
        store.put(Key::View, Row::View(view));
        store.put(Key::Floors, Row::Floors(Floors::default()));
    }

    /// Writes a register, for a model that begins with one.
    pub fn plant(store: &mut S, key: &kv::Key, register: Register) {
        put(store, key, register);
    }
}

impl<S: Store<Key, Row>, M: Mechanisms> Node<S, M> {
    /// A node that has these mechanisms.
    pub fn with(coordinators: Vec<Id>, recent: usize, timeouts: Timeouts, mechanisms: M) -> Self {
        Node { coordinators, recent, timeouts, mechanisms, store: PhantomData }
    }

    /// Resumes from the store. A node without one refuses to run: it cannot tell a new disk from a lost
    /// one, and would have forgotten what it promised.
    pub(super) fn on_start(
        &self,
        id: Id,
        storage: &Option<S>,
        out: &mut Out<RingActor<S, M>>,
    ) -> RingState<S> {
        let Some(mut store) = storage.clone() else {
            return RingState::Stopped;
        };
        let (Some(Row::View(view)), Some(Row::Floors(floors))) =
            (store.get(&Key::View), store.get(&Key::Floors))
        else {
            return RingState::Stopped;
        };
        if !self.mechanisms.has(Mechanism::PromiseDurable) {
            forget_promises(&mut store);
            out.save(store.clone());
        }
        let (first, last) = (Key::Transfer(0), Key::Transfer(u64::MAX));
        let rows = store.scan(Bound::Included(&first), Bound::Included(&last), usize::MAX);
        let transfers = rows.into_iter().filter_map(|(key, row)| match (key, row) {
            (Key::Transfer(upto), Row::Transfer(transfer)) => Some((upto, transfer)),
            _ => None,
        });
        let transfers = transfers.collect();
        let state = NodeState { store, view, floors, transfers, sweeping: BTreeMap::new() };
        if !state.view.is_stable() && !state.view.fetches(id).is_empty() {
            out.set_timer(Timer::Fetch, self.timeouts.fetch.clone());
            self.fetch_on(id, &state, out);
        }
        if let Some(sweep) = &self.timeouts.sweep {
            out.set_timer(Timer::Sweep, sweep.clone());
        }
        RingState::Node(state)
    }

    pub(super) fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        src: Id,
        msg: Msg,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if let Some(epoch) = epoch_of(&msg)
            && epoch != state.view.epoch
            && self.mechanisms.has(Mechanism::EpochCheck)
        {
            return self.on_other_epoch(state, src, epoch, out);
        }
        match msg {
            Msg::Read { epoch, id: op_id, key } => {
                self.on_read(id, state, src, (epoch, op_id, key), out);
            }
            Msg::Prepare { id: op_id, key, ballot } => {
                self.on_prepare(id, state, src, (op_id, key, ballot), out);
            }
            Msg::Accept { id: op_id, key, ballot, content } => {
                self.on_accept(id, state, src, (op_id, key, ballot, content), out);
            }
            Msg::Sweep { key, ballot, content, .. } => {
                self.on_sweep(id, state, src, (key, ballot, content), out);
            }
            Msg::Held { key, ballot, .. } => self.on_held(id, state, src, (key, ballot), out),
            Msg::Install { view } => self.on_install(id, state, view, out),
            Msg::Behind { epoch } => self.on_behind(state, src, epoch, out),
            Msg::Fetch { span, after, .. } => self.on_fetch(id, state, src, (span, after), out),
            Msg::Rows { span, after, rows, more, floors, .. } => {
                self.on_rows(id, state, src, (span, after), (rows, more, floors), out);
            }
            // Not for nodes.
            Msg::Opened { .. }
            | Msg::Invoke { .. }
            | Msg::Return { .. }
            | Msg::Vote { .. }
            | Msg::Promise { .. }
            | Msg::Accepted { .. }
            | Msg::Refuse { .. }
            | Msg::Stabilized { .. } => {}
        }
    }

    /// A message of another epoch is not served. Whoever is behind is told.
    fn on_other_epoch(
        &self,
        state: &NodeState<S>,
        src: Id,
        epoch: u64,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if epoch < state.view.epoch {
            out.send(src, Msg::Install { view: state.view.clone() });
        } else {
            out.send(src, Msg::Behind { epoch: state.view.epoch });
        }
    }

    /// A gateway reads: what was accepted here last, and whether that is a vote.
    fn on_read(
        &self,
        id: Id,
        state: &NodeState<S>,
        src: Id,
        (epoch, op_id, key): (u64, OpId, kv::Key),
        out: &mut Out<RingActor<S, M>>,
    ) {
        let at = position(&key);
        if !self.serves(id, state, at) {
            return;
        }
        let Register { accepted, voted, content, .. } = state.register(at, &key);
        let voted = voted || !self.mechanisms.has(Mechanism::CopyIsNoVote);
        let value = content.value;
        out.send(src, Msg::Vote { epoch, id: op_id, accepted, voted, value });
    }

    /// A gateway begins an attempt: promise to accept nothing lower.
    fn on_prepare(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        src: Id,
        (op_id, key, ballot): (OpId, kv::Key, Ballot),
        out: &mut Out<RingActor<S, M>>,
    ) {
        let at = position(&key);
        if !self.serves(id, state, at) {
            return;
        }
        let mut register = state.register(at, &key);
        if let Some(promised) = self.outranks(state, at, &key, &register, ballot) {
            return out.send(src, Msg::Refuse { id: op_id, ballot, promised });
        }
        let Register { accepted, ref content, .. } = register;
        let content = content.clone();
        if register.promised != ballot {
            register.promised = ballot;
            let state = state.to_mut();
            put(&mut state.store, &key, register);
            out.save(state.store.clone());
        }
        out.send(src, Msg::Promise { id: op_id, ballot, accepted, content });
    }

    /// A gateway proposes: accept it, unless a higher ballot was promised.
    fn on_accept(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        src: Id,
        (op_id, key, ballot, content): (OpId, kv::Key, Ballot, Content),
        out: &mut Out<RingActor<S, M>>,
    ) {
        let at = position(&key);
        if !self.serves(id, state, at) {
            return;
        }
        let register = state.register(at, &key);
        let accepted = Msg::Accepted { id: op_id, ballot };
        if register.accepted == ballot && register.voted {
            return out.send(src, accepted);
        }
        let higher = self.outranks(state, at, &key, &register, ballot);
        if let Some(promised) = higher
            && (self.mechanisms.has(Mechanism::PromiseKept) || ballot < register.accepted)
        {
            return out.send(src, Msg::Refuse { id: op_id, ballot, promised });
        }
        let promised = register.promised.max(ballot);
        let state = state.to_mut();
        let register = Register { promised, accepted: ballot, voted: true, content };
        put(&mut state.store, &key, register);
        out.save(state.store.clone());
        out.send(src, accepted);
    }

    /// Another replica would purge a tombstone. Take it as a copy, which is always safe, unless there is
    /// something newer here; say so if it is held, or if it was purged here before, which a missing register
    /// under a floor this high is as good as: nothing older is here, nor will ever be.
    fn on_sweep(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        src: Id,
        (key, ballot, content): (kv::Key, Ballot, Content),
        out: &mut Out<RingActor<S, M>>,
    ) {
        let at = position(&key);
        if !state.view.is_stable() || !self.serves(id, state, at) {
            return;
        }
        let register = state.register(at, &key);
        let is_missing = !state.has(at, &key);
        let is_held = register.accepted == ballot || (is_missing && state.floors.ballot >= ballot);
        if !is_held {
            if register.promised > ballot {
                return;
            }
            let state = state.to_mut();
            let register = Register { promised: ballot, accepted: ballot, voted: false, content };
            put(&mut state.store, &key, register);
            out.save(state.store.clone());
        }
        let epoch = state.view.epoch;
        out.send(src, Msg::Held { epoch, key, ballot });
    }

    /// Another replica holds a tombstone that this node would purge. When all do, it goes.
    fn on_held(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        src: Id,
        (key, ballot): (kv::Key, Ballot),
        out: &mut Out<RingActor<S, M>>,
    ) {
        let at = position(&key);
        let known = state.sweeping.get(&key);
        let replicas = state.view.replicas(at);
        if !known.is_some_and(|(swept, held)| *swept == ballot && !held.contains(&src))
            || !replicas.contains(&src)
        {
            return;
        }
        let own = self.mechanisms.has(Mechanism::PurgePromise);
        let state = state.to_mut();
        let Some((_, held)) = state.sweeping.get_mut(&key) else { return };
        held.insert(src);
        let all = !self.mechanisms.has(Mechanism::PurgeAll)
            || replicas.iter().all(|replica| *replica == id || held.contains(replica));
        let register = state.register(at, &key);
        let is_settled = register.accepted == ballot && (!own || register.promised == ballot);
        if register.accepted != ballot {
            state.sweeping.remove(&key); // written again since
        } else if all && is_settled {
            state.sweeping.remove(&key);
            self.purge(state, at, &key, &register, out);
        }
    }

    /// Forgets a tombstone, and raises the floors so that what is missing reads as it has to.
    fn purge(
        &self,
        state: &mut NodeState<S>,
        at: u64,
        key: &kv::Key,
        register: &Register,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if self.mechanisms.has(Mechanism::BallotFloor) {
            state.floors.ballot = state.floors.ballot.max(register.accepted);
        }
        if self.mechanisms.has(Mechanism::VersionFloor) {
            let beyond = register.content.version + self.recent as u64;
            state.floors.version = state.floors.version.max(beyond);
        }
        state.store.delete(&Key::Register(at, key.clone()));
        state.store.delete(&Key::Tombstone(at, key.clone()));
        state.store.put(Key::Floors, Row::Floors(state.floors));
        out.save(state.store.clone());
    }

    /// A view was decided. Persist it, and begin to fetch what it gives to this node: first of all by
    /// forgetting what is there, durably.
    fn on_install(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        view: View,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if view.epoch <= state.view.epoch {
            return;
        }
        let state = state.to_mut();
        let last = std::mem::replace(&mut state.view, view);
        state.store.put(Key::View, Row::View(state.view.clone()));
        state.sweeping.clear();
        for upto in std::mem::take(&mut state.transfers).into_keys() {
            state.store.delete(&Key::Transfer(upto));
        }
        let spans = state.view.fetches(id);
        let is_newcomer = !spans.is_empty();
        for span in spans {
            if !self.mechanisms.has(Mechanism::FetchEachView) && last.must_fetch(span.upto, id) {
                continue;
            }
            // An old replica that has to fetch, where sets of unequal size meet, is one of its own sources.
            let is_source = state.view.old.replicas(span.upto).contains(&id);
            if !is_source && self.mechanisms.has(Mechanism::FetchForgets) {
                state.forget(span);
            }
            let done = is_source.then_some(id).into_iter().collect();
            let transfer = Transfer { from: span.from, done, partly: BTreeMap::new() };
            state.keep_transfer(id, span.upto, transfer, self.fetch_quorum());
        }
        out.save(state.store.clone());
        if is_newcomer {
            out.set_timer(Timer::Fetch, self.timeouts.fetch.clone());
            self.fetch_on(id, state, out);
        } else {
            out.cancel_timer(Timer::Fetch);
        }
    }

    /// Somebody whom this node spoke to has not heard of its view.
    fn on_behind(&self, state: &NodeState<S>, src: Id, epoch: u64, out: &mut Out<RingActor<S, M>>) {
        if epoch < state.view.epoch {
            out.send(src, Msg::Install { view: state.view.clone() });
        }
    }

    /// A newcomer wants what this old replica has. By answering in this epoch it has left the one before.
    fn on_fetch(
        &self,
        id: Id,
        state: &NodeState<S>,
        src: Id,
        (span, after): (Span, Option<(u64, kv::Key)>),
        out: &mut Out<RingActor<S, M>>,
    ) {
        if !state.view.old.replicas(span.upto).contains(&id) {
            return;
        }
        let last = Key::Register(span.upto, kv::Key::from(vec![0xff; MAX_KEY_BYTES]));
        let first = Key::Register(span.from, kv::Key::from(""));
        let place = after.clone().map(|(at, key)| Key::Register(at, key));
        let from = place.as_ref().map_or(Bound::Included(&first), Bound::Excluded);
        let found = state.store.scan(from, Bound::Included(&last), CHUNK + 1);
        let more = found.len() > CHUNK;
        let rows = found.into_iter().take(CHUNK).filter_map(|(key, row)| match (key, row) {
            (Key::Register(_, key), Row::Register(register)) => {
                let Register { accepted, voted, content, .. } = register;
                Some(Copied { key, accepted, voted, content })
            }
            _ => None,
        });
        let (rows, floors, epoch) = (rows.collect(), state.floors, state.view.epoch);
        out.send(src, Msg::Rows { epoch, span, after, rows, more, floors });
    }

    /// An old replica gives what it has: merge it.
    fn on_rows(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        src: Id,
        (span, after): (Span, Option<(u64, kv::Key)>),
        (rows, more, floors): (Vec<Copied>, bool, Floors),
        out: &mut Out<RingActor<S, M>>,
    ) {
        let Some(transfer) = state.transfers.get(&span.upto) else {
            return;
        };
        if transfer.from != span.from
            || transfer.done.contains(&src)
            || transfer.partly.get(&src) != after.as_ref()
            || !state.view.old.replicas(span.upto).contains(&src)
        {
            return;
        }
        let is_first = transfer.done.is_empty() && transfer.partly.keys().all(|one| *one == src);
        let mut transfer = transfer.clone();
        let state = state.to_mut();
        let last = rows.last().map(|row| (position(&row.key), row.key.clone()));
        state.merge(span, after, if more { last.clone() } else { None }, rows, is_first);
        if self.mechanisms.has(Mechanism::FloorsFetched) {
            state.floors.raise(&floors);
            state.store.put(Key::Floors, Row::Floors(state.floors));
        }
        match last.filter(|_| more) {
            Some(last) => {
                transfer.partly.insert(src, last);
            }
            None => {
                transfer.partly.remove(&src);
                transfer.done.insert(src);
            }
        }
        state.keep_transfer(id, span.upto, transfer, self.fetch_quorum());
        out.save(state.store.clone());
        if state.transfers.is_empty() {
            self.report(state, out);
        } else if more && let Some(transfer) = state.transfers.get(&span.upto) {
            let after = transfer.partly.get(&src).cloned();
            out.send(src, Msg::Fetch { epoch: state.view.epoch, span, after });
        }
    }

    pub(super) fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        timer: &Timer,
        out: &mut Out<RingActor<S, M>>,
    ) {
        match timer {
            Timer::Sweep => self.on_sweep_timer(id, state, out),
            Timer::Fetch if !state.view.is_stable() => {
                out.set_timer(Timer::Fetch, self.timeouts.fetch.clone());
                self.fetch_on(id, state, out);
            }
            _ => {}
        }
    }

    /// Shows tombstones to the other replicas: those that it has not accepted a promise beyond.
    fn on_sweep_timer(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if let Some(sweep) = &self.timeouts.sweep {
            out.set_timer(Timer::Sweep, sweep.clone());
        }
        if !state.view.is_stable() {
            return;
        }
        let epoch = state.view.epoch;
        let (first, last) = (Key::Tombstone(0, "".into()), Key::Register(0, "".into()));
        let tombstones = state.store.scan(Bound::Included(&first), Bound::Excluded(&last), SWEPT);
        for (key, _) in tombstones {
            let Key::Tombstone(at, key) = key else { continue };
            let Register { accepted: ballot, content, .. } = state.register(at, &key);
            let replicas = state.view.replicas(at);
            if !replicas.contains(&id) {
                continue;
            }
            if state.sweeping.get(&key).is_none_or(|(swept, _)| *swept != ballot) {
                let sweeping = &mut state.to_mut().sweeping;
                sweeping.insert(key.clone(), (ballot, BTreeSet::new()));
            }
            for replica in replicas.into_iter().filter(|replica| *replica != id) {
                let (key, content) = (key.clone(), content.clone());
                out.send(replica, Msg::Sweep { epoch, key, ballot, content });
            }
        }
    }

    /// Asks for what is still missing; or, if nothing is, reports.
    fn fetch_on(&self, id: Id, state: &NodeState<S>, out: &mut Out<RingActor<S, M>>) {
        if state.transfers.is_empty() {
            return self.report(state, out);
        }
        let epoch = state.view.epoch;
        for (upto, transfer) in &state.transfers {
            let span = Span { from: transfer.from, upto: *upto };
            for source in state.view.old.replicas(*upto) {
                if source != id && !transfer.done.contains(&source) {
                    let after = transfer.partly.get(&source).cloned();
                    out.send(source, Msg::Fetch { epoch, span, after });
                }
            }
        }
    }

    fn report(&self, state: &NodeState<S>, out: &mut Out<RingActor<S, M>>) {
        out.broadcast(&self.coordinators, &Msg::Stabilized { epoch: state.view.epoch });
    }

    /// Whether this node answers gateways for what is at a position: it is a replica in either ring, and
    /// has fetched what it must.
    fn serves(&self, id: Id, state: &NodeState<S>, at: u64) -> bool {
        let is_fetching = |(upto, transfer): (&u64, &Transfer)| transfer.from <= at && at <= *upto;
        state.view.replicas(at).contains(&id) && !state.transfers.iter().any(is_fetching)
    }

    /// The promise because of which a ballot is refused. Under a floor, also an equal one is: a register
    /// that was purged must not come back by a duplicate.
    fn outranks(
        &self,
        state: &NodeState<S>,
        at: u64,
        key: &kv::Key,
        register: &Register,
        ballot: Ballot,
    ) -> Option<Ballot> {
        let with_epoch = self.mechanisms.has(Mechanism::BallotEpoch);
        let rank = |ballot: Ballot| if with_epoch { ballot } else { Ballot { epoch: 0, ..ballot } };
        let promised = register.promised;
        let is_equal = promised == ballot && !state.has(at, key);
        (rank(promised) > rank(ballot) || is_equal).then_some(promised)
    }

    /// How many old replicas a fetch needs: a majority, or, in a mutant, any.
    fn fetch_quorum(&self) -> fn(&[Id], &BTreeSet<Id>) -> bool {
        if self.mechanisms.has(Mechanism::FetchMajority) {
            |old, done| is_majority(old, |id| done.contains(&id))
        } else {
            |_, done| !done.is_empty()
        }
    }

    /// Old epochs stay old.
    pub(super) fn is_obsolete(&self, _: Id, state: &NodeState<S>, src: Id, msg: &Msg) -> bool {
        match msg {
            Msg::Install { view } => view.epoch <= state.view.epoch,
            Msg::Rows { epoch, span, after, .. } if *epoch == state.view.epoch => {
                let transfer = state.transfers.get(&span.upto);
                transfer.is_none_or(|transfer| {
                    transfer.done.contains(&src) || transfer.partly.get(&src) > after.as_ref()
                })
            }
            _ => false,
        }
    }

    /// What an older epoch, or a ballot up to the one promised, asks for changes nothing for ever. Of the
    /// answers a refusal stands for all: a proposer to whom that is obsolete has left the ballot.
    pub(super) fn spent(&self, _: Id, state: &NodeState<S>, _: Id, msg: &Msg) -> Option<Msg> {
        let sound = [
            Mechanism::EpochCheck,
            Mechanism::PromiseKept,
            Mechanism::PromiseDurable,
            Mechanism::BallotFloor,
            Mechanism::BallotEpoch,
        ];
        if !sound.into_iter().all(|mechanism| self.mechanisms.has(mechanism)) {
            return None;
        }
        let install = || Msg::Install { view: state.view.clone() };
        let Some(epoch) = epoch_of(msg) else {
            return matches!(msg, Msg::Behind { .. }).then(install);
        };
        if epoch != state.view.epoch {
            return (epoch < state.view.epoch).then(install);
        }
        match msg {
            Msg::Read { epoch, id, .. } => {
                let (accepted, value) = (Ballot::default(), None);
                Some(Msg::Vote { epoch: *epoch, id: *id, accepted, voted: true, value })
            }
            Msg::Prepare { id, key, ballot } => {
                let promised = state.register(position(key), key).promised;
                let (id, ballot) = (*id, *ballot);
                (promised >= ballot).then_some(Msg::Refuse { id, ballot, promised })
            }
            Msg::Accept { id, key, ballot, .. } => {
                let Register { promised, accepted, voted, .. } = state.register(position(key), key);
                let (id, ballot) = (*id, *ballot);
                (promised > ballot || (accepted == ballot && voted)).then_some(Msg::Refuse {
                    id,
                    ballot,
                    promised,
                })
            }
            Msg::Fetch { epoch, span, after } => Some(Msg::Rows {
                epoch: *epoch,
                span: *span,
                after: after.clone(),
                rows: Vec::new(),
                more: false,
                floors: Floors::default(),
            }),
            _ => None,
        }
    }
}

impl<S: Store<Key, Row>> NodeState<S> {
    /// What this node holds of a key; how a missing register reads, if it holds nothing.
    pub fn register(&self, at: u64, key: &kv::Key) -> Register {
        match self.store.get(&Key::Register(at, key.clone())) {
            Some(Row::Register(register)) => register,
            _ => Register::missing(&self.floors),
        }
    }

    fn has(&self, at: u64, key: &kv::Key) -> bool {
        self.store.get(&Key::Register(at, key.clone())).is_some()
    }

    /// Forgets all registers of a span.
    fn forget(&mut self, span: Span) {
        let longest = kv::Key::from(vec![0xff; MAX_KEY_BYTES]);
        let first = Key::Register(span.from, "".into());
        let last = Key::Register(span.upto, longest);
        let rows = self.store.scan(Bound::Included(&first), Bound::Included(&last), usize::MAX);
        for (key, _) in rows {
            self.store.delete(&key);
            if let Key::Register(at, key) = key {
                self.store.delete(&Key::Tombstone(at, key));
            }
        }
    }

    /// Keeps how far a span is; forgets it when a quorum has given everything.
    fn keep_transfer(
        &mut self,
        id: Id,
        upto: u64,
        transfer: Transfer,
        is_enough: fn(&[Id], &BTreeSet<Id>) -> bool,
    ) {
        let old = self.view.old.replicas(upto);
        debug_assert!(self.view.new.replicas(upto).contains(&id), "only new replicas fetch");
        if is_enough(&old, &transfer.done) {
            self.transfers.remove(&upto);
            self.store.delete(&Key::Transfer(upto));
        } else {
            self.store.put(Key::Transfer(upto), Row::Transfer(transfer.clone()));
            self.transfers.insert(upto, transfer);
        }
    }

    /// Merges a part of what one old replica has, from `after` up to `last`: of each key the content with
    /// the highest ballot. It is a vote only if every answer so far shows this ballot, voted.
    fn merge(
        &mut self,
        span: Span,
        after: Option<(u64, kv::Key)>,
        last: Option<(u64, kv::Key)>,
        rows: Vec<Copied>,
        is_first: bool,
    ) {
        let longest = kv::Key::from(vec![0xff; MAX_KEY_BYTES]);
        let first = Key::Register(span.from, "".into());
        let after = after.map(|(at, key)| Key::Register(at, key));
        let from = after.as_ref().map_or(Bound::Included(&first), Bound::Excluded);
        let last =
            last.map_or(Key::Register(span.upto, longest), |(at, key)| Key::Register(at, key));
        let held = self.store.scan(from, Bound::Included(&last), usize::MAX);
        let given: BTreeMap<kv::Key, Copied> = (rows.into_iter())
            .filter(|row| row.accepted > Ballot::default())
            .map(|row| (row.key.clone(), row))
            .collect();
        for (key, row) in held {
            let (Key::Register(_, key), Row::Register(mut register)) = (key, row) else { continue };
            if !given.contains_key(&key) && register.voted && register.accepted > Ballot::default()
            {
                register.voted = false;
                put(&mut self.store, &key, register);
            }
        }
        for (key, Copied { accepted, voted, content, .. }) in given {
            let held = match self.store.get(&Key::Register(position(&key), key.clone())) {
                Some(Row::Register(register)) => Some(register),
                _ => None,
            };
            let register = match held {
                None => {
                    Register { promised: accepted, accepted, voted: voted && is_first, content }
                }
                Some(mut register) => {
                    register.voted &= voted && register.accepted == accepted;
                    if accepted > register.accepted {
                        register.promised = register.promised.max(accepted);
                        (register.accepted, register.content) = (accepted, content);
                    }
                    register
                }
            };
            put(&mut self.store, &key, register);
        }
    }
}

/// Writes a register, and keeps the table of tombstones.
fn put<S: Store<Key, Row>>(store: &mut S, key: &kv::Key, register: Register) {
    let at = position(key);
    let tombstone = Key::Tombstone(at, key.clone());
    if register.is_tombstone() {
        store.put(tombstone, Row::Tombstone);
    } else {
        store.delete(&tombstone);
    }
    store.put(Key::Register(at, key.clone()), Row::Register(register));
}

/// What a mutant does when it starts.
fn forget_promises<S: Store<Key, Row>>(store: &mut S) {
    let rows =
        store.scan(Bound::Included(&Key::Register(0, "".into())), Bound::Unbounded, usize::MAX);
    for (key, row) in rows {
        if let Row::Register(register) = row {
            let promised = register.accepted;
            store.put(key, Row::Register(Register { promised, ..register }));
        }
    }
}

/// The epoch of a message that is served in its epoch only.
fn epoch_of(msg: &Msg) -> Option<u64> {
    match msg {
        Msg::Read { epoch, .. }
        | Msg::Sweep { epoch, .. }
        | Msg::Held { epoch, .. }
        | Msg::Fetch { epoch, .. }
        | Msg::Rows { epoch, .. } => Some(*epoch),
        Msg::Prepare { ballot, .. } | Msg::Accept { ballot, .. } => Some(ballot.epoch),
        _ => None,
    }
}
