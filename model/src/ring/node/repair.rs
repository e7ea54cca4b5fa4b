//! How a replica that has missed a write gets it all the same: replicas compare what they hold, and
//! copy.
//!
//! A write ends at a quorum. The replica that was down, or whose messages were lost, lacks it;
//! quorums do not need that replica, but a copy is missing: should the other two be lost, the write
//! is lost with them. So every node of a stable view walks the circle, slice after slice, with a
//! rest after each round:
//!
//! 1. It sends every other replica of a slice a [`Digest`] of the registers that the two have in
//!    common: how many, and a sum over keys and accepted ballots ([`Compare`](Msg::Compare)). Equal
//!    ballots have equal contents.
//! 2. The other one answers that its own are the same, or lists them ([`Compared`](Msg::Compared)).
//! 3. The node asks for those of which the other one has accepted a higher ballot
//!    ([`Want`](Msg::Want)).
//! 4. It is given them ([`Copies`](Msg::Copies)), in parts of bounded bytes, one under way with
//!    each neighbour.
//!
//! Each node sees to what *it* lacks, and gives others what they ask for. None of this is
//! remembered: a message that is lost is made good by the next round. Besides, a gateway whose read
//! shows that a replica is behind tells that replica so ([`Behind`](Msg::Behind)), and it goes on
//! from step 3.
//!
//! **A repaired register is a copy, never a vote**, as one that a newcomer fetches. A copy with
//! ballot b says that b was accepted by another node, which is true whatever this node has promised
//! meanwhile; so it may be taken below a promise, where a vote may not. (As a vote, below the
//! promise that a rival's attempt rests upon, it would make a quorum for b, and the rival, which
//! never saw b, another one for what is not built upon it.) Every promise from then on tells of it,
//! so every proposer builds upon it or upon something higher.
//!
//! **What was purged does not come back.** Where nothing is accepted, a copy at or below the ballot
//! floor is refused, as an accept is: it may be of before a delete that all replicas have
//! forgotten. A register of a live key that only other keys' purges have put below the floor is
//! therefore not copied; the next write brings it, with a higher ballot.
//!
//! Only a stable view repairs. In a joint one newcomers fetch, and nodes that stay have what
//! they had; copies of an older epoch are not taken, as nothing of one is.

use super::fetch::{PART_BYTES, READ};
use super::{Node, NodeState, Walk, put};
use crate::kv;
use crate::mechanism::{Mechanism, Mechanisms};
use crate::ring::bounds::SHOWN;
use crate::ring::msg::{Behind, Compare, Compared, Copies, Want};
use crate::ring::place::position;
use crate::ring::{
    Ballot, Copied, Digest, Key, Listed, Msg, Register, RingActor, Row, Slice, Timer,
};
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// How many registers a slice has at the most.
const SLICE_ROWS: usize = 512;

/// How many bytes of keys and values are read for it at the most, beyond the first register's.
const SLICE_BYTES: usize = 1 << 20;

/// How many registers are looked at for an answer at the most.
const LOOKED_AT: usize = 4096;

/// How often in a row the same slice is compared, because copies have come in. Writes that go on
/// missing this node must not keep it there.
const AGAIN: u8 = 32;

/// A place on the circle: a position, and one of the keys there.
type At = (u64, kv::Key);

/// How far a node looks along the circle.
struct Reach<'a> {
    /// It begins behind this place; `None` where the circle does.
    after: Option<&'a At>,
    /// It ends with this place; `None` where the circle does.
    upto: Option<&'a At>,
    /// It ends when so many registers were looked at.
    rows: usize,
    /// It ends when so many bytes of keys and values were.
    bytes: usize,
}

impl<S: Store<Key, Row>, M: Mechanisms> Node<S, M> {
    /// It is time to compare the next slice with its other replicas, or to begin another round.
    pub(super) fn on_repair_timer(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let Some(rest) = &self.timeouts.repair else { return };
        if !state.view.is_stable() || !state.view.new.has(id) {
            if state.walk != Walk::default() {
                state.to_mut().walk = Walk::default();
            }
            return out.set_timer(Timer::Repair, rest.clone());
        }
        let Walk { from, upto, copied, again } = state.walk.clone();
        let is_again = copied && again < AGAIN;
        let (after, again) = if is_again { (from, again + 1) } else { (upto, 0) };
        let mut digests = BTreeMap::new();
        let reach =
            Reach { after: after.as_ref(), upto: None, rows: SLICE_ROWS, bytes: SLICE_BYTES };
        let upto = state.look(id, reach, |row, all| {
            let others = all.iter().filter(|other| **other != id);
            others.for_each(|other| digests.entry(*other).or_insert(Digest::default()).add(row));
            true
        });
        let slice = Slice { after, upto };
        for other in state.neighbours(id, &slice) {
            let digest = digests.remove(&other).unwrap_or_default();
            let (epoch, slice) = (state.view.epoch, slice.clone());
            out.send(other, Msg::Compare(Compare { epoch, slice, digest }));
        }
        let is_last = slice.upto.is_none();
        let soon = self.timeouts.slice.clone();
        out.set_timer(Timer::Repair, if is_last { rest.clone() } else { soon });
        let walk = Walk { from: slice.after, upto: slice.upto, copied: false, again };
        if state.walk != walk {
            state.to_mut().walk = walk;
        }
    }

    /// Another replica compares: are the registers of a slice that both hold the same here?
    pub(super) fn on_compare(
        &self,
        id: Id,
        state: &NodeState<S>,
        src: Id,
        Compare { slice, digest, .. }: Compare,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if !state.view.is_stable() {
            return;
        }
        let (mut own, mut rows) = (Digest::default(), Vec::new());
        let (after, upto) = (slice.after.as_ref(), slice.upto.as_ref());
        let reach = Reach { after, upto, rows: LOOKED_AT, bytes: 2 * SLICE_BYTES };
        let looked = state.look(id, reach, |row, all| {
            if all.contains(&src) {
                own.add(row);
                rows.push(row.clone());
            }
            rows.len() < SHOWN
        });
        let is_same = looked.is_none() && own == digest;
        let rows = (!is_same).then_some(rows);
        let epoch = state.view.epoch;
        out.send(src, Msg::Compared(Compared { epoch, slice, rows, looked }));
    }

    /// Another replica tells how it compares: ask it for what this node has missed.
    pub(super) fn on_compared(
        &self,
        id: Id,
        state: &NodeState<S>,
        src: Id,
        Compared { slice, rows, looked, .. }: Compared,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let Some(rows) = rows.filter(|_| state.view.is_stable()) else { return };
        let missed =
            rows.into_iter().filter(|row| self.may_copy(id, state, src, &row.key, row.accepted));
        let keys: Vec<_> = missed.map(|row| row.key).collect();
        // It has looked at a part only, of a slice of which it has far more: the rest comes after
        // these.
        let then = looked.map(|looked| Slice { after: Some(looked), upto: slice.upto });
        if !keys.is_empty() {
            let epoch = state.view.epoch;
            out.send(src, Msg::Want(Want { epoch, keys, then }));
        } else if let Some(then) = then {
            self.compare(id, state, src, then, out);
        }
    }

    /// Another replica has missed these: give it as many as a message carries.
    pub(super) fn on_want(
        &self,
        id: Id,
        state: &NodeState<S>,
        src: Id,
        Want { keys, then, .. }: Want,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if !state.view.is_stable() {
            return;
        }
        let (mut rows, mut bytes, mut keys) = (Vec::new(), 0, keys.into_iter());
        for key in keys.by_ref() {
            let at = position(&key);
            if !state.view.replicas(at).contains(&src) || !self.serves(id, state, at) {
                continue;
            }
            let Register { accepted, voted, content, .. } = state.register(at, &key);
            if accepted > Ballot::default() {
                bytes += key.len() + content.bytes();
                rows.push(Copied { key, accepted, voted, content });
            }
            if bytes > PART_BYTES {
                break;
            }
        }
        let (rest, epoch) = (keys.collect(), state.view.epoch);
        out.send(src, Msg::Copies(Copies { epoch, rows, rest, then }));
    }

    /// Another replica gives what this node has missed: keep it, as copies.
    pub(super) fn on_copies(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        src: Id,
        Copies { rows, rest, then, .. }: Copies,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if !state.view.is_stable() {
            return;
        }
        let (is_given, mut is_new) = (!rows.is_empty(), false);
        for Copied { key, accepted, content, .. } in rows {
            if !self.may_copy(id, state, src, &key, accepted) {
                continue;
            }
            let held = state.register(position(&key), &key);
            let promised = held.promised.max(accepted);
            let voted = self.mechanisms.lacks(Mechanism::RepairIsNoVote);
            let state = state.to_mut();
            put(&mut state.store, &key, Register { promised, accepted, voted, content });
            is_new = true;
        }
        if is_new {
            let state = state.to_mut();
            state.walk.copied = true;
            out.save(state.store.clone());
            if self.timeouts.repair.is_some() {
                // The walk waits for as long as copies come in, and then looks at the same slice
                // again.
                out.set_timer(Timer::Repair, self.timeouts.slice.clone());
            }
        }
        let epoch = state.view.epoch;
        if is_given && !rest.is_empty() {
            out.send(src, Msg::Want(Want { epoch, keys: rest, then }));
        } else if let Some(then) = then {
            self.compare(id, state, src, then, out);
        }
    }

    /// A gateway has seen that this node is behind: ask the other replicas.
    pub(super) fn on_behind(
        &self,
        id: Id,
        state: &NodeState<S>,
        Behind { key, .. }: Behind,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let at = position(&key);
        if !state.view.is_stable() || !self.serves(id, state, at) {
            return;
        }
        for other in state.view.replicas(at).into_iter().filter(|other| *other != id) {
            let (epoch, keys) = (state.view.epoch, vec![key.clone()]);
            out.send(other, Msg::Want(Want { epoch, keys, then: None }));
        }
    }

    /// Compares a slice with one other replica.
    fn compare(
        &self,
        id: Id,
        state: &NodeState<S>,
        other: Id,
        slice: Slice,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let (Slice { after, upto }, mut digest) = (slice, Digest::default());
        let (from, to) = (after.as_ref(), upto.as_ref());
        let reach = Reach { after: from, upto: to, rows: SLICE_ROWS, bytes: SLICE_BYTES };
        let looked = state.look(id, reach, |row, all| {
            if all.contains(&other) {
                digest.add(row);
            }
            true
        });
        let (slice, epoch) = (Slice { after, upto: looked.or(upto) }, state.view.epoch);
        out.send(other, Msg::Compare(Compare { epoch, slice, digest }));
    }

    /// Whether a register that this other replica has accepted is to be copied: it is newer than
    /// what is here, and, where nothing is here, not of before a purge.
    pub(in crate::ring) fn may_copy(
        &self,
        id: Id,
        state: &NodeState<S>,
        other: Id,
        key: &kv::Key,
        ballot: Ballot,
    ) -> bool {
        let at = position(key);
        let replicas = state.view.replicas(at);
        if !replicas.contains(&other) || !self.serves(id, state, at) {
            return false;
        }
        let accepted = state.register(at, key).accepted;
        let is_newer = match self.mechanisms.has(Mechanism::RepairNewer) {
            true => ballot > accepted,
            false => ballot != accepted,
        };
        let is_purged = accepted == Ballot::default() && ballot <= state.floors.ballot;
        is_newer && !(is_purged && self.mechanisms.has(Mechanism::RepairFloor))
    }
}

impl<S: Store<Key, Row>> NodeState<S> {
    /// Shows the registers between two places of which this is a replica to `show`, with all
    /// replicas, until it has had enough, or so many registers and bytes were looked at. How far
    /// that was; `None` for all.
    fn look(
        &self,
        id: Id,
        Reach { after, upto, rows: most_rows, bytes: most_bytes }: Reach<'_>,
        mut show: impl FnMut(&Listed, &BTreeSet<Id>) -> bool,
    ) -> Option<At> {
        let key_of = |(at, key): &At| Key::Register(*at, key.clone());
        let (first, last) = (Key::Register(0, "".into()), upto.map(key_of));
        let to = last.as_ref().map_or(Bound::Unbounded, Bound::Included);
        let mut place = after.map(key_of);
        let (mut rows, mut bytes) = (0, 0);
        loop {
            let from = place.as_ref().map_or(Bound::Included(&first), Bound::Excluded);
            if let (Bound::Excluded(from), Some(last)) = (from, &last)
                && from >= last
            {
                return None;
            }
            let found = self.store.scan(from, to, READ);
            let is_end = found.len() < READ;
            for (at, row) in found {
                let (Key::Register(at, key), Row::Register(register)) = (at, row) else { continue };
                rows += 1;
                bytes += key.len() + register.content.bytes();
                let (accepted, is_live) = (register.accepted, register.content.value.is_some());
                let replicas = self.view.replicas(at);
                let listed = Listed { key, accepted, is_live };
                let is_shown = accepted > Ballot::default() && replicas.contains(&id);
                let goes_on = !is_shown || show(&listed, &replicas);
                if !goes_on || rows == most_rows || bytes > most_bytes {
                    return Some((at, listed.key));
                }
                place = Some(Key::Register(at, listed.key));
            }
            if is_end {
                return None;
            }
        }
    }

    /// All nodes that share a part of a slice with this one.
    fn neighbours(&self, id: Id, slice: &Slice) -> BTreeSet<Id> {
        let first = slice.after.as_ref().map_or(0, |(at, _)| *at);
        let last = slice.upto.as_ref().map_or(u64::MAX, |(at, _)| *at);
        let spans = self.view.spans().into_iter();
        let within = spans.filter(|span| span.upto >= first && span.from <= last);
        let mut neighbours = BTreeSet::new();
        for span in within {
            let replicas = self.view.replicas(span.upto);
            if replicas.contains(&id) {
                neighbours.extend(replicas);
            }
        }
        neighbours.remove(&id);
        neighbours
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::Value;
    use crate::ring::{Content, Ring, RingState, Timeouts, View};
    use crate::store::MapStore;
    use stateright::actor::{Actor, Command, model_timeout};
    use std::collections::VecDeque;

    type Ours = MapStore<Key, Row>;
    type Net = Vec<RingState<Ours>>;

    const BYTES: usize = 100;

    fn register(n: u64, bytes: usize) -> Register {
        let accepted = Ballot { epoch: 1, n, gateway: Id::from(99), incarnation: 1 };
        let content = Content { version: n, value: Some(vec![b'v'; bytes].into()), recent: vec![] };
        Register { promised: accepted, accepted, voted: true, content }
    }

    fn name(number: usize) -> kv::Key {
        kv::Key::from(format!("key:{number}").as_str())
    }

    fn actor() -> RingActor<Ours> {
        let repair = Some(model_timeout());
        RingActor::Node(Node::new(16, Timeouts { repair, ..Timeouts::default() }))
    }

    /// So many nodes that hold what `has` says.
    fn net(nodes: usize, keys: usize, has: impl Fn(Id, usize) -> Option<Register>) -> Net {
        let view = View::stable(1, Ring::of((0..nodes).map(Id::from)));
        let ids = (0..nodes).map(Id::from);
        let started = ids.map(|id| {
            let mut store = Ours::default();
            Node::init(&mut store, view.clone());
            for number in 0..keys {
                let key = name(number);
                if view.replicas(position(&key)).contains(&id)
                    && let Some(register) = has(id, number)
                {
                    Node::plant(&mut store, &key, register);
                }
            }
            actor().on_start(id, &Some(store), &mut Out::new())
        });
        started.collect()
    }

    /// Lets a node compare and copy until it begins to rest; the number of messages, and the
    /// largest.
    fn round(net: &mut Net, id: Id) -> (usize, usize) {
        let (mut messages, mut largest) = (0, 0);
        loop {
            let mut out = Out::new();
            let mut state = Cow::Borrowed(&net[usize::from(id)]);
            actor().on_timeout(id, &mut state, &Timer::Repair, &mut out);
            if let Cow::Owned(state) = state {
                net[usize::from(id)] = state;
            }
            let sent = |src, out: &Out<RingActor<Ours>>| -> Vec<(Id, Id, Msg)> {
                let sent = out.iter().filter_map(|command| match command {
                    Command::Send(dst, msg) => Some((src, *dst, msg.clone())),
                    _ => None,
                });
                sent.collect()
            };
            let mut under_way = VecDeque::from(sent(id, &out));
            while let Some((src, dst, msg)) = under_way.pop_front() {
                messages += 1;
                if let Msg::Copies(Copies { rows, .. }) = &msg {
                    largest = largest.max(rows.iter().map(|row| row.content.bytes()).sum());
                }
                let mut out = Out::new();
                let mut state = Cow::Borrowed(&net[usize::from(dst)]);
                actor().on_msg(dst, &mut state, src, msg, &mut out);
                if let Cow::Owned(state) = state {
                    net[usize::from(dst)] = state;
                }
                under_way.extend(sent(dst, &out));
            }
            let RingState::Node(state) = &net[usize::from(id)] else { panic!("it runs") };
            if state.walk.upto.is_none() && !state.walk.copied {
                return (messages, largest);
            }
        }
    }

    fn held(net: &Net, id: Id, key: &kv::Key) -> Register {
        let RingState::Node(state) = &net[usize::from(id)] else { panic!("it runs") };
        state.register(position(key), key)
    }

    /// A node that has missed everything, and one that has missed some of it, in a ring of ten.
    #[test]
    fn a_round_brings_whatever_was_missed_in_bounded_parts_and_as_copies() {
        const KEYS: usize = 20_000;
        let (empty, gappy) = (Id::from(0), Id::from(1));
        let mut net = net(10, KEYS, |id, number| match id {
            id if id == empty => None,
            id if id == gappy && number % 7 == 0 => Some(register(1, BYTES)),
            _ => Some(register(2, BYTES)),
        });
        let view = View::stable(1, Ring::of((0..10).map(Id::from)));
        for id in [empty, gappy] {
            let (_, largest) = round(&mut net, id);
            assert!(largest > 0 && largest <= PART_BYTES + 2 * BYTES, "{largest} bytes");
            let own = |number: &usize| view.replicas(position(&name(*number))).contains(&id);
            for number in (0..KEYS).filter(own) {
                let Register { accepted, voted, .. } = held(&net, id, &name(number));
                assert_eq!(accepted, register(2, 0).accepted, "{number}");
                assert_eq!(voted, id == gappy && number % 7 != 0, "{number}");
            }
            let again = round(&mut net, id);
            assert_eq!(again.1, 0, "nothing is missing any more");
            assert!(again.0 < 400, "{} messages to find that out", again.0);
        }
    }

    #[test]
    fn values_that_fill_a_message_come_one_after_the_other() {
        const LARGE: usize = PART_BYTES;
        let mut net = net(3, 20, |id, _| (id != Id::from(2)).then(|| register(1, LARGE)));
        let (_, largest) = round(&mut net, Id::from(2));
        assert_eq!(largest, LARGE);
        for number in 0..20 {
            assert_eq!(held(&net, Id::from(2), &name(number)).accepted, register(1, 0).accepted);
        }
    }

    #[test]
    fn what_is_newer_here_or_below_the_floor_is_not_copied() {
        let mut net = net(3, 2, |id, number| {
            let is_newer_here = number == 0 && id == Id::from(2);
            (is_newer_here || id != Id::from(2))
                .then(|| register(if is_newer_here { 9 } else { 3 }, 1))
        });
        let RingState::Node(state) = &mut net[2] else { panic!("it runs") };
        state.floors.ballot = register(3, 0).accepted;
        round(&mut net, Id::from(2));
        assert_eq!(held(&net, Id::from(2), &name(0)), register(9, 1));
        assert_eq!(held(&net, Id::from(2), &name(1)).accepted, Ballot::default());
        let RingState::Node(state) = &mut net[2] else { panic!("it runs") };
        state.floors.ballot = register(2, 0).accepted;
        round(&mut net, Id::from(2));
        let Register { accepted, promised, voted, content } = held(&net, Id::from(2), &name(1));
        assert_eq!((accepted, promised), (register(3, 0).accepted, register(3, 0).accepted));
        assert_eq!((voted, content.value), (false, Some(Value::from(vec![b'v']))));
    }
}
