//! How a newcomer gets what it lacks: fetch, then vote.
//!
//! 1. A joint view gives a node spans of the ring. It takes some at a time. It begins each by
//!    forgetting what it held there, durably, unless it is one of the span's old replicas. (All at
//!    once would be a step as long as there is data.)
//! 2. It asks the old replicas, part after part. A replica that answers has installed the joint
//!    view, and takes part in nothing of an older epoch any more.
//! 3. Of each key it keeps the content with the highest accepted ballot, and of the floors the
//!    highest. *A copy is not a vote*, unless every answer shows the same ballot, voted.
//! 4. A majority of the old replicas has given all of a span: the node votes there. When no span is
//!    left it reports, again and again until a view answers.
//!
//! **If we crash here.** What a newcomer has of a span is durable, and never ahead of its rows: a
//! part's registers, the floors, and how far the span is
//! ([`Key::Transfer`](crate::ring::Key::Transfer): which old replicas have given everything, and up
//! to which key the others have) are saved in one step, before the next part is asked for.
//! - *Between the view and the first part*: the row of each span says whether what was there before
//!   is forgotten (`begun`); that and the forgetting are one step, too. The node asks again for the
//!   spans that it had begun, from their beginning.
//! - *Between two parts*: at its start the node asks each old replica for what comes after the last
//!   key that it has of it. A part that was on its way is of an earlier place, and not taken twice.
//! - *After the last part*: the span's row is gone and the node votes there. With no row left it
//!   reports at its start, and again until a view answers.
//! - *An old replica* remembers nothing of a fetch. When it is back in the same view it answers the
//!   next question; a majority of the others suffices meanwhile.
//!
//! (The model `ring-pair-crash` crashes newcomer and old replicas at these places, but for one: no
//! model goes on *between two parts* of one old replica. A part is `PART_ROWS` registers or
//! `PART_BYTES`, and models have one or two keys, so `more` is never true in them. What they do
//! crash between is the answers of two old replicas.)
//!
//! In a joint view itself nothing hangs on the newcomers, since every quorum has a majority of old
//! replicas, too. It is the view after it that does: there newcomers vote among themselves, and
//! what they have not fetched is gone.

use super::{Node, NodeState, put};
use crate::coordinator;
use crate::kv;
use crate::mechanism::{Mechanism, Mechanisms};
use crate::ring::msg::{Fetch, Rows};
use crate::ring::place::{is_majority, position};
use crate::ring::{
    Ballot, Copied, Key, MAX_KEY_BYTES, Msg, Register, Report, RingActor, Row, Span, Transfer,
};
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// How many registers a message carries at the most.
const PART_ROWS: usize = 1024;

/// How many bytes of keys and values that is at the most, beyond the first register's.
pub(super) const PART_BYTES: usize = 256 << 10;

/// How many registers are read at a time, so that large values do not fill the memory.
pub(super) const READ: usize = 32;

/// How many spans are fetched at a time, unless told otherwise. A node that is restarted while it
/// fetches takes so many of those in its store for begun: a larger number needs stores of a higher
/// format, and does not compile without (`src/stores.rs`).
pub const SPANS: usize = 4;

impl<S: Store<Key, Row>, M: Mechanisms> Node<S, M> {
    /// Asks for what is still missing; or, if nothing is, reports.
    pub(super) fn fetch_on(&self, id: Id, state: &NodeState<S>, out: &mut Out<RingActor<S, M>>) {
        if state.transfers.is_empty() {
            return self.report(state, out);
        }
        if self.mechanisms.lacks(Mechanism::FetchThenVote) {
            self.report(state, out);
        }
        for (upto, transfer) in state.transfers.iter().take(self.spans) {
            self.fetch_span(id, state, *upto, transfer, out);
        }
    }

    /// Begins with the first of the spans that are left: what was there before is forgotten. A span
    /// whose old replicas were all given up has nothing to fetch, and ends there.
    pub(super) fn begin(&self, id: Id, state: &mut NodeState<S>) {
        loop {
            let mut first = state.transfers.iter().take(self.spans);
            let next = first.find(|(_, transfer)| !transfer.begun);
            let Some((upto, from)) = next.map(|(upto, transfer)| (*upto, transfer.from)) else {
                return;
            };
            if self.mechanisms.has(Mechanism::FetchForgets) {
                state.forget(Span { from, upto });
            }
            let transfer = Transfer { from, begun: true, ..Transfer::default() };
            state.keep_transfer(id, upto, transfer, self.fetch_quorum());
        }
    }

    /// Asks every old replica of a span that has not given everything for more.
    fn fetch_span(
        &self,
        id: Id,
        state: &NodeState<S>,
        upto: u64,
        transfer: &Transfer,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let epoch = state.view.epoch;
        let span = Span { from: transfer.from, upto };
        for source in state.view.old_replicas(upto) {
            if source != id && !transfer.done.contains(&source) {
                let after = transfer.partly.get(&source).cloned();
                out.send(source, Msg::Fetch(Fetch { epoch, span, after }));
            }
        }
    }

    /// A newcomer wants what this old replica has. By answering in this epoch it has left the one
    /// before.
    pub(super) fn on_fetch(
        &self,
        id: Id,
        state: &NodeState<S>,
        src: Id,
        Fetch { span, after, .. }: Fetch,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if !state.view.old_replicas(span.upto).contains(&id) {
            return;
        }
        let (rows, more) = state.part(span, after.clone());
        let (floors, epoch) = (state.floors, state.view.epoch);
        out.send(src, Msg::Rows(Rows { epoch, span, after, rows, more, floors }));
    }

    /// An old replica gives what it has: merge it.
    pub(super) fn on_rows(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        src: Id,
        Rows { span, after, rows, more, floors, .. }: Rows,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let Some(transfer) = state.transfers.get(&span.upto) else {
            return;
        };
        if transfer.from != span.from
            || transfer.done.contains(&src)
            || transfer.partly.get(&src) != after.as_ref()
            || !state.view.old_replicas(span.upto).contains(&src)
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
        self.begin(id, state);
        out.save(state.store.clone());
        if state.transfers.is_empty() {
            self.report(state, out);
        } else if more && let Some(transfer) = state.transfers.get(&span.upto) {
            let after = transfer.partly.get(&src).cloned();
            out.send(src, Msg::Fetch(Fetch { epoch: state.view.epoch, span, after }));
        } else if !state.transfers.contains_key(&span.upto)
            && let Some((upto, transfer)) = state.transfers.iter().nth(self.spans - 1)
        {
            self.fetch_span(id, state, *upto, transfer, out);
        }
    }

    fn report(&self, state: &NodeState<S>, out: &mut Out<RingActor<S, M>>) {
        let epoch = state.view.epoch;
        let report = coordinator::Msg::Report(Report::Stabilized { epoch });
        out.broadcast(&state.view.coordinators, &Msg::Views(report));
    }

    /// How many old replicas a fetch needs: a majority, or, in a mutant, any.
    pub(super) fn fetch_quorum(&self) -> fn(&[Id], &BTreeSet<Id>) -> bool {
        if self.mechanisms.has(Mechanism::FetchMajority) {
            |old, done| is_majority(old, |id| done.contains(&id))
        } else {
            |_, done| !done.is_empty()
        }
    }
}

impl<S: Store<Key, Row>> NodeState<S> {
    /// The registers of a span after a place, as many as a message carries, and whether there are
    /// more.
    fn part(&self, span: Span, after: Option<(u64, kv::Key)>) -> (Vec<Copied>, bool) {
        let last = Key::Register(span.upto, kv::Key::from(vec![0xff; MAX_KEY_BYTES]));
        let first = Key::Register(span.from, kv::Key::from(""));
        let mut place = after.map(|(at, key)| Key::Register(at, key));
        let (mut rows, mut bytes) = (Vec::new(), 0);
        loop {
            let from = place.as_ref().map_or(Bound::Included(&first), Bound::Excluded);
            let found = self.store.scan(from, Bound::Included(&last), READ);
            let is_end = found.len() < READ;
            for (at, row) in found {
                if rows.len() == PART_ROWS || bytes > PART_BYTES {
                    return (rows, true);
                }
                if let (Key::Register(_, key), Row::Register(register)) = (&at, row) {
                    let Register { accepted, voted, content, .. } = register;
                    bytes += key.len() + content.bytes();
                    rows.push(Copied { key: key.clone(), accepted, voted, content });
                }
                place = Some(at);
            }
            if is_end {
                return (rows, false);
            }
        }
    }

    /// Forgets all registers of a span.
    fn forget(&mut self, span: Span) {
        let longest = kv::Key::from(vec![0xff; MAX_KEY_BYTES]);
        let first = Key::Register(span.from, "".into());
        let last = Key::Register(span.upto, longest);
        let mut place = None;
        loop {
            let from = place.as_ref().map_or(Bound::Included(&first), Bound::Excluded);
            let rows = self.store.scan(from, Bound::Included(&last), READ);
            let is_end = rows.len() < READ;
            for (row, _) in rows {
                self.store.delete(&row);
                if let Key::Register(at, key) = &row {
                    self.store.delete(&Key::Tombstone(*at, key.clone()));
                }
                place = Some(row);
            }
            if is_end {
                return;
            }
        }
    }

    pub(super) fn put_transfer(&mut self, upto: u64, transfer: Transfer) {
        self.store.put(Key::Transfer(upto), Row::Transfer(transfer.clone()));
        self.transfers.insert(upto, transfer);
    }

    /// Keeps how far a span is; forgets it when a quorum has given everything.
    pub(super) fn keep_transfer(
        &mut self,
        id: Id,
        upto: u64,
        transfer: Transfer,
        is_enough: fn(&[Id], &BTreeSet<Id>) -> bool,
    ) {
        let old = self.view.old_replicas(upto);
        debug_assert!(self.view.new.replicas(upto).contains(&id), "only new replicas fetch");
        if is_enough(&old, &transfer.done) {
            self.transfers.remove(&upto);
            self.store.delete(&Key::Transfer(upto));
        } else {
            self.put_transfer(upto, transfer);
        }
    }

    /// Merges a part of what one old replica has, from `after` up to `last`: of each key the
    /// content with the highest ballot. It is a vote only if every answer so far shows this ballot,
    /// voted.
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
