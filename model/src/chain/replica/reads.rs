//! Reads: who answers them.
//!
//! A read needs no place in the history of updates, only a promise that what it sees is not stale. Two
//! things give it: the replica has a *lease*, so no view has left it out, and every update that was ever
//! acknowledged has passed through it; and the key is *clean*, so whatever has passed through it is
//! committed. For a dirty key only the tail can say how much is, and not even the tail when it has handed
//! over to a learner, which answers nothing: for that short while the gateway asks again.

use super::{Replica, ReplicaState};
use crate::chain::{ChainActor, Key, Msg, Reads, Row};
use crate::kv::{self, Op, OpId};
use crate::mechanism::{Mechanism, Mechanisms};
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::ops::Bound;

/// The most keys in one [`Msg::Scanned`].
const SCAN_KEYS: u32 = 1024;

impl<S: Store<Key, Row>, M: Mechanisms> Replica<S, M> {
    /// A read: here if the key is clean or we are the tail, at the tail otherwise (ATC '09, section 2.3).
    pub(super) fn on_query(
        &self,
        id: Id,
        state: &mut Cow<'_, ReplicaState<S>>,
        op_id: OpId,
        (key, reads): (kv::Key, Reads),
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if Op::Get.check(&key).is_err() {
            return; // no gateway sends this, and no store takes it
        }
        let learner =
            state.view.learner() == Some(id) && !self.mechanisms.has(Mechanism::LearnerSilent);
        if !state.view.chain.contains(&id) && !learner {
            let view = state.view.clone();
            return out.send(op_id.gateway, Msg::Redirect { view });
        }
        if reads == Reads::Eventual {
            let (_, outcome) = state.peek(&key, &Op::Get);
            return out.send(op_id.gateway, Msg::Reply { id: op_id, outcome });
        }
        if !learner && !self.may_read(state) && self.mechanisms.has(Mechanism::LeaseForReads) {
            return; // the gateway asks again, and there may be a lease by then
        }
        let is_dirty = state.window.is_dirty(&key)
            && (self.mechanisms.has(Mechanism::DirtyToAll)
                || state.window.is_written_by(op_id.gateway, &key));
        match state.view.tail() {
            Some(tail)
                if tail != id && is_dirty && self.mechanisms.has(Mechanism::DirtyForwarded) =>
            {
                let op = Op::Get;
                out.send(tail, Msg::Request { id: op_id, key, op, reads });
            }
            Some(_)
                if state.has_handed_over(id)
                    && is_dirty
                    && self.mechanisms.has(Mechanism::HandedOverWaits) => {} // its gateway asks again
            _ => {
                let (_, outcome) = state.peek(&key, &Op::Get);
                out.send(op_id.gateway, Msg::Reply { id: op_id, outcome });
            }
        }
    }

    /// A client lists keys. What it gets is what this replica has applied, no more is promised.
    pub(super) fn on_scan(
        &self,
        state: &ReplicaState<S>,
        src: Id,
        (ticket, after, limit): (u64, Option<kv::Key>, u32),
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if after.as_ref().is_some_and(|key| Op::Get.check(key).is_err()) {
            return;
        }
        let first = Key::Data("".into());
        let after = after.map(Key::Data);
        let from = after.as_ref().map_or(Bound::Included(&first), Bound::Excluded);
        let rows = state.store.scan(from, Bound::Unbounded, limit.min(SCAN_KEYS) as usize);
        let keys = rows.into_iter().filter_map(|(key, _)| match key {
            Key::Data(key) => Some(key),
            _ => None,
        });
        let keys = keys.collect();
        let total = state.keys;
        out.send(src, Msg::Scanned { ticket, keys, total });
    }
}
