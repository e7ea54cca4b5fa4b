//! What a model of a ring need not tell apart, beside what each actor calls obsolete: the arguments
//! of the ring's rows of the [table](crate::checker::reduce). None of it is trusted: tests compare
//! what is reached with these and without them, and audit them.
//!
//! - **Equivalent senders.** Which actor tells of a view makes no difference.
//! - **Spent**: a request that leaves a node as it is, now and for ever, can only be answered; and
//!   when its sender does not care for the answer, now and for ever, it is dropped. An announcement
//!   of a view that is under way already need not be sent again, where nothing is lost.
//! - **Quorums are counted at once** (a persistent set). A gateway counts promises, votes and
//!   acceptances, and until it has a quorum no actor can tell how many it has; what it has not
//!   counted yet stays under way. So each of them can as well be counted just before the last of
//!   its quorum: a gateway begins to count only when all that it needs is there, goes through it in
//!   the order of its senders, and no actor does anything else meanwhile. The same goes for a node
//!   that counts the holders of a tombstone, and for a newcomer that fetches: it votes when it has
//!   all (but for the floors, which stay raised: so not where tombstones are purged).
//! - **A refused operation waits for nothing** (a persistent set). Between a refusal and the next
//!   attempt a gateway does nothing that it did not do before the refusal, which can come later.
//!   (Where it has several lanes they share a counter, and it makes a difference.)
//! - **Symmetry.** Where all nodes are replicas of the key, and no view changes, a state in which
//!   two of them have changed places goes on as that state does.
//!
//! What is said here of an actor is held against what the actor does. A message that is spent is
//! asserted to lead to nothing where it is dropped
//! ([`Checked::spent`](crate::checker::model::Checked::spent)), and a message waits for others only
//! if its receiver does nothing else when it counts it. So a protocol that lacks a mechanism, or
//! has an error, is explored with the same reductions. What holds for ever because of a mechanism
//! is not said of a protocol without it.

pub(super) mod scope;

use super::world::{Action, ProofActor, ProofStore, System};
use crate::checker::intern::{Interned, Mix, Table};
use crate::checker::state::EnvelopeOf;
use chainring_model::coordinator;
use chainring_model::coordinator::msg::Install;
use chainring_model::prune::Prune;
use chainring_model::ring::msg::{
    Accept, Accepted, Fetch, Held, Prepare, Promise, Read, Refuse, Rows, Sweep, Vote,
};
use chainring_model::ring::place::{is_majority, position};
use chainring_model::ring::{
    Ballot, Floors, GatewayState, Msg, NodeState, Pending, Phase, Register, RingActor, RingState,
    Span, Timer,
};
use chainring_model::{Mechanism, Mechanisms};
use stateright::actor::{Actor, ActorModelAction, Command, Envelope, Id, Out};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What can be left out of the models of these actors.
pub struct Reductions<M: Mechanisms> {
    actors: Arc<[ProofActor<M>]>,
    /// Whether what a node has promised it never forgets, and old epochs are over.
    lasts: Lasts,
    is_lossy: bool,
    /// Whether tombstones are purged, so that what is fetched has floors.
    sweeps: bool,
    /// Groups of nodes that can change places.
    symmetric: Vec<Vec<usize>>,
    /// The answer that stands for all answers, by the state of the node that is asked.
    answers: Known<M, Answer>,
    /// Whether a message is obsolete, by the state of its receiver.
    obsolete: Known<M, bool>,
    /// Whether all that a message makes its receiver do is to count, by the receiver's state.
    steps: Known<M, bool>,
}

/// What holds for ever, once it does.
#[derive(Clone, Copy)]
struct Lasts {
    /// That a node has promised a ballot.
    promises: bool,
    /// That an epoch is over.
    epochs: bool,
}

/// What is known of a state of an actor and a message to it.
type Known<M, V> = Table<(usize, EnvelopeOf<ProofActor<M>>), Option<V>>;

/// The answer to a message, if there is one.
type Answer = Option<Interned<Msg>>;

/// An actor that counts: which messages count, and which senders have been counted.
enum Count<'a> {
    /// A gateway, for an operation in this phase.
    Quorum(&'a Pending),
    /// A newcomer: which replicas have given this span.
    Rows(u64, Span),
    /// A node: which replicas hold a tombstone.
    Held(&'a chainring_model::kv::Key, Ballot),
}

impl<M: Mechanisms> Reductions<M> {
    /// Those of a system.
    pub fn of(
        actors: Arc<[ProofActor<M>]>,
        mechanisms: &M,
        is_lossy: bool,
        sweeps: bool,
        symmetric: Vec<Vec<usize>>,
    ) -> Self {
        let has = |all: &[Mechanism]| all.iter().all(|mechanism| mechanisms.has(*mechanism));
        let lasts = Lasts {
            promises: has(&[
                Mechanism::PromiseKept,
                Mechanism::PromiseDurable,
                Mechanism::PurgePromise,
                Mechanism::BallotFloor,
                Mechanism::FloorsFetched,
                Mechanism::BallotEpoch,
            ]),
            epochs: has(&[Mechanism::RingEpochCheck]),
        };
        let (answers, obsolete, steps) = (Table::default(), Table::default(), Table::default());
        Reductions { actors, lasts, is_lossy, sweeps, symmetric, answers, obsolete, steps }
    }

    /// The actors from which a message is the same to its receiver.
    pub fn equivalent_senders(&self, envelope: &EnvelopeOf<ProofActor<M>>) -> Option<Vec<Id>> {
        match &*envelope.msg {
            // A coordinator believes other coordinators only.
            Msg::Views(coordinator::Msg::Install(_)) if !self.is_coordinator(envelope.dst) => {
                Some((0..self.actors.len()).map(Id::from).collect())
            }
            Msg::Opened(_)
            | Msg::Invoke(_)
            | Msg::Return(_)
            | Msg::Read(_)
            | Msg::Vote(_)
            | Msg::Prepare(_)
            | Msg::Promise(_)
            | Msg::Accept(_)
            | Msg::Accepted(_)
            | Msg::Refuse(_)
            | Msg::Sweep(_)
            | Msg::Held(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Belong(_)
            | Msg::Views(_)
            | Msg::Members(_)
            | Msg::Compare(_)
            | Msg::Compared(_)
            | Msg::Want(_)
            | Msg::Copies(_)
            | Msg::Behind(_) => None,
        }
    }

    fn is_coordinator(&self, id: Id) -> bool {
        matches!(self.actors.get(usize::from(id)), Some(RingActor::Coordinator(_)))
    }

    /// Whether all that a message can do is to be answered, and its sender does not care for any
    /// answer.
    pub fn is_spent(&self, system: &System<M>, envelope: &EnvelopeOf<ProofActor<M>>) -> bool {
        let Envelope { src, dst, msg } = *envelope;
        let state = |id: Id| system.actor_states.get(usize::from(id)).copied();
        let (Some(asked), Some(sender)) = (state(dst), state(src)) else { return false };
        let answer = self.answers.with((Interned::address(asked), *envelope), |known| {
            *known.get_or_insert_with(|| answer(&asked, &msg, self.lasts).map(Interned::new))
        });
        let Some(answer) = answer else { return false };
        if let Msg::Views(coordinator::Msg::Install(_)) = &*answer
            && !self.is_lossy
            && system.network.contains(&Envelope { src: Id::from(0), dst: src, msg: answer })
        {
            return true;
        }
        let answer = Envelope { src: dst, dst: src, msg: answer };
        self.obsolete.with((Interned::address(sender), answer), |known| {
            *known.get_or_insert_with(|| {
                let actor = &self.actors[usize::from(src)];
                actor.is_obsolete(src, &sender, dst, &answer.msg)
            })
        })
    }

    /// Whether an action belongs to the runs that stand for all.
    pub fn is_in_order(&self, system: &System<M>, action: &Action) -> bool {
        if self.is_lossy {
            return true;
        }
        match (self.who_is_occupied(system), action) {
            (Some((id, Occupation::Waits(lane))), action) => match action {
                ActorModelAction::Timeout(of, timer) => *of == id && *timer == Timer::Backoff(lane),
                ActorModelAction::Deliver { dst, msg, .. } => {
                    *dst == id && matches!(&**msg, Msg::Views(coordinator::Msg::Install(_)))
                }
                ActorModelAction::Drop(_)
                | ActorModelAction::Crash(_)
                | ActorModelAction::Recover(_)
                | ActorModelAction::SelectRandom { .. } => false,
            },
            (Some((id, Occupation::Counts)), ActorModelAction::Deliver { src, dst, msg }) => {
                *dst == id && self.counts(system, *src, *dst, msg) == Some(true)
            }
            (Some((id, Occupation::Counts)), ActorModelAction::Timeout(of, timer)) => {
                *of == id && matches!(timer, Timer::Resend(_)) && is_read_through(self, system, id)
            }
            (Some(_), _) => false,
            (None, ActorModelAction::Deliver { src, dst, msg }) => {
                self.counts(system, *src, *dst, msg) != Some(false)
                    || !self.only_counts(system, *src, *dst, *msg)
            }
            // Nothing is lost, and what was dropped is spent: only a read that has its quorum needs
            // this.
            (None, ActorModelAction::Timeout(_, Timer::Resend(_))) => false,
            (None, _) => true,
        }
    }

    /// Whether all that a message makes its receiver do is to count: it says nothing, and saves
    /// nothing, but for what was fetched.
    fn only_counts(&self, system: &System<M>, src: Id, dst: Id, msg: Interned<Msg>) -> bool {
        let index = usize::from(dst);
        let state = system.actor_states[index];
        let envelope = Envelope { src, dst, msg };
        self.steps.with((Interned::address(state), envelope), |known| {
            *known.get_or_insert_with(|| {
                let mut next = Cow::Borrowed(Interned::get(state));
                let mut out = Out::new();
                self.actors[index].on_msg(dst, &mut next, src, (*msg).clone(), &mut out);
                let is_fetched = matches!(&*msg, Msg::Rows(_));
                !out.iter().any(|command| match command {
                    Command::Send(..) => true,
                    Command::Save(_) => !is_fetched,
                    Command::SetTimer(..) | Command::CancelTimer(_) => false,
                    Command::ChooseRandom(..) => false,
                })
            })
        })
    }

    /// Which actors are occupied, and with what. Remembered of the newest system, for one action is
    /// asked about after the other.
    fn who_is_occupied(&self, system: &System<M>) -> Option<(Id, Occupation)> {
        type Known = (Vec<(usize, usize)>, Option<(Id, Occupation)>);
        thread_local! {
            static NEWEST: RefCell<Known> = RefCell::default();
        }
        let parts = || {
            let states = system.actor_states.iter().zip(&system.timers_set);
            states.map(|(state, timers)| (Interned::address(*state), Interned::address(*timers)))
        };
        NEWEST.with_borrow_mut(|(newest, who)| {
            if !newest.iter().copied().eq(parts()) {
                let mut ids = (0..self.actors.len()).map(Id::from);
                *newest = parts().collect();
                *who = ids.find_map(|id| self.occupied(system, id).map(|with| (id, with)));
            }
            *who
        })
    }

    /// The system that stands for all in which the nodes have changed places: they are in the order
    /// of what there is to be known of them. (Any order would do; this one is the same for most
    /// that are the same.)
    pub fn representative(&self, system: &System<M>) -> Option<System<M>> {
        if self.symmetric.is_empty() || self.is_lossy || self.who_is_occupied(system).is_some() {
            return None;
        }
        let nodes = 0..1 + self.symmetric.iter().flatten().max().copied().unwrap_or(0);
        let is_node = |id: Id| usize::from(id) < nodes.end;
        let digest = |part: &dyn Fn(&mut Mix)| {
            let mut hasher = Mix::default();
            part(&mut hasher);
            hasher.finish()
        };
        let mut known: Vec<u64> = (nodes.clone())
            .map(|node| {
                digest(&|hasher| {
                    system.actor_states[node].hash(hasher);
                    system.timers_set[node].hash(hasher);
                    system.actor_storages[node].hash(hasher);
                    system.crashed[node].hash(hasher);
                })
            })
            .collect();
        let own = known.clone();
        for envelope in system.network.iter() {
            for (id, other, is_sender) in
                [(envelope.src, envelope.dst, true), (envelope.dst, envelope.src, false)]
            {
                if is_node(id) {
                    let other = if is_node(other) {
                        own[usize::from(other)]
                    } else {
                        usize::from(other) as u64
                    };
                    let said = digest(&|hasher| {
                        (other, is_sender).hash(hasher);
                        envelope.msg.hash(hasher);
                    });
                    let known = &mut known[usize::from(id)];
                    *known = known.wrapping_add(said);
                }
            }
        }
        let mut order: Vec<usize> = nodes.collect();
        for group in &self.symmetric {
            let mut sorted = group.clone();
            sorted.sort_by_key(|node| known[*node]);
            for (place, node) in group.iter().zip(sorted) {
                order[*place] = node;
            }
        }
        (!order.is_sorted()).then(|| self.reordered(system, &order))
    }

    /// In which orders the nodes can be.
    pub fn orders(&self) -> Vec<Vec<usize>> {
        let count = self.actors.iter().filter(|it| matches!(it, RingActor::Node(_))).count();
        let mut orders = vec![(0..count).collect::<Vec<_>>()];
        let pairs = |group: &Vec<usize>| {
            let group = group.clone();
            (0..group.len()).flat_map(move |i| {
                let group = group.clone();
                (i + 1..group.len()).map(move |j| (group[i], group[j]))
            })
        };
        // Every order is made by exchanging the first with another, then the second, and so on.
        for (one, other) in self.symmetric.iter().flat_map(pairs) {
            let exchanged = orders.iter().map(|order| {
                let mut order = order.clone();
                order.swap(one, other);
                order
            });
            let exchanged: Vec<_> = exchanged.collect();
            orders.extend(exchanged);
        }
        orders.sort();
        orders.dedup();
        orders
    }

    /// The same system, where the first node is what the node `order[0]` was before, and so on.
    pub fn reordered(&self, system: &System<M>, order: &[usize]) -> System<M> {
        let place = |id: Id| {
            let place = order.iter().position(|old| *old == usize::from(id));
            place.map_or(id, Id::from)
        };
        let mut next = system.clone();
        next.network = system.network.readdressed(place);
        for (new, old) in order.iter().enumerate() {
            next.actor_states[new] = match &*system.actor_states[*old] {
                RingState::Node(state) if !state.sweeping.is_empty() => {
                    let mut state = state.clone();
                    for (_, held) in state.sweeping.values_mut() {
                        *held = held.iter().map(|id| place(*id)).collect();
                    }
                    Interned::new(RingState::Node(state))
                }
                RingState::Stopped
                | RingState::Node(_)
                | RingState::Gateway(_)
                | RingState::Coordinator(_)
                | RingState::Member(_)
                | RingState::Oracle(_)
                | RingState::Script(_) => system.actor_states[*old],
            };
            next.timers_set[new] = system.timers_set[*old];
            next.crashed[new] = system.crashed[*old];
            next.actor_storages[new] = system.actor_storages[*old];
        }
        next
    }

    /// What an actor has begun that is to be ended before anything else happens.
    fn occupied(&self, system: &System<M>, id: Id) -> Option<Occupation> {
        let index = usize::from(id);
        match &*system.actor_states[index] {
            RingState::Gateway(state) => {
                let is_alone = state.lanes.len() == 1;
                state.lanes.iter().find_map(|(number, lane)| {
                    let timers = &system.timers_set[index];
                    let pending = lane.pending.as_ref()?;
                    if !counted(pending).is_empty() {
                        return Some(Occupation::Counts);
                    }
                    let waits = matches!(pending.phase, Phase::Waiting);
                    let again = waits && is_alone && timers.contains(&Timer::Backoff(*number));
                    again.then_some(Occupation::Waits(*number))
                })
            }
            RingState::Node(state) => {
                let mut swept = state.sweeping.iter();
                let counts = swept.any(|(key, (_, held))| {
                    !held.is_empty() && !awaited(state, id, key).is_subset(held)
                });
                let mut transfers = state.transfers.values();
                let fetches = !self.sweeps
                    && transfers.any(|transfer| transfer.done.iter().any(|done| *done != id));
                (counts || fetches).then_some(Occupation::Counts)
            }
            RingState::Stopped
            | RingState::Coordinator(_)
            | RingState::Member(_)
            | RingState::Oracle(_)
            | RingState::Script(_) => None,
        }
    }

    /// The same of what a newcomer fetches.
    fn counts_rows(
        &self,
        system: &System<M>,
        state: &NodeState<ProofStore>,
        src: Id,
        dst: Id,
        msg: &Msg,
    ) -> Option<bool> {
        let Msg::Rows(Rows { epoch, span, .. }) = msg else { return None };
        let transfer = state.transfers.get(&span.upto)?;
        if *epoch != state.view.epoch || transfer.done.contains(&src) || self.sweeps {
            return None;
        }
        let old = state.view.old_replicas(span.upto);
        let is_enough = |all: &BTreeSet<Id>| is_majority(&old, |id| all.contains(&id));
        let mut known = transfer.done.clone();
        let last = known.iter().copied().filter(|done| *done != dst).max();
        known.insert(src);
        if is_enough(&known) {
            return Some(true);
        }
        let count = Count::Rows(*epoch, *span);
        let others = system.network.iter().filter(|envelope| {
            envelope.dst == dst && envelope.src != src && count.is_one(&envelope.msg)
        });
        let others: BTreeSet<Id> = others.map(|envelope| envelope.src).collect();
        let mut later = known;
        later.extend(others.iter().filter(|other| **other > src));
        let with = |one: &Id| {
            let mut all = later.clone();
            all.insert(*one);
            is_enough(&all)
        };
        Some(last <= Some(src) && (is_enough(&later) || others.iter().any(with)))
    }

    /// Whether a message that counts at its receiver comes in order, with all that is needed after
    /// it; nothing if it does not count.
    fn counts(&self, system: &System<M>, src: Id, dst: Id, msg: &Msg) -> Option<bool> {
        let index = usize::from(dst);
        let others = |count: &Count| -> BTreeSet<Id> {
            let others = system.network.iter().filter(|envelope| {
                envelope.dst == dst && envelope.src != src && count.is_one(&envelope.msg)
            });
            others.map(|envelope| envelope.src).collect()
        };
        match (self.actors.get(index)?, &*system.actor_states[index]) {
            (RingActor::Gateway(gateway), RingState::Gateway(state)) => {
                let pending = pending_for(state, msg)?;
                let count = Count::Quorum(pending);
                let known = counted(pending);
                if !count.is_one(msg) || known.contains(&src) {
                    return None;
                }
                let at = position(&pending.key);
                let is_enough =
                    |all: &BTreeSet<Id>| gateway.is_quorum(&state.view, at, |id| all.contains(&id));
                let mut all = known.clone();
                all.insert(src);
                if is_enough(&all) {
                    return Some(true); // the last one, whichever it is
                }
                if known.last() > Some(&src) {
                    return Some(false);
                }
                let others = others(&count);
                all.extend(others.iter().filter(|other| **other > src));
                let with = |last: &Id| {
                    let mut all = all.clone();
                    all.insert(*last);
                    is_enough(&all)
                };
                Some(is_enough(&all) || others.iter().any(with))
            }
            (RingActor::Node(_), RingState::Node(state)) => {
                let (key, ballot) = match msg {
                    Msg::Held(Held { key, ballot, .. }) => (key, ballot),
                    Msg::Rows(_) => return self.counts_rows(system, state, src, dst, msg),
                    Msg::Opened(_)
                    | Msg::Invoke(_)
                    | Msg::Return(_)
                    | Msg::Read(_)
                    | Msg::Vote(_)
                    | Msg::Prepare(_)
                    | Msg::Promise(_)
                    | Msg::Accept(_)
                    | Msg::Accepted(_)
                    | Msg::Refuse(_)
                    | Msg::Sweep(_)
                    | Msg::Fetch(_)
                    | Msg::Scan(_)
                    | Msg::Scanned(_)
                    | Msg::Belong(_)
                    | Msg::Views(_)
                    | Msg::Members(_)
                    | Msg::Compare(_)
                    | Msg::Compared(_)
                    | Msg::Want(_)
                    | Msg::Copies(_)
                    | Msg::Behind(_) => return None,
                };
                let (swept, held) = state.sweeping.get(key)?;
                let awaited = awaited(state, dst, key);
                if swept != ballot || held.contains(&src) || !awaited.contains(&src) {
                    return None;
                }
                let mut all = others(&Count::Held(key, *ballot));
                all.retain(|other| *other > src);
                all.extend(held);
                all.insert(src);
                Some(awaited.is_subset(&all))
            }
            _ => None,
        }
    }
}

#[derive(Clone, Copy)]
enum Occupation {
    /// It has begun to count.
    Counts,
    /// Its operation in this lane was refused.
    Waits(u32),
}

impl Count<'_> {
    /// Whether a message is of those that are counted.
    fn is_one(&self, msg: &Msg) -> bool {
        match self {
            Count::Rows(epoch, span) => match msg {
                Msg::Rows(Rows { epoch: of, span: this, .. }) => of == epoch && this == span,
                Msg::Opened(_)
                | Msg::Invoke(_)
                | Msg::Return(_)
                | Msg::Read(_)
                | Msg::Vote(_)
                | Msg::Prepare(_)
                | Msg::Promise(_)
                | Msg::Accept(_)
                | Msg::Accepted(_)
                | Msg::Refuse(_)
                | Msg::Sweep(_)
                | Msg::Held(_)
                | Msg::Fetch(_)
                | Msg::Scan(_)
                | Msg::Scanned(_)
                | Msg::Belong(_)
                | Msg::Views(_)
                | Msg::Members(_)
                | Msg::Compare(_)
                | Msg::Compared(_)
                | Msg::Want(_)
                | Msg::Copies(_)
                | Msg::Behind(_) => false,
            },
            Count::Quorum(pending) => match (&pending.phase, msg) {
                (Phase::Reading { .. }, Msg::Vote(_)) => true,
                (Phase::Preparing { ballot, .. }, Msg::Promise(Promise { ballot: of, .. }))
                | (Phase::Accepting { ballot, .. }, Msg::Accepted(Accepted { ballot: of, .. })) => {
                    ballot == of
                }
                _ => false,
            },
            Count::Held(key, ballot) => match msg {
                Msg::Held(Held { key: of, ballot: swept, .. }) => of == *key && swept == ballot,
                Msg::Opened(_)
                | Msg::Invoke(_)
                | Msg::Return(_)
                | Msg::Read(_)
                | Msg::Vote(_)
                | Msg::Prepare(_)
                | Msg::Promise(_)
                | Msg::Accept(_)
                | Msg::Accepted(_)
                | Msg::Refuse(_)
                | Msg::Sweep(_)
                | Msg::Fetch(_)
                | Msg::Rows(_)
                | Msg::Scan(_)
                | Msg::Scanned(_)
                | Msg::Belong(_)
                | Msg::Views(_)
                | Msg::Members(_)
                | Msg::Compare(_)
                | Msg::Compared(_)
                | Msg::Want(_)
                | Msg::Copies(_)
                | Msg::Behind(_) => false,
            },
        }
    }
}

/// The operation that an answer is for.
fn pending_for<'a, S>(state: &'a GatewayState<S>, msg: &Msg) -> Option<&'a Pending> {
    match msg {
        Msg::Vote(Vote { epoch, id, .. }) => {
            state.pending(id).filter(|_| *epoch == state.view.epoch)
        }
        Msg::Promise(Promise { id, .. }) | Msg::Accepted(Accepted { id, .. }) => state.pending(id),
        Msg::Opened(_)
        | Msg::Invoke(_)
        | Msg::Return(_)
        | Msg::Read(_)
        | Msg::Prepare(_)
        | Msg::Accept(_)
        | Msg::Refuse(_)
        | Msg::Sweep(_)
        | Msg::Held(_)
        | Msg::Fetch(_)
        | Msg::Rows(_)
        | Msg::Scan(_)
        | Msg::Scanned(_)
        | Msg::Belong(_)
        | Msg::Views(_)
        | Msg::Members(_)
        | Msg::Compare(_)
        | Msg::Compared(_)
        | Msg::Want(_)
        | Msg::Copies(_)
        | Msg::Behind(_) => None,
    }
}

/// Whose answers an operation has counted.
fn counted(pending: &Pending) -> BTreeSet<Id> {
    match &pending.phase {
        Phase::Reading { votes } => votes.keys().copied().collect(),
        Phase::Preparing { promised, .. } => promised.clone(),
        Phase::Accepting { accepted, .. } => accepted.clone(),
        Phase::Waiting => BTreeSet::new(),
    }
}

/// Whether the gateway has a quorum of answers to a read, which do not agree.
fn is_read_through<M: Mechanisms>(this: &Reductions<M>, system: &System<M>, id: Id) -> bool {
    let index = usize::from(id);
    let (RingActor::Gateway(gateway), RingState::Gateway(state)) =
        (&this.actors[index], &*system.actor_states[index])
    else {
        return false;
    };
    let mut pending = state.lanes.values().filter_map(|lane| lane.pending.as_ref());
    pending.any(|pending| match &pending.phase {
        Phase::Reading { votes } => {
            let at = position(&pending.key);
            gateway.is_quorum(&state.view, at, |id| votes.contains_key(&id))
        }
        Phase::Preparing { .. } | Phase::Accepting { .. } | Phase::Waiting => false,
    })
}

/// Which replicas have to hold a tombstone before a node purges it.
fn awaited<S>(state: &NodeState<S>, id: Id, key: &chainring_model::kv::Key) -> BTreeSet<Id> {
    let mut replicas = state.view.replicas(position(key));
    replicas.remove(&id);
    replicas
}

/// If a message leaves the node that is asked as it is, now and for ever, across crashes: an answer
/// that stands for all of its answers. When that one is obsolete where it goes, so is every other.
fn answer(state: &RingState<ProofStore>, msg: &Msg, lasts: Lasts) -> Option<Msg> {
    let install = |view: &chainring_model::ring::View| {
        Msg::Views(coordinator::Msg::Install(Install { view: view.clone() }))
    };
    match (state, msg) {
        (RingState::Node(node), msg) => answer_of(node, msg, install(&node.view), lasts),
        (RingState::Gateway(gateway), Msg::Views(coordinator::Msg::Ask(_))) => {
            Some(install(&gateway.view))
        }
        (RingState::Oracle(oracle), Msg::Views(coordinator::Msg::Ask(_))) => {
            Some(install(&oracle.view))
        }
        (RingState::Coordinator(state), Msg::Views(coordinator::Msg::Ask(_))) => {
            Some(install(&state.decided))
        }
        _ => None,
    }
}

/// What an older epoch, or a ballot up to the one promised, asks for changes nothing for ever. Of
/// the answers a refusal stands for all: a proposer to which that is obsolete has left the ballot.
fn answer_of(node: &NodeState<ProofStore>, msg: &Msg, install: Msg, lasts: Lasts) -> Option<Msg> {
    let epoch = match msg {
        Msg::Views(coordinator::Msg::Ask(_)) => return Some(install),
        Msg::Read(Read { epoch, .. })
        | Msg::Sweep(Sweep { epoch, .. })
        | Msg::Fetch(Fetch { epoch, .. }) => *epoch,
        Msg::Prepare(Prepare { ballot, .. }) | Msg::Accept(Accept { ballot, .. }) => ballot.epoch,
        Msg::Opened(_)
        | Msg::Invoke(_)
        | Msg::Return(_)
        | Msg::Vote(_)
        | Msg::Promise(_)
        | Msg::Accepted(_)
        | Msg::Refuse(_)
        | Msg::Held(_)
        | Msg::Rows(_)
        | Msg::Scan(_)
        | Msg::Scanned(_)
        | Msg::Belong(_)
        | Msg::Views(_)
        | Msg::Members(_)
        | Msg::Compare(_)
        | Msg::Compared(_)
        | Msg::Want(_)
        | Msg::Copies(_)
        | Msg::Behind(_) => return None,
    };
    if epoch != node.view.epoch {
        return (epoch < node.view.epoch && lasts.epochs).then_some(install);
    }
    match msg {
        Msg::Read(Read { epoch, id, .. }) => {
            let (accepted, value) = (Ballot::default(), None);
            Some(Msg::Vote(Vote { epoch: *epoch, id: *id, accepted, voted: true, value }))
        }
        Msg::Prepare(Prepare { id, key, ballot }) => {
            let promised = node.register(position(key), key).promised;
            let (id, ballot) = (*id, *ballot);
            let is_refused = promised >= ballot && lasts.promises;
            is_refused.then_some(Msg::Refuse(Refuse { id, ballot, promised }))
        }
        Msg::Accept(Accept { id, key, ballot, .. }) => {
            let Register { promised, accepted, voted, .. } = node.register(position(key), key);
            let is_done = accepted == *ballot && voted;
            let refuse = Msg::Refuse(Refuse { id: *id, ballot: *ballot, promised });
            ((promised > *ballot || is_done) && lasts.promises).then_some(refuse)
        }
        Msg::Fetch(Fetch { epoch, span, after }) => Some(Msg::Rows(Rows {
            epoch: *epoch,
            span: *span,
            after: after.clone(),
            rows: Vec::new(),
            more: false,
            floors: Floors::default(),
        })),
        Msg::Opened(_)
        | Msg::Invoke(_)
        | Msg::Return(_)
        | Msg::Vote(_)
        | Msg::Promise(_)
        | Msg::Accepted(_)
        | Msg::Refuse(_)
        | Msg::Sweep(_)
        | Msg::Held(_)
        | Msg::Rows(_)
        | Msg::Scan(_)
        | Msg::Scanned(_)
        | Msg::Belong(_)
        | Msg::Views(_)
        | Msg::Members(_)
        | Msg::Compare(_)
        | Msg::Compared(_)
        | Msg::Want(_)
        | Msg::Copies(_)
        | Msg::Behind(_) => None,
    }
}
