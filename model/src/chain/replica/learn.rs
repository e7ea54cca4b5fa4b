//! How a chain grows, at the newcomer: it learns, and is the tail in deed before it is in name.
//!
//! The whole of it is told in `teach`. What is the learner's part:
//!
//! - **It begins with nothing.** Whatever it held it removes first, durably: a key that was deleted
//!   and forgotten meanwhile would come back, and old entries of its log would be committed.
//! - **Or it goes on where it was.** What a member holds is what a committed prefix of the history
//!   left. If the tail still has all that came since, the learner needs that and no scan; only what
//!   it had received and did not know committed it removes. It names the last operation that it
//!   has: a tail that had another one at that index is of another history. A learner whose scan was
//!   done may do the same: its rows are of its `committed` or later, and the tail, whichever
//!   that is now, has committed what the later ones are of.
//! - **It takes each part once, in order.** Its place in the scan is durable, and moves with the
//!   rows that it takes. The first part says up to where the tail had committed, and that is where
//!   the learner's `committed` starts: whatever the tail commits from then on it retains.
//! - **It merges by index.** A row of a scan may be newer than `committed`, and a change may be
//!   older than a row that has come already: the one with the higher index stays. What was deleted
//!   leaves a *tombstone* while the scan has not come to that key, lest a part that was read
//!   earlier brings it back.
//! - **It answers no reads**, has no lease, and is asked for none, until a view appends it.
//!
//! Both loops, of parts and of changes, are driven by the learner, with one message of each under
//! way; a timer asks again. So a tail is not flooded, nothing is sent that finds no room, and
//! losing any one message loses nothing.

use super::{Held, Replica, ReplicaState, TRIM_ROWS, Transfer};
use crate::chain::bounds::is_storable;
use crate::chain::msg::{Caught, Changes, Fetch, Resume, Resumed, Rows};
use crate::chain::{ChainActor, Key, Msg, Row, Timer, Window};
use crate::coordinator;
use crate::mechanism::{Mechanism, Mechanisms};
use crate::store::Store;
use serde::{Deserialize, Serialize};
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::ops::Bound;
use std::time::Duration;

/// How often a learner asks whether it may go on where it was, with no answer, before it begins
/// anew.
const RESUME_TRIES: u32 = 100;

/// How far a learner's scan is.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Place {
    /// It is removing what it held.
    Emptying,
    /// It has the rows up to this key; none yet, where there is no key.
    After(Option<Key>),
    /// It has them all.
    Done,
    /// It has a committed prefix of the history, and asks whether the tail has all that came since.
    Resuming,
}

impl<S: Store<Key, Row>, M: Mechanisms> Replica<S, M> {
    /// Resumes a transfer after a restart.
    pub(super) fn recover_transfer(
        &self,
        id: Id,
        state: &mut ReplicaState<S>,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        match &mut state.transfer {
            Some(Transfer::HandedOver) if self.mechanisms.lacks(Mechanism::HandoverDurable) => {
                state.transfer = None;
            }
            Some(Transfer::Learning { place: place @ (Place::After(_) | Place::Done), .. })
                if self.mechanisms.lacks(Mechanism::PlaceDurable) =>
            {
                *place = Place::After(None);
            }
            _ => {}
        }
        if state.learns(id).is_some() {
            out.set_timer(Timer::Learn, self.timeouts.resend.clone());
        }
    }

    /// A view names this replica as its learner: it begins, unless it has begun.
    pub(super) fn begin_learning(
        &self,
        id: Id,
        since: u64,
        state: &mut ReplicaState<S>,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if state.learns(id).is_some() {
            return out.save(state.store.clone());
        }
        state.window = Window::default();
        state.unheard = 0;
        if self.mechanisms.lacks(Mechanism::JoinsByLearning) {
            (state.retained, state.held) = (state.committed + 1, Held::default());
            state.put_place(since, Place::Done);
        } else if self.has_prefix(state) {
            if self.mechanisms.has(Mechanism::LogDropped) {
                state.drop_log();
            }
            state.put_place(since, Place::Resuming);
        } else {
            self.begin_anew(since, state);
        }
        state.save_committed(out);
        self.learn(id, state, out);
    }

    /// Whether what is here is what a committed prefix of the history left, or what goes on from
    /// there by changes alone; and can be shown to be. A learner that had not come to the end of
    /// its scan has later rows of some keys, and none of others.
    fn has_prefix(&self, state: &ReplicaState<S>) -> bool {
        let is_whole = match &state.transfer {
            None | Some(Transfer::HandedOver) => true,
            Some(Transfer::Learning { place, .. }) => {
                matches!(place, Place::Done | Place::Resuming)
                    || self.mechanisms.lacks(Mechanism::WholePrefix)
            }
        };
        is_whole && self.retain_bytes > 0 && state.operation_at(state.committed).is_some()
    }

    /// It has nothing that it may keep: it removes all, and fetches all.
    fn begin_anew(&self, since: u64, state: &mut ReplicaState<S>) {
        let mut place = Place::After(None);
        if self.mechanisms.has(Mechanism::LearnerEmptied) {
            place = Place::Emptying;
            (state.committed, state.keys) = (0, 0);
        }
        (state.retained, state.held) = (state.committed + 1, Held::default());
        state.put_place(since, place);
    }

    /// Time to go on, or to ask again.
    pub(super) fn on_learn(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        match state.learns(id) {
            Some((_, Place::Emptying)) => self.learn(id, state.to_mut(), out),
            _ if !self.mechanisms.has(Mechanism::LearnsAgain) => {}
            Some((since, Place::Resuming)) => self.resume_again(id, state, since, out),
            Some((since, place)) => self.ask(state, since, place, out),
            None => {}
        }
    }

    /// The tail has not answered. One that never does may not know the question.
    fn resume_again(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        since: u64,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if self.timeouts.unheard.is_some() {
            let state = state.to_mut();
            state.unheard += 1;
            if state.unheard > RESUME_TRIES {
                self.begin_anew(since, state);
                state.save_committed(out);
                return self.learn(id, state, out);
            }
        }
        self.ask(state, since, &Place::Resuming, out);
    }

    /// The tail says whether it has all that came since.
    pub(super) fn on_resumed(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        src: Id,
        Resumed { since, goes_on }: Resumed,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        let Some((this, Place::Resuming)) = state.learns(id) else { return };
        if since != this || state.view.tail() != Some(src) {
            return;
        }
        let state = state.to_mut();
        state.unheard = 0;
        if goes_on {
            state.put_place(since, Place::Done);
        } else {
            self.begin_anew(since, state);
        }
        state.save_committed(out);
        self.learn(id, state, out);
    }

    /// Removes what it held, a part at a time; then asks for rows.
    fn learn(&self, id: Id, state: &mut ReplicaState<S>, out: &mut Out<ChainActor<S, M>>) {
        let Some((since, place)) = state.learns(id) else { return };
        let mut place = place.clone();
        if place == Place::Emptying {
            if state.empty(self.part_rows) {
                out.save(state.store.clone());
                return out.set_timer(Timer::Learn, Duration::ZERO..Duration::ZERO);
            }
            place = Place::After(None);
            state.put_place(since, place.clone());
            out.save(state.store.clone());
        }
        self.ask(state, since, &place, out);
    }

    /// Asks the tail for what comes next, of both kinds.
    fn ask(
        &self,
        state: &ReplicaState<S>,
        since: u64,
        place: &Place,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        let Some(tail) = state.view.tail() else { return };
        if let Place::After(after) = place {
            out.send(tail, Msg::Fetch(Fetch { since, after: after.clone() }));
        }
        if *place == Place::Resuming {
            let upto = state.committed;
            if let Some(last) = state.operation_at(upto) {
                out.send(tail, Msg::Resume(Resume { since, upto, last }));
            }
        } else if *place != Place::After(None) {
            let learned = self.mechanisms.has(Mechanism::JoinsByLearning);
            let upto = if learned { state.committed } else { u64::MAX };
            let done = *place == Place::Done;
            out.send(tail, Msg::Caught(Caught { since, upto, done }));
        }
        out.set_timer(Timer::Learn, self.timeouts.resend.clone());
    }

    /// The tail sends a part of its rows.
    pub(super) fn on_rows(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        src: Id,
        Rows { since, after, rows, last, committed }: Rows,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        let Some((this, place)) = state.learns(id) else { return };
        let once = *place == Place::After(after.clone())
            || self.mechanisms.lacks(Mechanism::PartsOnce) && *place > Place::After(after.clone());
        if since != this && self.mechanisms.has(Mechanism::RowsOfThisSince)
            || state.view.tail() != Some(src)
            || !once
            || *place == Place::Emptying
        {
            return;
        }
        let state = state.to_mut();
        if after.is_none() {
            state.committed = committed;
            (state.retained, state.held) = (committed + 1, Held::default());
        }
        let end = rows.last().map(|(key, _)| key.clone());
        for (key, row) in rows {
            self.merge(state, key, row, false);
        }
        let place = if last { Place::Done } else { Place::After(end) };
        state.drop_tombstones(&place, self.part_rows);
        state.put_place(this, place.clone());
        state.save_committed(out);
        self.ask(state, this, &place, out);
    }

    /// The tail sends what entries touched that it has committed meanwhile.
    pub(super) fn on_changes(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        src: Id,
        Changes { since, from, changes }: Changes,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        let Some((this, place)) = state.learns(id) else { return };
        let next = state.committed + 1;
        let once = from == next || self.mechanisms.lacks(Mechanism::ChangesOnce) && from < next;
        let begun = !matches!(place, Place::Emptying | Place::Resuming | Place::After(None))
            || self.mechanisms.lacks(Mechanism::ScanBeforeChanges);
        if since != this && self.mechanisms.has(Mechanism::RowsOfThisSince)
            || state.view.tail() != Some(src)
            || !once
            || !begun
        {
            return;
        }
        let place = place.clone();
        let state = state.to_mut();
        let last = from - 1 + changes.len() as u64;
        let whole = self.mechanisms.has(Mechanism::ChangesWhole);
        let taken = if whole { changes.len() } else { 1 };
        for (index, change) in (from..).zip(changes).take(taken) {
            let mut retained = None;
            for (key, row) in change {
                if let Key::Log(at) = key {
                    retained = Some(row).filter(|_| at == index && self.retain_bytes > 0);
                    continue;
                }
                let ahead = match (&key, &place) {
                    (Key::Tombstone(key), Place::After(Some(after))) => {
                        Key::Data(key.clone()) > *after
                    }
                    (Key::Tombstone(_), Place::After(None)) => true,
                    _ => false,
                };
                let ahead = ahead && self.mechanisms.has(Mechanism::TombstonesKept);
                self.merge(state, key, row, ahead);
            }
            if index > state.committed {
                state.retain(index, retained);
                state.trim(index, self.retain_bytes, TRIM_ROWS);
            }
        }
        state.committed = last.max(state.committed);
        state.save_committed(out);
        let (upto, done) = (state.committed, place == Place::Done);
        out.send(src, Msg::Caught(Caught { since: this, upto, done }));
    }

    /// Takes a row, unless it is older than the one that is here. A tombstone stays if it is
    /// `ahead` of the scan. Rows of other tables are not sent.
    fn merge(&self, state: &mut ReplicaState<S>, key: Key, row: Row, ahead: bool) {
        match (key, row) {
            (Key::Data(key), Row::Data { index, value }) => {
                if !is_storable(&key, &value) {
                    return; // no tail sends this, and no store takes it
                }
                let tombstone = Key::Tombstone(key.clone());
                let buried = match state.store.get(&tombstone) {
                    Some(Row::Tombstone { index }) => Some(index),
                    _ => None,
                };
                let here = state.index_of(&key);
                if buried.max(here) > Some(index) && self.mechanisms.has(Mechanism::RowsByAge) {
                    return;
                }
                if here.is_none() {
                    state.keys += 1;
                }
                if buried.is_some() {
                    state.store.delete(&tombstone);
                }
                state.store.put(Key::Data(key), Row::Data { index, value });
            }
            (Key::Tombstone(key), Row::Tombstone { index }) => {
                let here = state.index_of(&key);
                if here > Some(index) {
                    return;
                }
                if here.is_some() {
                    state.keys -= 1;
                    state.store.delete(&Key::Data(key.clone()));
                }
                if ahead {
                    state.store.put(Key::Tombstone(key), Row::Tombstone { index });
                }
            }
            (key @ Key::Lane(..), Row::Lane { incarnation, seq, outcome }) => {
                let here = match state.store.get(&key) {
                    Some(Row::Lane { incarnation, seq, .. }) => Some((incarnation, seq)),
                    _ => None,
                };
                if here < Some((incarnation, seq)) || self.mechanisms.lacks(Mechanism::LanesByAge) {
                    state.store.put(key, Row::Lane { incarnation, seq, outcome });
                }
            }
            _ => {}
        }
    }

    /// Whether this is a learner whose scan is done, so that its tail hands over to it.
    pub(super) fn takes_updates(&self, id: Id, state: &ReplicaState<S>) -> bool {
        let learns = state.learns(id);
        learns.is_some_and(|(_, place)| {
            *place == Place::Done || self.mechanisms.lacks(Mechanism::RowsNotOperations)
        })
    }
}

impl<S: Store<Key, Row>> ReplicaState<S> {
    /// If this is its view's learner, and has begun: the epoch that named it, and how far its scan
    /// is.
    pub fn learns(&self, id: Id) -> Option<(u64, &Place)> {
        match &self.transfer {
            Some(Transfer::Learning { since, place })
                if self.view.learner == Some((id, *since)) =>
            {
                Some((*since, place))
            }
            _ => None,
        }
    }

    fn put_place(&mut self, since: u64, place: Place) {
        let transfer = Transfer::Learning { since, place };
        self.store.put(Key::Transfer, Row::Transfer(transfer.clone()));
        self.transfer = Some(transfer);
    }

    /// Removes what it had received and did not know committed: others may be committed there.
    fn drop_log(&mut self) {
        let (own, last) = (Key::Log(self.committed), Key::Log(u64::MAX)); // a window is bounded
        for (key, _) in self.store.scan(Bound::Excluded(&own), Bound::Included(&last), usize::MAX) {
            self.store.delete(&key);
        }
    }

    /// Removes some rows of those that it held; says whether there were any.
    fn empty(&mut self, limit: usize) -> bool {
        let (first, end) = (Key::Lane(Id::from(0), 0), Key::Views(coordinator::Key::Decided));
        let mut rows = self.page(Bound::Included(&first), Bound::Excluded(&end), limit);
        if rows.is_empty() {
            let first = Key::Tombstone("".into());
            rows = self.page(Bound::Included(&first), Bound::Unbounded, limit);
        }
        for (key, _) in &rows {
            self.store.delete(key);
        }
        !rows.is_empty()
    }

    /// The index of the update that wrote a key.
    fn index_of(&self, key: &crate::kv::Key) -> Option<u64> {
        match self.store.get(&Key::Data(key.clone())) {
            Some(Row::Data { index, .. }) => Some(index),
            _ => None,
        }
    }

    /// Tombstones are needed ahead of the scan, and nowhere else: removes some of the others, and
    /// says whether there were any.
    pub(super) fn drop_tombstones(&mut self, place: &Place, limit: usize) -> bool {
        let first = Key::Tombstone("".into());
        let behind = match place {
            Place::After(Some(Key::Data(key))) => {
                let last = Key::Tombstone(key.clone());
                self.store.scan(Bound::Included(&first), Bound::Included(&last), limit)
            }
            Place::Done => self.store.scan(Bound::Included(&first), Bound::Unbounded, limit),
            Place::Emptying | Place::After(_) | Place::Resuming => return false,
        };
        for (key, _) in &behind {
            self.store.delete(key);
        }
        !behind.is_empty()
    }
}
