//! A replica of a chain.
//!
//! The protocol is van Renesse & Schneider's (OSDI '04): updates enter at the head, each replica
//! passes them on to its successor in the order of its log, the tail commits, and acknowledgements
//! travel back. Reads of *clean* keys are answered by every replica (Terrace & Freedman, ATC '09):
//! a key is clean when no entry above `committed` touches it. A committed update has passed every
//! replica, so at each it is either applied already, or still in the window, and then the key is
//! dirty and the read goes to the tail. A dirty key is never answered locally.
//!
//! Six decisions to know before reading on:
//!
//! - **Entries are operations, and they apply when they commit, never before.** A replica's data is
//!   the outcome of a prefix of one history, so no replica ever rolls data back, and an outcome is
//!   the same everywhere.
//! - **Exactly once.** An operation's identity is `(gateway, incarnation, lane, seq)`. The head
//!   admits it only if its `(incarnation, seq)` is greater than the newest of its lane in log *and*
//!   operation table. What is committed is answered with its recorded outcome; what is in the log
//!   is under way and needs nothing; all else is stale. (Lanes are compared one by one and are
//!   never forgotten, so an operation of an older incarnation in a lane that the newer one has not
//!   used may still be admitted, once. Its client was told that it is unknown, and so it is.)
//! - **Links lose, duplicate and reorder.** Updates are taken at `last + 1` only. A gap is asked
//!   for when it appears, and what came too early is asked for when the gap is filled, once each; a
//!   duplicate is acknowledged with the receiver's *own* `committed`; and a timer sends the window
//!   again, at growing intervals, while the successor is silent. Losing any one message loses
//!   nothing.
//! - **The window is bounded.** A head whose window is full logs nothing more. So a chain whose
//!   tail is away for a day has not filled a disk, and what did not fit has not happened.
//! - **Copies are awaited.** A head of fewer members than [copies](Replica::copies) are to be kept
//!   logs nothing new: what is acknowledged is on so many disks, and what would have been on fewer
//!   has not happened. (Views with fewer are not decided but where a chain began with fewer, or an
//!   operator said that fewer suffice.)
//! - **Crashes lose what was not saved, and nothing else.** An entry is saved before it is passed
//!   on, so a replica that recovers resumes with the window that its log holds.
//!
//! The rest of a replica is in `replica/`: `reads` has which replica answers them, `views` what
//! happens when the view changes, `teach` and `learn` how a chain grows, at the tail and at the
//! newcomer. Every `Update`, `Missing` and `Ack` carries the epoch; a request carries none.
//!
//! A node's *successor* is the next in the chain; of a tail that has handed over to a learner it is
//! the learner, and the learner's *predecessor* is the tail. A replica without a successor is the
//! *last in deed*: it commits on receipt, and replies.

mod learn;
mod reads;
mod teach;
mod views;

pub use learn::Place;
pub use reads::SCAN_KEYS;

use super::bounds::is_believable;
use super::{
    ChainActor, ChainState, Entry, Key, Lease, Msg, Report, Row, Timeouts, Timer, View, Window,
};
use crate::chain::msg::{Ack, Missing, Redirect, Reply, Request, Scan, ScanFor, Update};
use crate::coordinator;
use crate::kv::{self, Op, OpId, Outcome};
use crate::mechanism::{Intact, Mechanism, Mechanisms};
use crate::store::Store;
use serde::{Deserialize, Serialize};
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::{Bound, Range};

/// How many entries are sent again at a time, so that a long window does not flood the link.
const RESEND_ENTRIES: usize = 256;

/// How many bytes of keys and values are sent again at a time, beyond the first entry's.
const RESEND_BYTES: usize = 256 << 10;

/// How many rows that were retained go with each that is committed, where there are too many.
const TRIM_ROWS: usize = 2;

/// How many rows a tail sends, and a learner removes, at a time.
const PART_ROWS: usize = 4096;

/// How many bytes of keys and values that is at the most, beyond the first row's.
const PART_BYTES: usize = 256 << 10;

/// How many entries a head logs before the first of them is committed.
const WINDOW_ENTRIES: usize = 4096;

/// How many bytes of keys and values a head logs before the first of them is committed.
const WINDOW_BYTES: usize = 64 << 20;

/// A replica of a chain, as a value: what it is configured with. Its state is a [`ReplicaState`].
#[derive(Clone, Debug)]
pub struct Replica<S, M = Intact> {
    pub(super) timeouts: Timeouts,
    window_entries: usize,
    part_rows: usize,
    retain_bytes: usize,
    copies: usize,
    alone_with_lease: bool,
    pub(super) mechanisms: M,
    store: PhantomData<S>,
}

/// What a replica knows.
#[derive(Clone, Debug, Hash, PartialEq)]
pub struct ReplicaState<S> {
    /// All that survives a crash. Invariant: equal to what was last saved, after every handler.
    pub store: S,
    /// Mirrors [`Key::View`]. Invariant: its epoch never goes back.
    pub view: View,
    /// Mirrors [`Key::Committed`]: the data is the outcome of the entries up to here. Invariants:
    /// never goes back; not greater than the successor's.
    pub committed: u64,
    /// Mirrors [`Key::Committed`]: how many client keys are present.
    pub keys: u64,
    /// Mirrors the log above `committed`. Invariants: no gaps; contains what the successor lacks;
    /// empty at the last in deed.
    pub window: Window,
    /// The lowest index of the log that is *retained*: committed, but not known to be caught up
    /// with by the learner, or kept for a member that returns; `committed + 1` where there is none.
    /// Invariant: what the learner lacks of what is committed is in the log. (What no member needs
    /// is removed a part at a time.)
    pub retained: u64,
    /// How much that is.
    pub held: Held,
    /// Mirrors [`Key::Transfer`].
    pub transfer: Option<Transfer>,
    /// The highest update that came too early since the predecessor was last asked; 0 for none.
    pub early: u64,
    /// How often in a row the window was sent again with nothing acknowledged, up to
    /// [`Timeouts::resend_doublings`].
    pub resent: u32,
    /// How often in a row the window was sent again with nothing heard from the successor, up to
    /// [`Timeouts::unheard`].
    pub unheard: u32,
    /// The right to answer reads.
    pub lease: Lease,
}

/// How much of what is committed a replica's log retains.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Held {
    /// In rows.
    pub rows: u64,
    /// In bytes, as [`retained_bytes`] counts them.
    pub bytes: usize,
}

/// What a row of the log counts for where a bound says how many bytes are retained: its key and
/// values, and about what a store needs for the rest.
pub fn retained_bytes(row: &Row) -> usize {
    64 + row.bytes()
}

/// How far a replica is in the extension of its chain.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Transfer {
    /// It is a tail that has handed over to its view's learner: it commits nothing any more but
    /// what the learner has acknowledged.
    HandedOver,
    /// It is a learner.
    Learning {
        /// Of which teaching: the epoch that named it.
        since: u64,
        /// How far its scan is.
        place: Place,
    },
}

/// How an update that asks to be logged stands.
pub(super) enum Admission {
    /// Not seen before: log it.
    Fresh,
    /// In the log: its reply will come.
    Logged,
    /// Committed, with this outcome.
    Committed(Outcome),
    /// Older than something of its lane or gateway: a late duplicate of what no client waits for.
    Stale,
}

impl<S: Store<Key, Row>> Replica<S> {
    /// A replica; which chain it belongs to is in its store.
    pub fn new(timeouts: Timeouts) -> Self {
        Self::with(timeouts, Intact)
    }

    /// Fills a new store, once in its life.
    pub fn init(store: &mut S, view: View) {
        store.put(Key::View, Row::View(view));
        store.put(Key::Committed, Row::Committed { index: 0, keys: 0 });
    }
}

impl<S: Store<Key, Row>, M: Mechanisms> Replica<S, M> {
    /// A replica that has these mechanisms.
    pub fn with(timeouts: Timeouts, mechanisms: M) -> Self {
        Replica {
            timeouts,
            window_entries: WINDOW_ENTRIES,
            part_rows: PART_ROWS,
            retain_bytes: 0,
            copies: 1,
            alone_with_lease: false,
            mechanisms,
            store: PhantomData,
        }
    }

    /// The same, with another bound for its window.
    pub fn window(mut self, entries: usize) -> Self {
        self.window_entries = entries;
        self
    }

    /// The same, sending and removing so many rows at a time in a transfer.
    pub fn parts(mut self, rows: usize) -> Self {
        self.part_rows = rows;
        self
    }

    /// The same, retaining so many bytes of what is committed for members that return; see
    /// [`retained_bytes`].
    pub fn retaining(mut self, bytes: usize) -> Self {
        self.retain_bytes = bytes;
        self
    }

    /// The same, keeping so many copies: a head of fewer members takes nothing new.
    pub fn copies(mut self, copies: usize) -> Self {
        self.copies = copies;
        self
    }

    /// The same, taking and acknowledging updates as an only member only while it has a lease. A
    /// chain can be begun anew without its only member, so all replicas that run are so. Models in
    /// which none is begun anew leave it out: what such a replica does not take, and does not say,
    /// the network may as well have lost.
    pub fn alone_with_lease(mut self) -> Self {
        self.alone_with_lease = true;
        self
    }

    /// Resumes from the store. A replica without one refuses to run: it cannot tell a new disk from
    /// a lost one, and answering from a lost one would be answering "absent".
    pub(super) fn on_start(
        &self,
        id: Id,
        storage: &Option<S>,
        out: &mut Out<ChainActor<S, M>>,
    ) -> ChainState<S> {
        let Some(mut store) = storage.clone() else {
            return ChainState::Stopped;
        };
        let (Some(Row::View(view)), Some(Row::Committed { index: committed, keys })) =
            (store.get(&Key::View), store.get(&Key::Committed))
        else {
            return ChainState::Stopped;
        };
        let transfer = match store.get(&Key::Transfer) {
            Some(Row::Transfer(transfer)) => Some(transfer),
            _ => None,
        };
        let mut lease = Lease::default();
        if !view.coordinators.is_empty() {
            let started = match store.get(&Key::Started) {
                Some(Row::Incarnation(started)) => started,
                _ => 0,
            };
            lease.boot = started + 1;
            store.put(Key::Started, Row::Incarnation(lease.boot));
            out.save(store.clone());
        }
        let mut state = ReplicaState {
            store,
            view,
            committed,
            keys,
            window: Window::default(),
            retained: committed + 1,
            held: Held::default(),
            transfer,
            early: 0,
            resent: 0,
            unheard: 0,
            lease,
        };
        if self.mechanisms.has(Mechanism::LogRecovery) {
            state.recover_log();
        }
        if self.mechanisms.lacks(Mechanism::RetainedRecovered) {
            (state.retained, state.held) = (state.committed + 1, Held::default());
        }
        if !state.window.is_empty() && self.mechanisms.has(Mechanism::ResumeAfterRestart) {
            out.set_timer(Timer::Resend, self.timeouts.resend.clone());
        }
        self.recover_transfer(id, &mut state, out);
        self.await_learner(id, &state, out);
        self.heartbeat(id, &mut state, out);
        ChainState::Replica(state)
    }

    pub(super) fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        src: Id,
        msg: Msg,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if !is_believable(&msg) {
            return;
        }
        match msg {
            Msg::Request(request) if request.op.is_read() => self.on_query(id, state, request, out),
            Msg::Request(request) => self.on_request(id, state, request, out),
            Msg::Update(update) => self.on_update(id, state, src, update, out),
            Msg::Missing(missing) => self.on_missing(id, state, src, missing, out),
            Msg::Ack(ack) => self.on_ack(id, state, src, ack, out),
            Msg::Scan(Scan { ticket, after, limit }) => {
                self.on_scan(id, state, ScanFor { client: src, ticket, after, limit }, out)
            }
            Msg::ScanFor(scan) => self.on_scan(id, state, scan, out),
            Msg::Fetch(fetch) => self.on_fetch(id, state, src, fetch, out),
            Msg::Rows(rows) => self.on_rows(id, state, src, rows, out),
            Msg::Caught(caught) => self.on_caught(id, state, src, caught, out),
            Msg::Changes(changes) => self.on_changes(id, state, src, changes, out),
            Msg::Resume(resume) => self.on_resume(id, state, src, resume, out),
            Msg::Resumed(resumed) => self.on_resumed(id, state, src, resumed, out),
            Msg::Views(msg) => self.on_views(id, state, src, msg, out),
            // Not for replicas.
            Msg::Opened(_)
            | Msg::Invoke(_)
            | Msg::Return(_)
            | Msg::Reply(_)
            | Msg::Redirect(_)
            | Msg::Scanned(_) => {}
        }
    }

    /// A gateway asks for an update. The head logs what it has not seen (OSDI '04, section 3).
    fn on_request(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        Request { id: op_id, key, op, .. }: Request,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        let entry = Entry { id: op_id, key, op };
        if state.view.head() != Some(id) {
            let view = state.view.clone();
            return out.send(entry.id.gateway, Msg::Redirect(Redirect { view }));
        }
        if !self.may_acknowledge(id, state) {
            return; // its gateway asks again
        }
        match self.admission(state, &entry.id) {
            Admission::Stale | Admission::Logged => return,
            Admission::Committed(outcome) => {
                if self.mechanisms.has(Mechanism::RecordedOutcome) {
                    let id = entry.id;
                    out.send(id.gateway, Msg::Reply(Reply { id, outcome }));
                }
                return;
            }
            Admission::Fresh => {}
        }
        let awaits = self.mechanisms.has(Mechanism::CopiesAwaited);
        if self.is_full(&state.window) || awaits && !state.view.has_copies(self.copies) {
            return; // its gateway asks again
        }
        let index = state.last() + 1;
        self.take(id, state.to_mut(), index, entry, out);
    }

    /// The predecessor passes an update on.
    fn on_update(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        src: Id,
        Update { epoch, index, entry }: Update,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if self.is_of_another_epoch(state, epoch) || self.predecessor(id, state) != Some(src) {
            return;
        }
        if index <= state.last() {
            // A duplicate: perhaps our acknowledgement was lost. Never more than we have committed.
            let own = self.mechanisms.has(Mechanism::OwnAcknowledgement);
            let index = if own { state.committed } else { index };
            return out.send(src, Msg::Ack(Ack { epoch, index }));
        }
        let next = state.last() + 1;
        if index > next && self.mechanisms.has(Mechanism::FifoCheck) {
            if state.early == 0 {
                out.send(src, Msg::Missing(Missing { epoch, next }));
            }
            if index > state.early {
                state.to_mut().early = index;
            }
            return;
        }
        let state = state.to_mut();
        self.take(id, state, index, entry, out);
        let early = std::mem::take(&mut state.early);
        if early > index {
            out.send(src, Msg::Missing(Missing { epoch, next: index + 1 }));
        }
    }

    /// The successor lacks entries: send them again. It can lack nothing that is committed.
    fn on_missing(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        src: Id,
        Missing { epoch, next }: Missing,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if epoch != state.view.epoch || self.successor(id, state) != Some(src) {
            return;
        }
        is_heard(state);
        if next > state.committed {
            self.resend(src, state, next, out);
        }
    }

    /// The successor has committed everything up to `index`; so do we, and tell our predecessor.
    fn on_ack(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        src: Id,
        Ack { epoch, index }: Ack,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if self.is_of_another_epoch(state, epoch) || self.successor(id, state) != Some(src) {
            return;
        }
        is_heard(state);
        if index <= state.committed || index > state.last() {
            return;
        }
        let state = state.to_mut();
        state.resent = 0;
        while let Some((index, entry)) = state.window.pop(index) {
            self.commit(id, state, index, &entry, false);
        }
        state.save_committed(out);
        if let Some(predecessor) = state.view.predecessor(id) {
            out.send(predecessor, Msg::Ack(Ack { epoch, index }));
        }
        if state.window.is_empty() {
            out.cancel_timer(Timer::Resend);
        } else {
            out.set_timer(Timer::Resend, self.timeouts.resend.clone());
        }
    }

    pub(super) fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        timer: &Timer,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        match timer {
            Timer::Resend => self.on_resend(id, state, out),
            Timer::Learn => self.on_learn(id, state, out),
            Timer::Silence => self.on_silence(id, state, out),
            Timer::Heartbeat => self.heartbeat(id, state.to_mut(), out),
            Timer::Lapse(slot) => state.to_mut().lease.lapse(*slot),
            // Not a replica's.
            Timer::Retry(_) | Timer::Deadline(_) | Timer::Follow | Timer::Views(_) => {}
        }
    }

    /// The successor has acknowledged nothing for a while.
    fn on_resend(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        let Some(successor) = self.successor(id, state) else {
            return;
        };
        if state.window.is_empty() {
            return;
        }
        let factor = 1 << state.resent.min(16);
        let Range { start, end } = self.timeouts.resend.clone();
        out.set_timer(Timer::Resend, start * factor..end * factor);
        if self.mechanisms.has(Mechanism::Retransmission) {
            self.resend(successor, state, 0, out);
        }
        if state.resent < self.timeouts.resend_doublings {
            state.to_mut().resent += 1;
        }
        if let Some(patience) = self.timeouts.unheard {
            if state.unheard < patience {
                state.to_mut().unheard += 1;
            } else {
                self.complain(state, out);
            }
        }
    }

    /// Reports that nothing is heard from the next one in the chain.
    fn complain(&self, state: &ReplicaState<S>, out: &mut Out<ChainActor<S, M>>) {
        if self.mechanisms.lacks(Mechanism::SilenceReported) {
            return;
        }
        let epoch = state.view.epoch;
        let silent = Msg::Views(coordinator::Msg::Report(Report::Silent { epoch }));
        out.broadcast(&state.view.coordinators, &silent);
    }

    fn is_of_another_epoch(&self, state: &ReplicaState<S>, epoch: u64) -> bool {
        epoch != state.view.epoch && self.mechanisms.has(Mechanism::EpochCheck)
    }

    /// The successor of this replica, in deed.
    pub(super) fn successor(&self, id: Id, state: &ReplicaState<S>) -> Option<Id> {
        let commits = self.mechanisms.has(Mechanism::LearnerCommits);
        let handed_over = || state.has_handed_over(id) && commits;
        let learner = || handed_over().then(|| state.view.learner()).flatten();
        state.view.successor(id).or_else(learner)
    }

    /// The predecessor of this replica, in deed.
    fn predecessor(&self, id: Id, state: &ReplicaState<S>) -> Option<Id> {
        let tail = || self.takes_updates(id, state).then(|| state.view.tail()).flatten();
        state.view.predecessor(id).or_else(tail)
    }

    /// Takes the entry at `index`: the last in deed commits it, everyone else logs it and passes it
    /// on.
    fn take(
        &self,
        id: Id,
        state: &mut ReplicaState<S>,
        index: u64,
        entry: Entry,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        let epoch = state.view.epoch;
        let predecessor = self.predecessor(id, state);
        let Some(successor) = self.successor(id, state) else {
            let teaches = state.view.learner.is_some() && state.view.tail() == Some(id);
            let outcome = self.commit(id, state, index, &entry, teaches);
            state.save_committed(out);
            let op_id = entry.id;
            out.send(op_id.gateway, Msg::Reply(Reply { id: op_id, outcome }));
            if let Some(predecessor) = predecessor {
                out.send(predecessor, Msg::Ack(Ack { epoch, index }));
            }
            if teaches {
                self.teach(state, index, out);
            }
            return;
        };
        if state.window.is_empty() {
            out.set_timer(Timer::Resend, self.timeouts.resend.clone());
        }
        state.store.put(Key::Log(index), Row::Entry(entry.clone()));
        state.window.push(index, entry.clone());
        out.save(state.store.clone());
        if self.mechanisms.lacks(Mechanism::TailReplies) {
            let (_, outcome) = state.peek(&entry.key, &entry.op);
            let id = entry.id;
            out.send(id.gateway, Msg::Reply(Reply { id, outcome }));
        }
        if let Some(predecessor) = predecessor
            && self.mechanisms.lacks(Mechanism::ApplyThenAcknowledge)
        {
            out.send(predecessor, Msg::Ack(Ack { epoch, index }));
        }
        out.send(successor, Msg::Update(Update { epoch, index, entry }));
    }

    /// Applies an entry. It is retained by a tail that teaches, and by any replica that retains for
    /// members that return: what they need no more goes meanwhile, except where a learner may need
    /// it.
    fn commit(
        &self,
        id: Id,
        state: &mut ReplicaState<S>,
        index: u64,
        entry: &Entry,
        teaches: bool,
    ) -> Outcome {
        let returns = self.retain_bytes > 0;
        let row = (teaches || returns).then(|| {
            if self.mechanisms.has(Mechanism::RowsNotOperations) {
                Row::Touched { id: entry.id, key: entry.key.clone() }
            } else {
                Row::Entry(entry.clone())
            }
        });
        let outcome = state.apply(index, entry, self.lane(&entry.id), row);
        if returns && !self.has_learner(id, state) {
            state.trim(index, self.retain_bytes, TRIM_ROWS);
        }
        outcome
    }

    /// Whether this is a tail that has a learner.
    fn has_learner(&self, id: Id, state: &ReplicaState<S>) -> bool {
        state.view.tail() == Some(id) && state.view.learner.is_some()
    }

    /// Sends the successor the first entries of the window from `next` on.
    fn resend(
        &self,
        successor: Id,
        state: &ReplicaState<S>,
        next: u64,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        let epoch = state.view.epoch;
        let mut bytes = 0;
        for (index, entry) in state.window.from(next).take(RESEND_ENTRIES) {
            if bytes > RESEND_BYTES {
                break;
            }
            bytes += entry.bytes();
            let entry = entry.clone();
            out.send(successor, Msg::Update(Update { epoch, index, entry }));
        }
    }

    /// How many copies it keeps.
    pub fn copies_bound(&self) -> usize {
        self.copies
    }

    /// How many entries the head logs before the first of them is committed.
    pub fn window_bound(&self) -> usize {
        self.window_entries
    }

    fn is_full(&self, window: &Window) -> bool {
        (window.len() >= self.window_entries || window.bytes() >= WINDOW_BYTES)
            && self.mechanisms.has(Mechanism::WindowBound)
    }

    /// The key of an operation's lane in the operation table.
    fn lane(&self, id: &OpId) -> Key {
        let apart = self.mechanisms.has(Mechanism::LanesApart);
        Key::Lane(id.gateway, if apart { id.lane } else { 0 })
    }

    /// Whether the head may log an operation.
    pub(super) fn admission(&self, state: &ReplicaState<S>, id: &OpId) -> Admission {
        if self.mechanisms.lacks(Mechanism::Deduplication) {
            return Admission::Fresh;
        }
        let with_incarnation = self.mechanisms.has(Mechanism::IncarnationCheck);
        let number = |incarnation, seq| (if with_incarnation { incarnation } else { 0 }, seq);
        let newest = |logged: OpId| number(logged.incarnation, logged.seq);
        let this = newest(*id);
        let logged = if self.mechanisms.has(Mechanism::LogAdmission) {
            state.window.newest(id).map(newest)
        } else {
            None
        };
        if logged == Some(this) {
            return Admission::Logged;
        }
        let applied = match state.store.get(&self.lane(id)) {
            Some(Row::Lane { incarnation, seq, outcome }) => {
                let newest = number(incarnation, seq);
                if newest == this {
                    return Admission::Committed(outcome);
                }
                Some(newest)
            }
            _ => None,
        };
        if Some(this) <= logged.max(applied) {
            return Admission::Stale;
        }
        Admission::Fresh
    }
}

impl Held {
    fn add(&mut self, row: &Row) {
        self.rows += 1;
        self.bytes += retained_bytes(row);
    }

    fn remove(&mut self, row: &Row) {
        self.rows = self.rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(retained_bytes(row));
    }
}

/// The successor says something.
fn is_heard<S: Store<Key, Row>>(state: &mut Cow<'_, ReplicaState<S>>) {
    if state.unheard > 0 {
        state.to_mut().unheard = 0;
    }
}

impl<S: Store<Key, Row>> ReplicaState<S> {
    /// Whether what is here is a whole prefix of a history, and what it received beyond: not the
    /// parts of a transfer.
    pub fn is_whole(&self) -> bool {
        match &self.transfer {
            None | Some(Transfer::HandedOver) => true,
            Some(Transfer::Learning { place, .. }) => *place == Place::Resuming,
        }
    }

    /// The index of the newest entry received.
    pub fn last(&self) -> u64 {
        self.window.last().unwrap_or(self.committed)
    }

    /// What an operation would do to the data as applied so far.
    fn peek(&self, key: &kv::Key, op: &Op) -> (Option<kv::Value>, Outcome) {
        op.apply(self.value(key).as_ref())
    }

    /// What a key holds, as applied so far.
    pub fn value(&self, key: &kv::Key) -> Option<kv::Value> {
        match self.store.get(&Key::Data(key.clone())) {
            Some(Row::Data { value, .. }) => Some(value),
            _ => None,
        }
    }

    /// Resumes with the log in the store: what is committed is retained, the rest is the window. (A
    /// learner has no window of its own; what it held before may still be about to be removed.)
    fn recover_log(&mut self) {
        if matches!(self.transfer, Some(Transfer::Learning { place: Place::Emptying, .. })) {
            return;
        }
        let (first, own) = (Key::Log(0), Key::Log(self.committed));
        let mut from = Bound::Included(first.clone());
        loop {
            let page = self.store.scan(from.as_ref(), Bound::Included(&own), PART_ROWS);
            let Some((last, _)) = page.last() else { break };
            from = Bound::Excluded(last.clone());
            for (key, row) in &page {
                if let Key::Log(index) = key {
                    if self.held.rows == 0 {
                        self.retained = *index;
                    }
                    self.held.add(row);
                }
            }
        }
        if matches!(self.transfer, Some(Transfer::Learning { .. })) {
            return;
        }
        let last = Key::Log(u64::MAX); // a window is bounded
        for row in self.store.scan(Bound::Excluded(&own), Bound::Included(&last), usize::MAX) {
            if let (Key::Log(index), Row::Entry(entry)) = row {
                self.window.push(index, entry);
            }
        }
    }

    /// Applies an entry: data, operation table (at `lane`) and `committed` move together. What it
    /// touched is retained, if that is given.
    fn apply(&mut self, index: u64, entry: &Entry, lane: Key, retained: Option<Row>) -> Outcome {
        let before = self.value(&entry.key);
        let (after, outcome) = entry.op.apply(before.as_ref());
        match (&before, after) {
            (None, None) => {}
            (Some(_), None) => {
                self.keys -= 1;
                self.store.delete(&Key::Data(entry.key.clone()));
            }
            (before, Some(value)) => {
                if before.is_none() {
                    self.keys += 1;
                }
                if before.as_ref() != Some(&value) {
                    let row = Row::Data { index, value };
                    self.store.put(Key::Data(entry.key.clone()), row);
                }
            }
        }
        let OpId { incarnation, seq, .. } = entry.id;
        let row = Row::Lane { incarnation, seq, outcome: outcome.clone() };
        self.store.put(lane, row);
        self.retain(index, retained);
        outcome
    }

    /// Everything up to `index` is committed, and this is retained of it.
    fn retain(&mut self, index: u64, row: Option<Row>) {
        match row {
            Some(row) => {
                if self.held.rows == 0 {
                    self.retained = index;
                }
                self.held.add(&row);
                self.store.put(Key::Log(index), row);
            }
            None => {
                self.store.delete(&Key::Log(index));
                if self.retained > self.committed {
                    self.retained = index + 1;
                }
            }
        }
        self.committed = index;
    }

    /// Saves what [`apply`](Self::apply) did.
    fn save_committed<M: Mechanisms>(&mut self, out: &mut Out<ChainActor<S, M>>) {
        let row = Row::Committed { index: self.committed, keys: self.keys };
        self.store.put(Key::Committed, row);
        out.save(self.store.clone());
    }
}
