//! How a chain grows, at its tail: the tail teaches, and hands over.
//!
//! OSDI '04, section 3.3, extends a chain by copying the tail's history to a new server while the
//! chain goes on, and then making it the tail. The interesting moment is the last one, when the
//! newcomer must have everything and the old tail must have stopped deciding; and under steady load
//! no quiet moment comes. Here **the newcomer is the tail in deed before it is in name**:
//!
//! 1. A view names the *learner*, and `since`, the epoch in which that began. From then on the tail
//!    **retains** what it commits: the entries stay in its log.
//! 2. The learner drives. It fetches the rows that the tail has, part after part ([`Msg::Fetch`],
//!    [`Msg::Rows`]), while they change under it; and it tells how far it has caught up
//!    ([`Msg::Caught`]), which the tail answers with what the entries after that touched
//!    ([`Msg::Changes`]): rows as they are now, never operations. What it has caught up with is not
//!    retained any more.
//! 3. When the learner says that its scan is done, the tail **hands over**, durably: the learner is
//!    its successor from now on. New entries go to the learner as updates, behind what is still
//!    retained; the learner commits them, replies and acknowledges, and the tail commits what is
//!    acknowledged.
//! 4. When the learner has caught up with all that the tail had committed by itself, the tail
//!    reports that it is *ready*, and the coordinators may append it. Nothing is left to be done
//!    then: it *is* the tail.
//!
//! Every acknowledged update is in table or log of every member of the chain at every moment, so
//! the learner may fall silent whenever it likes: a view that drops it lets the tail commit its
//! log.
//!
//! **A member that returns** has had everything up to some index, and needs what came since. So
//! every member retains, up to a bound in bytes, which rows each entry touched that it has
//! committed, learner or not: a key and a lane, not values. A learner that was a member says what
//! it has ([`Msg::Resume`]); a tail that retains all that came since says so ([`Msg::Resumed`]),
//! and the rest is steps 2 to 4 without a scan. Its cost is in proportion to what was missed.
//! Otherwise the learner begins anew.
//!
//! Messages of a transfer carry `since` and no epoch. It fixes which tail teaches which learner,
//! and nothing that is said in it becomes false later; so the removal of another member interrupts
//! nothing.

use super::{PART_BYTES, Replica, ReplicaState, Transfer};
use crate::chain::msg::{Caught, Changes, Fetch, Resume, Resumed, Rows, Update};
use crate::chain::{ChainActor, Key, Msg, Report, Row, Timer};
use crate::coordinator;
use crate::kv::{self, OpId};
use crate::mechanism::{Mechanism, Mechanisms};
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::ops::{Bound, Range};

/// How many rows are read at a time, on the way to [`PART_BYTES`]: values may be long.
const READ_ROWS: usize = 16;

/// How often the silence after which coordinators suspect a member a tail waits for the learner
/// that it has handed over to: what the learner has learned is lost with it, and a learner that is
/// only slow is not dropped.
const IMPATIENCE: u32 = 3;

impl<S: Store<Key, Row>, M: Mechanisms> Replica<S, M> {
    /// Whether this is the tail that teaches this learner.
    fn teaches(&self, id: Id, state: &ReplicaState<S>, src: Id, since: u64) -> bool {
        let this = state.view.learner == Some((src, since))
            || self.mechanisms.lacks(Mechanism::CaughtOfThisSince)
                && state.view.learner() == Some(src);
        this && state.view.tail() == Some(id)
    }

    /// The learner asks for a part. (Once the tail is told that the scan is done, no learner waits
    /// for one.)
    pub(super) fn on_fetch(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        src: Id,
        Fetch { since, after }: Fetch,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if !self.teaches(id, state, src, since) {
            return;
        }
        self.await_learner(id, state, out);
        if state.has_handed_over(id) {
            return;
        }
        let (rows, last) = self.part(state, after.as_ref());
        let committed = state.committed;
        out.send(src, Msg::Rows(Rows { since, after, rows, last, committed }));
    }

    /// A learner has what a member had that is away since then, or a learner that had every row.
    /// What it lacks is what came since: this tail says whether it has all of that. (What it
    /// retains when it begins to teach stays until its learner has caught up with it, so what is
    /// said once stays true.)
    pub(super) fn on_resume(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        src: Id,
        Resume { since, upto, last }: Resume,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if !self.teaches(id, state, src, since) {
            return;
        }
        self.await_learner(id, state, out);
        if state.has_handed_over(id) {
            return;
        }
        let own = state.operation_at(upto);
        let is_retained = own.is_some() && state.is_without_gaps()
            || self.mechanisms.lacks(Mechanism::ResumeWithin);
        let is_of_this_history = own.is_none_or(|own| own == last)
            || self.mechanisms.lacks(Mechanism::PrefixOfThisHistory);
        let goes_on = is_retained && is_of_this_history;
        out.send(src, Msg::Resumed(Resumed { since, goes_on }));
    }

    /// Whether more is retained than is to be.
    pub(super) fn is_too_much(&self, state: &ReplicaState<S>) -> bool {
        self.retain_bytes == 0 || state.held.bytes > self.retain_bytes
    }

    /// The learner has caught up so far. Handed over is when little is left to catch up with: what
    /// is committed after that waits for the rest.
    pub(super) fn on_caught(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        src: Id,
        Caught { since, upto, done }: Caught,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if !self.teaches(id, state, src, since) || upto.saturating_add(1) < state.retained {
            return;
        }
        let lacks = state.committed.saturating_sub(upto);
        let hands_over = done && !state.has_handed_over(id) && lacks <= self.part_rows as u64;
        if upto >= state.retained && self.is_too_much(state) || hands_over {
            let state = state.to_mut();
            if hands_over {
                state.transfer = Some(Transfer::HandedOver);
                state.store.put(Key::Transfer, Row::Transfer(Transfer::HandedOver));
            }
            state.trim(upto, self.retain_bytes, self.part_rows);
            out.save(state.store.clone());
        }
        self.await_learner(id, state, out);
        let ready = lacks == 0 || self.mechanisms.lacks(Mechanism::ReadyWhenCaughtUp);
        if lacks > 0 {
            let from = upto + 1;
            if self.mechanisms.has(Mechanism::TrimWhenCaughtUp) {
                self.send_changes(state, src, since, from, out);
            } else {
                let state = state.to_mut();
                self.send_changes(state, src, since, from, out);
                state.trim(state.committed, 0, usize::MAX);
                out.save(state.store.clone());
            }
        }
        if ready && state.has_handed_over(id) {
            let report = Msg::Views(coordinator::Msg::Report(Report::Ready { since }));
            out.broadcast(&state.view.coordinators, &report);
        }
    }

    /// From now on the tail waits for its learner to speak. It waits long for one that is still
    /// learning, and not for one that decides what is committed.
    pub(super) fn await_learner(
        &self,
        id: Id,
        state: &ReplicaState<S>,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if self.timeouts.unheard.is_none() {
            return;
        }
        let views = &self.timeouts.views;
        if state.has_handed_over(id) {
            let Range { start, end } = views.suspect.clone();
            out.set_timer(Timer::Silence, start * IMPATIENCE..end * IMPATIENCE);
        } else if state.view.tail() == Some(id) && state.view.learner.is_some() {
            out.set_timer(Timer::Silence, views.suspect_newcomer.clone());
        } else {
            out.cancel_timer(Timer::Silence);
        }
    }

    /// The learner has said nothing for a long time, to its tail.
    pub(super) fn on_silence(
        &self,
        id: Id,
        state: &ReplicaState<S>,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if state.view.tail() == Some(id) && state.view.learner.is_some() {
            self.complain(state, out);
            self.await_learner(id, state, out);
        }
    }

    /// An entry is committed here: a learner that had caught up is told at once; any other will
    /// ask.
    pub(super) fn teach(
        &self,
        state: &ReplicaState<S>,
        index: u64,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if let Some((learner, since)) = state.view.learner
            && state.retained == index
        {
            self.send_changes(state, learner, since, index, out);
        }
    }

    /// Sends what the retained entries from `from` on touched, as far as one message goes.
    fn send_changes(
        &self,
        state: &ReplicaState<S>,
        learner: Id,
        since: u64,
        from: u64,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        let (first, to) = (Key::Log(from), Key::Log(state.committed));
        let log = state.page(Bound::Included(&first), Bound::Included(&to), self.part_rows);
        if self.mechanisms.lacks(Mechanism::RowsNotOperations) {
            let epoch = state.view.epoch;
            for row in log {
                if let (Key::Log(index), Row::Entry(entry)) = row {
                    out.send(learner, Msg::Update(Update { epoch, index, entry }));
                }
            }
            return;
        }
        let mut bytes = 0;
        let mut changes = Vec::new();
        for (next, (index, row)) in (from..).zip(log) {
            let Some((id, key)) = touched_by(&row) else { break };
            if index != Key::Log(next) {
                break; // there is a gap, and nothing that this replica says leads here
            }
            let mut touched = self.touched(state, &id, key);
            if self.retain_bytes > 0 {
                touched.push((index, Row::Touched { id, key: key.clone() }));
            }
            bytes += touched.iter().map(|(_, row)| row.bytes()).sum::<usize>();
            changes.push(touched);
            if bytes > PART_BYTES {
                break;
            }
        }
        out.send(learner, Msg::Changes(Changes { since, from, changes }));
    }

    /// The rows that an operation on a key touched, as they are now; a tombstone for a key that is
    /// not there.
    fn touched(&self, state: &ReplicaState<S>, id: &OpId, key: &kv::Key) -> Vec<(Key, Row)> {
        let data = Key::Data(key.clone());
        let data = match state.store.get(&data) {
            Some(row) => (data, row),
            None => {
                let index = state.committed;
                (Key::Tombstone(key.clone()), Row::Tombstone { index })
            }
        };
        let lane = self.lane(id);
        let row = state.store.get(&lane);
        let row = row.filter(|_| self.mechanisms.has(Mechanism::LanesTransferred));
        [Some(data), row.map(|row| (lane, row))].into_iter().flatten().collect()
    }

    /// The rows after a key, as many as a part has, and whether there are no others: the operation
    /// table, then the data.
    fn part(&self, state: &ReplicaState<S>, after: Option<&Key>) -> (Vec<(Key, Row)>, bool) {
        let (first, log, data) = (Key::Lane(Id::from(0), 0), Key::Log(0), Key::Data("".into()));
        let from = after.map_or(Bound::Included(&first), Bound::Excluded);
        let with_lanes = self.mechanisms.has(Mechanism::LanesTransferred);
        let mut rows = match after {
            Some(Key::Data(_)) => Vec::new(),
            _ if !with_lanes => Vec::new(),
            _ => state.page(from, Bound::Excluded(&log), self.part_rows),
        };
        if let Some(room) = self.part_rows.checked_sub(rows.len()).filter(|room| *room > 0) {
            let from = match after {
                Some(Key::Data(_)) => from,
                _ => Bound::Included(&data),
            };
            let end = Key::Views(coordinator::Key::Decided);
            rows.extend(state.page(from, Bound::Excluded(&end), room));
        }
        let end = Key::Views(coordinator::Key::Decided);
        let is_empty = |from, to| state.store.scan(from, Bound::Excluded(to), 1).is_empty();
        let last = match rows.last() {
            None => true,
            Some((key @ Key::Data(_), _)) => is_empty(Bound::Excluded(key), &end),
            Some((lane, _)) => {
                let whole = self.mechanisms.has(Mechanism::TableWhole);
                is_empty(Bound::Included(&data), &end)
                    && (!whole || is_empty(Bound::Excluded(lane), &log))
            }
        };
        (rows, last)
    }
}

/// Whose operation a row of the log is about, and on which key.
fn touched_by(row: &Row) -> Option<(OpId, &kv::Key)> {
    match row {
        Row::Touched { id, key } => Some((*id, key)),
        Row::Entry(entry) => Some((entry.id, &entry.key)),
        Row::View(_)
        | Row::Committed { .. }
        | Row::Incarnation(_)
        | Row::Lane { .. }
        | Row::Data { .. }
        | Row::Views(_)
        | Row::Transfer(_)
        | Row::Tombstone { .. } => None,
    }
}

impl<S: Store<Key, Row>> ReplicaState<S> {
    /// Whether this is a tail that has handed over to its learner.
    pub fn has_handed_over(&self, id: Id) -> bool {
        self.transfer == Some(Transfer::HandedOver)
            && self.view.tail() == Some(id)
            && self.view.learner.is_some()
    }

    /// What is retained up to there is needed by no learner: removes some of it, until no more than
    /// so many bytes are retained.
    pub(super) fn trim(&mut self, upto: u64, bytes: usize, limit: usize) {
        let end = self.retained.saturating_add(limit as u64);
        let upto = upto.min(self.committed).min(end - 1);
        while self.retained <= upto && (bytes == 0 || self.held.bytes > bytes) {
            let key = Key::Log(self.retained);
            if let Some(row) = self.store.get(&key) {
                self.held.remove(&row);
                self.store.delete(&key);
            }
            self.retained += 1;
        }
    }

    /// The operation at an index that is committed, if that is retained.
    pub(super) fn operation_at(&self, index: u64) -> Option<OpId> {
        let is_retained = (self.retained..=self.committed).contains(&index);
        is_retained.then(|| self.store.get(&Key::Log(index))?.operation()).flatten()
    }

    /// Whether nothing is missing between the lowest index that is retained and the highest.
    /// (Something is, where retaining was switched off for a while.)
    fn is_without_gaps(&self) -> bool {
        self.retained + self.held.rows == self.committed + 1
    }

    /// The first rows between two keys, as many as asked for, and not much more than
    /// [`PART_BYTES`].
    pub(super) fn page(&self, from: Bound<&Key>, to: Bound<&Key>, limit: usize) -> Vec<(Key, Row)> {
        let mut rows: Vec<(Key, Row)> = Vec::new();
        let mut bytes = 0;
        while rows.len() < limit && bytes <= PART_BYTES {
            let from = rows.last().map_or(from, |(key, _)| Bound::Excluded(key));
            let read = self.store.scan(from, to, READ_ROWS.min(limit - rows.len()));
            if read.is_empty() {
                break;
            }
            for (key, row) in read {
                bytes += row.bytes();
                rows.push((key, row));
                if bytes > PART_BYTES {
                    break;
                }
            }
        }
        rows
    }
}
