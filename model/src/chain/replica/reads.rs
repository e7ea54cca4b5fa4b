//! Reads: which replica answers them.
//!
//! A read needs no place in the history of updates, only a promise that what it sees is not stale.
//! Two things give it: the replica has a *lease*, so no view has left it out, and every update that
//! was ever acknowledged has passed through it; and the key is *clean*, so whatever has passed
//! through it is committed. For a dirty key only the tail can say how much is, and not even the
//! tail when it has handed over to a learner, which answers nothing: for that short while the
//! gateway asks again.
//!
//! A listing is a read, too: of all keys on a stretch, those that are absent among them. So it is
//! answered from where the whole stretch is clean, and is then as of one moment: whatever was
//! acknowledged before it was asked for has passed through this replica, and none of it is still in
//! the window.

use super::{Replica, ReplicaState};
use crate::chain::msg::{Redirect, Reply, Request, ScanFor, Scanned};
use crate::chain::{ChainActor, Key, Msg, Reads, Row};
use crate::kv::Op;
use crate::mechanism::{Mechanism, Mechanisms};
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::ops::Bound;

/// The most keys in one [`Msg::Scanned`].
pub const SCAN_KEYS: u32 = 1024;

/// Which replica answers a read.
enum Answers {
    /// The replica that was asked.
    Here,
    /// The tail of its view.
    Tail(Id),
    /// None that it knows of, at this moment.
    Nobody,
}

impl<S: Store<Key, Row>, M: Mechanisms> Replica<S, M> {
    /// A read: here if the key is clean or we are the tail, at the tail otherwise (ATC '09, section
    /// 2.3).
    pub(super) fn on_query(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        Request { id: op_id, key, reads, .. }: Request,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        let learner =
            state.view.learner() == Some(id) && self.mechanisms.lacks(Mechanism::LearnerSilent);
        if !state.view.chain.contains(&id) && !learner {
            let view = state.view.clone();
            return out.send(op_id.gateway, Msg::Redirect(Redirect { view }));
        }
        if reads == Reads::Eventual {
            let (_, outcome) = state.peek(&key, &Op::Get);
            return out.send(op_id.gateway, Msg::Reply(Reply { id: op_id, outcome }));
        }
        let is_dirty = state.window.is_dirty(&key)
            && (self.mechanisms.has(Mechanism::DirtyToAll)
                || state.window.is_written_by(op_id.gateway, &key));
        match self.who_answers(id, state, is_dirty) {
            Answers::Here => {
                let (_, outcome) = state.peek(&key, &Op::Get);
                out.send(op_id.gateway, Msg::Reply(Reply { id: op_id, outcome }));
            }
            Answers::Tail(tail) => {
                let op = Op::Get;
                out.send(tail, Msg::Request(Request { id: op_id, key, op, reads }));
            }
            Answers::Nobody => {} // the gateway asks again
        }
    }

    /// Which replica may say how keys stand of which some are dirty here, or none.
    fn who_answers(&self, id: Id, state: &ReplicaState<S>, is_dirty: bool) -> Answers {
        let learner =
            state.view.learner() == Some(id) && self.mechanisms.lacks(Mechanism::LearnerSilent);
        if !state.view.chain.contains(&id) && !learner {
            return Answers::Nobody;
        }
        if !learner && !self.may_read(state) && self.mechanisms.has(Mechanism::LeaseForReads) {
            return Answers::Nobody; // there may be a lease when it is asked again
        }
        match state.view.tail() {
            Some(tail)
                if tail != id && is_dirty && self.mechanisms.has(Mechanism::DirtyForwarded) =>
            {
                Answers::Tail(tail)
            }
            Some(_)
                if state.has_handed_over(id)
                    && is_dirty
                    && self.mechanisms.has(Mechanism::HandedOverWaits) =>
            {
                Answers::Nobody
            }
            _ => Answers::Here,
        }
    }

    /// A client lists keys: the first ones behind a key, or how many there are in all.
    ///
    /// A listing is a read of a stretch of keys, and what goes for a read of one key goes for it:
    /// here if the whole stretch is clean, keys in between that are not there yet included; at the
    /// tail if not.
    pub(super) fn on_scan(
        &self,
        id: Id,
        state: &ReplicaState<S>,
        ScanFor { client, ticket, after, limit }: ScanFor,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        let first = Key::Data("".into());
        let from = after.clone().map(Key::Data);
        let from = from.as_ref().map_or(Bound::Included(&first), Bound::Excluded);
        let most = limit.min(SCAN_KEYS) as usize;
        // Other tables come after this one.
        let keys = state.store.keys(from, Bound::Unbounded, most).into_iter();
        let keys: Vec<_> =
            keys.map_while(|key| if let Key::Data(key) = key { Some(key) } else { None }).collect();
        // A page that is not full goes to the end, and a client that asks for none wants to know of
        // all.
        let is_full = most > 0 && keys.len() == most;
        let (after_all, upto) = (after.as_ref().filter(|_| most > 0), keys.last());
        let is_dirty = state.window.is_dirty_within(after_all, upto.filter(|_| is_full))
            && self.mechanisms.has(Mechanism::StretchClean);
        match self.who_answers(id, state, is_dirty) {
            Answers::Here => {
                let total = state.keys;
                out.send(client, Msg::Scanned(Scanned { ticket, keys, total }));
            }
            Answers::Tail(tail) => {
                out.send(tail, Msg::ScanFor(ScanFor { client, ticket, after, limit }))
            }
            Answers::Nobody => {} // the client asks again
        }
    }
}
