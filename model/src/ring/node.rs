//! The node: an acceptor of the registers in its ranges.
//!
//! Every handler refuses first, and changes state last: persist, then speak. What a newcomer does
//! is in `node/fetch.rs`, how deleted keys are forgotten in `node/sweep.rs`, how keys are listed in
//! `node/list.rs`, how what was missed is made good in `node/repair.rs`.

mod fetch;
mod list;
mod repair;
mod sweep;

pub use fetch::SPANS;

use super::bounds::is_believable;
use super::place::position;
use super::{
    Ballot, Floors, Key, Msg, Register, Report, RingActor, RingState, Row, Timeouts, Timer,
    Transfer, View,
};
use crate::coordinator;
use crate::coordinator::msg::{Ask, Install};
use crate::kv;
use crate::mechanism::{Intact, Mechanism, Mechanisms};
use crate::ring::msg::{
    Accept, Accepted, Behind, Belong, Compare, Compared, Copies, Fetch, Held, Prepare, Promise,
    Read, Refuse, Rows, Scan, Sweep, Vote, Want,
};
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::ops::Bound;

/// A node, as a value: what it is configured with. Its state is a [`NodeState`].
#[derive(Clone, Debug)]
pub struct Node<S, M = Intact> {
    recent: usize,
    timeouts: Timeouts,
    spans: usize,
    pub(super) mechanisms: M,
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
    /// What it still has to fetch, by the end of the span. Invariant: as in the store; empty in a
    /// stable view.
    pub transfers: BTreeMap<u64, Transfer>,
    /// Which other replicas hold the tombstones that it shows around. Volatile.
    pub sweeping: BTreeMap<kv::Key, (Ballot, BTreeSet<Id>)>,
    /// Where it compares what it holds with its other replicas. Volatile.
    pub walk: Walk,
}

/// Which slice of the circle a node compares with its other replicas: see `node/repair.rs`.
#[derive(Clone, Debug, Default, Hash, PartialEq)]
pub struct Walk {
    /// Behind which register the slice begins; `None` where the circle does.
    pub from: Option<(u64, kv::Key)>,
    /// With which register it ends; `None` where the circle does, and with it the round.
    pub upto: Option<(u64, kv::Key)>,
    /// Whether copies have come in since: it is compared again.
    pub copied: bool,
    /// How often it was compared again.
    pub again: u8,
}

impl<S: Store<Key, Row>> Node<S> {
    /// A node; which ring it belongs to is in its store. `recent` says how many operations a
    /// register remembers, the same in the whole cluster.
    pub fn new(recent: usize, timeouts: Timeouts) -> Self {
        Self::with(recent, timeouts, Intact)
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
    pub fn with(recent: usize, timeouts: Timeouts, mechanisms: M) -> Self {
        Node { recent, timeouts, spans: fetch::SPANS, mechanisms, store: PhantomData }
    }

    /// The same, fetching so many spans at a time: at least one.
    pub fn fetching(self, spans: usize) -> Self {
        Node { spans: spans.max(1), ..self }
    }

    /// Resumes from the store. A node without one refuses to run: it cannot tell a new disk from a
    /// lost one, and would have forgotten what it promised.
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
        if self.mechanisms.lacks(Mechanism::PromiseDurable) {
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
        let (sweeping, walk) = (BTreeMap::new(), Walk::default());
        let state = NodeState { store, view, floors, transfers, sweeping, walk };
        if !state.view.is_stable() && !state.view.fetches(id).is_empty() {
            out.set_timer(Timer::Fetch, self.timeouts.fetch.clone());
            self.fetch_on(id, &state, out);
        }
        if let Some(sweep) = &self.timeouts.sweep {
            out.set_timer(Timer::Sweep, sweep.clone());
        }
        if self.timeouts.repair.is_some() {
            out.set_timer(Timer::Repair, self.timeouts.slice.clone());
        }
        if !state.view.coordinators.is_empty() {
            self.follow(id, &state, out);
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
        if !is_believable(&msg) {
            return;
        }
        if let Some(epoch) = epoch_of(&msg)
            && epoch != state.view.epoch
            && self.mechanisms.has(Mechanism::RingEpochCheck)
        {
            let is_answer =
                matches!(msg, Msg::Held(_) | Msg::Rows(_) | Msg::Compared(_) | Msg::Copies(_));
            return self.on_other_epoch(state, src, epoch, is_answer, out);
        }
        match msg {
            Msg::Read(read) => self.on_read(id, state, src, read, out),
            Msg::Prepare(prepare) => self.on_prepare(id, state, src, prepare, out),
            Msg::Accept(accept) => self.on_accept(id, state, src, accept, out),
            Msg::Sweep(sweep) => self.on_sweep(id, state, src, sweep, out),
            Msg::Held(held) => self.on_held(id, state, src, held, out),
            Msg::Belong(belong) => self.on_belong(id, state, belong, out),
            Msg::Views(msg) => self.on_views(id, state, src, msg, out),
            Msg::Fetch(fetch) => self.on_fetch(id, state, src, fetch, out),
            Msg::Rows(rows) => self.on_rows(id, state, src, rows, out),
            Msg::Scan(scan) => self.on_scan(id, state, src, scan, out),
            Msg::Compare(compare) => self.on_compare(id, state, src, compare, out),
            Msg::Compared(compared) => self.on_compared(id, state, src, compared, out),
            Msg::Want(want) => self.on_want(id, state, src, want, out),
            Msg::Copies(copies) => self.on_copies(id, state, src, copies, out),
            Msg::Behind(behind) => self.on_behind(id, state, behind, out),
            // Not for nodes.
            Msg::Opened(_)
            | Msg::Invoke(_)
            | Msg::Return(_)
            | Msg::Vote(_)
            | Msg::Promise(_)
            | Msg::Accepted(_)
            | Msg::Refuse(_)
            | Msg::Scanned(_)
            | Msg::Members(_) => {}
        }
    }

    /// A coordinator knows a view, or another actor asks for it.
    fn on_views(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        src: Id,
        msg: coordinator::MsgOf<View>,
        out: &mut Out<RingActor<S, M>>,
    ) {
        match msg {
            coordinator::Msg::Install(install) => self.on_install(id, state, install, out),
            coordinator::Msg::Ask(ask) => self.on_ask(state, src, ask, out),
            // Not for nodes.
            coordinator::Msg::Heartbeat(_)
            | coordinator::Msg::Lease(_)
            | coordinator::Msg::Report(_)
            | coordinator::Msg::Prepare(_)
            | coordinator::Msg::Promise(_)
            | coordinator::Msg::Accept(_)
            | coordinator::Msg::Accepted(_) => {}
        }
    }

    /// A message of another epoch is not served. An actor that asks and is behind is told.
    fn on_other_epoch(
        &self,
        state: &NodeState<S>,
        src: Id,
        epoch: u64,
        is_answer: bool,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if epoch < state.view.epoch {
            if !is_answer {
                out.send(src, install(&state.view));
            }
        } else {
            let epoch = state.view.epoch;
            out.send(src, Msg::Views(coordinator::Msg::Ask(Ask { epoch })));
        }
    }

    /// A gateway reads: what was accepted here last, and whether that is a vote.
    fn on_read(
        &self,
        id: Id,
        state: &NodeState<S>,
        src: Id,
        Read { epoch, id: op_id, key }: Read,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let at = position(&key);
        if !self.serves(id, state, at) {
            return;
        }
        let Register { accepted, voted, content, .. } = state.register(at, &key);
        let voted = voted || self.mechanisms.lacks(Mechanism::CopyIsNoVote);
        let value = content.value;
        out.send(src, Msg::Vote(Vote { epoch, id: op_id, accepted, voted, value }));
    }

    /// A gateway begins an attempt: promise to accept nothing lower.
    fn on_prepare(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        src: Id,
        Prepare { id: op_id, key, ballot }: Prepare,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let at = position(&key);
        if !self.serves(id, state, at) {
            return;
        }
        let mut register = state.register(at, &key);
        if let Some(promised) = self.outranks(state, at, &key, &register, ballot) {
            return out.send(src, Msg::Refuse(Refuse { id: op_id, ballot, promised }));
        }
        let Register { accepted, voted, ref content, .. } = register;
        let voted = voted || self.mechanisms.lacks(Mechanism::CopyIsNoVote);
        let content = content.clone();
        if register.promised != ballot {
            register.promised = ballot;
            let state = state.to_mut();
            put(&mut state.store, &key, register);
            out.save(state.store.clone());
        }
        out.send(src, Msg::Promise(Promise { id: op_id, ballot, accepted, voted, content }));
    }

    /// A gateway proposes: accept it, unless a higher ballot was promised.
    fn on_accept(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        src: Id,
        Accept { id: op_id, key, ballot, content }: Accept,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let at = position(&key);
        if !self.serves(id, state, at) {
            return;
        }
        let register = state.register(at, &key);
        let accepted = Msg::Accepted(Accepted { id: op_id, ballot });
        if register.accepted == ballot && register.voted {
            return out.send(src, accepted);
        }
        let higher = self.outranks(state, at, &key, &register, ballot);
        if let Some(promised) = higher
            && (self.mechanisms.has(Mechanism::PromiseKept) || ballot < register.accepted)
        {
            return out.send(src, Msg::Refuse(Refuse { id: op_id, ballot, promised }));
        }
        let promised = register.promised.max(ballot);
        let state = state.to_mut();
        let register = Register { promised, accepted: ballot, voted: true, content };
        put(&mut state.store, &key, register);
        out.save(state.store.clone());
        out.send(src, accepted);
    }

    /// A view was decided. Persist it, and begin to fetch what it gives to this node.
    fn on_install(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        Install { view }: Install<View>,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if view.epoch <= state.view.epoch {
            return;
        }
        let state = state.to_mut();
        let last = std::mem::replace(&mut state.view, view);
        state.store.put(Key::View, Row::View(state.view.clone()));
        state.sweeping.clear();
        state.walk = Walk::default();
        for upto in std::mem::take(&mut state.transfers).into_keys() {
            state.store.delete(&Key::Transfer(upto));
        }
        let spans = state.view.fetches(id);
        let is_newcomer = !spans.is_empty();
        for span in spans {
            if self.mechanisms.lacks(Mechanism::FetchEachView) && last.must_fetch(span.upto, id) {
                continue;
            }
            // An old replica that has to fetch, where sets of unequal size meet, is one of its own
            // sources.
            let is_source = state.view.old_replicas(span.upto).contains(&id);
            let transfer = Transfer { from: span.from, ..Transfer::default() };
            if is_source {
                let transfer = Transfer { begun: true, done: BTreeSet::from([id]), ..transfer };
                state.keep_transfer(id, span.upto, transfer, self.fetch_quorum());
            } else {
                state.put_transfer(span.upto, transfer);
            }
        }
        self.begin(id, state);
        out.save(state.store.clone());
        if is_newcomer {
            out.set_timer(Timer::Fetch, self.timeouts.fetch.clone());
            self.fetch_on(id, state, out);
        } else {
            out.cancel_timer(Timer::Fetch);
        }
    }

    /// An actor that this node spoke to has not heard of its view.
    fn on_ask(&self, state: &NodeState<S>, src: Id, ask: Ask, out: &mut Out<RingActor<S, M>>) {
        if ask.epoch < state.view.epoch {
            out.send(src, install(&state.view));
        }
    }

    /// An operator wants this node in the ring, or out of it: that is remembered, and seen to.
    fn on_belong(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        Belong { wanted }: Belong,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if state.is_wanted() == wanted {
            return;
        }
        let state = state.to_mut();
        state.store.put(Key::Wanted, Row::Wanted(wanted));
        out.save(state.store.clone());
        self.follow(id, state, out);
    }

    /// Asks for the newest view, and to come or to go.
    fn follow(&self, id: Id, state: &NodeState<S>, out: &mut Out<RingActor<S, M>>) {
        let coordinators = &state.view.coordinators;
        let epoch = state.view.epoch;
        out.broadcast(coordinators, &Msg::Views(coordinator::Msg::Ask(Ask { epoch })));
        let report = match (state.is_wanted(), state.view.new.has(id)) {
            (true, false) => Some(Report::Join),
            (false, true) => Some(Report::Leave),
            _ => None,
        };
        if let Some(report) = report {
            out.broadcast(coordinators, &Msg::Views(coordinator::Msg::Report(report)));
        }
        out.set_timer(Timer::Follow, self.timeouts.follow.clone());
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
            Timer::Repair => self.on_repair_timer(id, state, out),
            Timer::Follow if self.mechanisms.has(Mechanism::NodesFollow) => {
                self.follow(id, state, out);
            }
            Timer::Fetch
                if !state.view.is_stable() && self.mechanisms.has(Mechanism::FetchesAgain) =>
            {
                out.set_timer(Timer::Fetch, self.timeouts.fetch.clone());
                self.fetch_on(id, state, out);
            }
            Timer::Fetch => {}  // its view is stable: there is nothing to fetch
            Timer::Follow => {} // in a mutant
            // Not a node's.
            Timer::Resend(_)
            | Timer::Backoff(_)
            | Timer::Deadline(_)
            | Timer::Views(_)
            | Timer::Members(_)
            | Timer::Decide(_) => {}
        }
    }

    /// Whether this node answers gateways for what is at a position: it is a replica in either
    /// ring, and has fetched what it must.
    fn serves(&self, id: Id, state: &NodeState<S>, at: u64) -> bool {
        let is_fetching = |(upto, transfer): (&u64, &Transfer)| transfer.from <= at && at <= *upto;
        state.view.replicas(at).contains(&id)
            && (self.mechanisms.lacks(Mechanism::FetchThenVote)
                || !state.transfers.iter().any(is_fetching))
    }

    /// The promise because of which a ballot is refused. Under a floor, also an equal one is: a
    /// register that was purged must not come back by a duplicate.
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
}

impl<S: Store<Key, Row>> NodeState<S> {
    /// What this node holds of a key; how a missing register reads, if it holds nothing.
    pub fn register(&self, at: u64, key: &kv::Key) -> Register {
        match self.store.get(&Key::Register(at, key.clone())) {
            Some(Row::Register(register)) => register,
            _ => Register::missing(&self.floors),
        }
    }

    /// Whether it is to be a member, as far as an operator has said.
    fn is_wanted(&self) -> bool {
        !matches!(self.store.get(&Key::Wanted), Some(Row::Wanted(false)))
    }

    fn has(&self, at: u64, key: &kv::Key) -> bool {
        self.store.get(&Key::Register(at, key.clone())).is_some()
    }
}

/// What is said to an actor that does not know this view.
pub(super) fn install(view: &View) -> Msg {
    Msg::Views(coordinator::Msg::Install(Install { view: view.clone() }))
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
        Msg::Read(Read { epoch, .. })
        | Msg::Sweep(Sweep { epoch, .. })
        | Msg::Held(Held { epoch, .. })
        | Msg::Fetch(Fetch { epoch, .. })
        | Msg::Rows(Rows { epoch, .. })
        | Msg::Compare(Compare { epoch, .. })
        | Msg::Compared(Compared { epoch, .. })
        | Msg::Want(Want { epoch, .. })
        | Msg::Copies(Copies { epoch, .. })
        | Msg::Behind(Behind { epoch, .. })
        | Msg::Scan(Scan { epoch, .. }) => Some(*epoch),
        Msg::Prepare(Prepare { ballot, .. }) | Msg::Accept(Accept { ballot, .. }) => {
            Some(ballot.epoch)
        }
        Msg::Opened(_)
        | Msg::Invoke(_)
        | Msg::Return(_)
        | Msg::Vote(_)
        | Msg::Promise(_)
        | Msg::Accepted(_)
        | Msg::Refuse(_)
        | Msg::Scanned(_)
        | Msg::Belong(_)
        | Msg::Views(_)
        | Msg::Members(_) => None,
    }
}
