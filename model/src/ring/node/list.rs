//! How keys are listed: a part of one node's registers, in the order of the circle.
//!
//! A listing is not linearizable, and costs no ballots: a node tells what it has accepted, and the
//! client that asks merges the answers. It walks the circle, so that a change of the ring moves
//! nothing in its order. What it is worth follows from quorums: a register that a majority of the
//! key's old replicas tell of, by the highest ballot among them, is at least as new as what was
//! chosen before the first of them answered. So a key that is there throughout is listed once, and
//! one that was deleted before is not, as long as every span that a page covers has a quorum of
//! answers. Both, question and answer, carry the epoch, and a node answers in its own only. What is
//! merged is what *old* replicas tell, since in a joint view they are the ones that have
//! everything; but a majority of the new ones has to answer, too: a ring that has gone on to the
//! new replicas alone may have taken writes there of which no old one knows, and the client that
//! asks, and a majority of the old ones, may not have heard of that yet. A majority of the new ones
//! has.
//!
//! An answer is bounded by the registers and by the bytes that it takes to make it, not by what the
//! question says.

use super::NodeState;
use super::fetch::READ;
use crate::kv;
use crate::mechanism::Mechanisms;
use crate::ring::msg::{Scan, Scanned};
use crate::ring::{Ballot, Key, Listed, Msg, Node, RingActor, Row};
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::ops::Bound;

/// How many registers are looked at for one answer at the most.
const LOOKED_AT: usize = 1024;

/// How many bytes of keys and values that is at the most, beyond the first ones read.
const LOOKED_AT_BYTES: usize = 256 << 10;

/// A place on the circle: a position, and one of the keys there.
type At = (u64, kv::Key);

impl<S: Store<Key, Row>, M: Mechanisms> Node<S, M> {
    /// A client lists keys: those of which this is an old replica, tombstones included.
    pub(super) fn on_scan(
        &self,
        id: Id,
        state: &NodeState<S>,
        src: Id,
        Scan { ticket, after, limit, .. }: Scan,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if limit == 0 {
            return;
        }
        let (rows, upto) = state.list(id, after, limit as usize);
        let epoch = state.view.epoch;
        out.send(src, Msg::Scanned(Scanned { epoch, ticket, rows, upto }));
    }
}

impl<S: Store<Key, Row>> NodeState<S> {
    /// The registers behind a place, and how far it has looked; `None` to the end.
    fn list(&self, id: Id, after: Option<At>, limit: usize) -> (Vec<Listed>, Option<At>) {
        let first = Key::Register(0, "".into());
        let mut place = after.map(|(at, key)| Key::Register(at, key));
        let (mut rows, mut looked_at, mut bytes) = (Vec::new(), 0, 0);
        loop {
            let from = place.as_ref().map_or(Bound::Included(&first), Bound::Excluded);
            let found = self.store.scan(from, Bound::Unbounded, READ);
            let is_end = found.len() < READ;
            for (at, row) in found {
                let (Key::Register(at, key), Row::Register(register)) = (at, row) else { continue };
                looked_at += 1;
                bytes += key.len() + register.content.bytes();
                let is_something = register.accepted > Ballot::default();
                if is_something && self.view.old_replicas(at).contains(&id) {
                    let (accepted, is_live) = (register.accepted, register.content.value.is_some());
                    rows.push(Listed { key: key.clone(), accepted, is_live });
                }
                if rows.len() == limit || looked_at == LOOKED_AT || bytes > LOOKED_AT_BYTES {
                    return (rows, Some((at, key)));
                }
                place = Some(Key::Register(at, key));
            }
            if is_end {
                return (rows, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::Value;
    use crate::ring::place::position;
    use crate::ring::{Content, MAX_KEY_BYTES, Register, Ring, Timeouts, View};
    use crate::store::MapStore;
    use stateright::actor::{Actor, Command};
    use std::borrow::Cow;

    type Ours = MapStore<Key, Row>;

    /// What node 0 of a ring of these members says to a scan, if anything; it holds keys of so many
    /// bytes.
    fn ask(
        members: usize,
        keys: usize,
        bytes: usize,
        (after, limit): (Option<At>, u32),
    ) -> Option<(Vec<Listed>, Option<At>)> {
        let id = Id::from(0);
        let mut store = Ours::default();
        Node::init(&mut store, View::stable(1, Ring::of((0..members).map(Id::from))));
        for n in 0..keys {
            let value = Some(Value::from(vec![b'v'; bytes]));
            let accepted = Ballot { epoch: 1, n: 1, gateway: Id::from(9), incarnation: 1 };
            let content = Content { version: 1, value, recent: Vec::new() };
            let register = Register { promised: accepted, accepted, voted: true, content };
            Node::plant(&mut store, &kv::Key::from(format!("{n}").as_str()), register);
        }
        let node = RingActor::Node(Node::new(16, Timeouts::default()));
        let state = node.on_start(id, &Some(store), &mut Out::new());
        let mut out = Out::new();
        let scan = Msg::Scan(Scan { epoch: 1, ticket: 7, after, limit });
        node.on_msg(id, &mut Cow::Borrowed(&state), Id::from(8), scan, &mut out);
        out.iter().find_map(|command| match command {
            Command::Send(_, Msg::Scanned(Scanned { ticket: 7, rows, upto, .. })) => {
                Some((rows.clone(), upto.clone()))
            }
            _ => None,
        })
    }

    #[test]
    fn answers_are_bounded_whatever_is_asked() {
        let (rows, upto) = ask(1, 3000, 1, (None, u32::MAX)).expect("an answer");
        assert_eq!(rows.len(), LOOKED_AT);
        let last = rows.last().expect("there are some");
        assert_eq!(upto, Some((position(&last.key), last.key.clone())));
        let (rows, upto) = ask(1, 100, 100_000, (None, u32::MAX)).expect("an answer");
        assert!(rows.len() < 10 && upto.is_some(), "{} rows", rows.len());
        let too_long = kv::Key::from(vec![0; MAX_KEY_BYTES + 1]);
        assert_eq!(ask(1, 3, 1, (Some((0, too_long)), 10)), None);
        assert_eq!(ask(1, 3, 1, (None, 0)), None);
    }

    #[test]
    fn pages_follow_each_other_and_tell_of_own_keys_only() {
        let (mut after, mut seen) = (None, 0);
        loop {
            let (rows, upto) = ask(10, 300, 1, (after, 7)).expect("an answer");
            assert!(rows.iter().all(|row| row.is_live));
            seen += rows.len();
            match upto {
                Some(upto) => after = Some(upto),
                None => break,
            }
        }
        assert!((40..160).contains(&seen), "{seen} of 300 at one of ten, three replicas each");
    }
}
