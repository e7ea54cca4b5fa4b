//! How a deleted key is forgotten: tombstones are shown to all replicas, and purged when all hold
//! them.
//!
//! A tombstone is needed as long as an actor may hold what it outranks. When all replicas of a
//! stable view hold it, only late messages do; and those the *floors* refuse,
//! which a purge raises. See the section "Deletes" of the [module of the ring](crate::ring).

use super::{Node, NodeState, put};
use crate::kv;
use crate::mechanism::{Mechanism, Mechanisms};
use crate::ring::msg::{Held, Sweep};
use crate::ring::place::position;
use crate::ring::{Key, Msg, Register, RingActor, Row, Timer};
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Bound;

/// How many tombstones one round of sweeping shows to other nodes.
const SWEPT: usize = 64;

impl<S: Store<Key, Row>, M: Mechanisms> Node<S, M> {
    /// Shows tombstones to the other replicas: those that it has not accepted a promise beyond.
    pub(super) fn on_sweep_timer(
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
                // It lives elsewhere now. Before it is here again, whatever is here is forgotten.
                let state = state.to_mut();
                state.store.delete(&Key::Tombstone(at, key));
                out.save(state.store.clone());
                continue;
            }
            if state.sweeping.get(&key).is_none_or(|(swept, _)| *swept != ballot) {
                let sweeping = &mut state.to_mut().sweeping;
                sweeping.insert(key.clone(), (ballot, BTreeSet::new()));
            }
            for replica in replicas.into_iter().filter(|replica| *replica != id) {
                let (key, content) = (key.clone(), content.clone());
                out.send(replica, Msg::Sweep(Sweep { epoch, key, ballot, content }));
            }
        }
    }

    /// Another replica would purge a tombstone. Take it as a copy, which is always safe, unless
    /// there is something newer here; say so if it is held, or if it was purged here before, which
    /// a missing register under a floor this high is as good as: nothing older is here, nor will
    /// ever be.
    pub(super) fn on_sweep(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        src: Id,
        Sweep { key, ballot, content, .. }: Sweep,
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
        out.send(src, Msg::Held(Held { epoch, key, ballot }));
    }

    /// Another replica holds a tombstone that this node would purge. When all do, it goes.
    pub(super) fn on_held(
        &self,
        id: Id,
        state: &mut Cow<'_, NodeState<S>>,
        src: Id,
        Held { key, ballot, .. }: Held,
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
        let all = self.mechanisms.lacks(Mechanism::PurgeAll)
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::{Ballot, Content};
    use crate::ring::{Ring, Timeouts, View};
    use crate::store::MapStore;
    use stateright::actor::{Actor, Command};

    /// Tombstones of keys that have moved elsewhere do not stand in the way of those that are here.
    #[test]
    fn tombstones_that_live_elsewhere_are_not_shown_again_and_again() {
        let id = Id::from(0);
        let view = View::stable(1, Ring::of((0..10).map(Id::from)));
        let is_own = |key: &kv::Key| view.replicas(position(key)).contains(&id);
        let keys = (0..1000).map(|n| kv::Key::from(format!("{n}").as_str()));
        let (own, others): (Vec<_>, Vec<_>) = keys.partition(is_own);
        let last = own.iter().max_by_key(|key| position(key)).expect("some keys are its own");
        let mut store = MapStore::<Key, Row>::default();
        Node::init(&mut store, view.clone());
        for key in others.iter().chain([last]) {
            let accepted = Ballot { epoch: 1, n: 1, gateway: Id::from(19), incarnation: 1 };
            let content = Content { version: 1, value: None, recent: Vec::new() };
            let register = Register { promised: accepted, accepted, voted: true, content };
            Node::plant(&mut store, key, register);
        }
        let timeouts =
            Timeouts { sweep: Some(stateright::actor::model_timeout()), ..Timeouts::default() };
        let node = RingActor::Node(Node::new(16, timeouts));
        let mut state = Cow::Owned(node.on_start(id, &Some(store), &mut Out::new()));
        let mut shown = BTreeSet::new();
        for _ in 0..=others.len() / SWEPT {
            let mut out = Out::new();
            node.on_timeout(id, &mut state, &Timer::Sweep, &mut out);
            shown.extend(out.iter().filter_map(|command| match command {
                Command::Send(_, Msg::Sweep(Sweep { key, .. })) => Some(key.clone()),
                _ => None,
            }));
        }
        assert_eq!(shown, BTreeSet::from([last.clone()]));
    }
}
