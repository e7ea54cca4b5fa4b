//! A thin model around stateright's [`ActorModel`] that makes state spaces small and crashes honest.
//!
//! What it changes, and why that is sound:
//!
//! - **The last delivered message is forgotten.** stateright 0.31 keeps it in the fingerprint of a
//!   duplicating network, so that one state counts once for each message that led to it. No actor and no
//!   property reads it.
//! - **A step that changes nothing is no step.** So a state without steps is a state in which nothing
//!   can happen any more, and "no dead end" can be asked of it.
//! - **A crashed actor has no volatile state.** stateright keeps the state of before the crash until the
//!   recovery; here it becomes what the actor would be without its store.
//! - **Stores are initialised, and crashes are counted.** The initial state is that of actors which
//!   start from initialised stores. At most so many crashes happen in all, to those who may crash.
//! - **Local messages arrive at once.** A client and its gateway are one process, and what they say to
//!   each other is neither lost nor delayed: it is delivered in the step that sends it, if the receiver is
//!   up. A client that hears late sees a longer operation, and of two histories that differ in nothing
//!   else the one with the longer operations is linearizable if the other is. That a script calls again at
//!   once loses nothing, because an operation begins when its first message is *received*, as late as a
//!   client can have thought: see [`history`](crate::history). (Tests compare this with runs in which
//!   local messages may arrive at any time.)
//! - **Of two timers, the one that was armed earlier for less time ends first**, where a model says which
//!   timers are measured: see [`clock`](crate::checker::clock).
//! - **Some timers fire so often and no more**, where a model says so (its *scope*).
//! - **Impossible states are left out**, where a model names an assumption about the world.
//! - **Obsolete messages are dropped.** An actor says which messages are no-ops to it now and for ever
//!   ([`Prune`]); dropping them merges states that differ in nothing else. That each *is* a no-op when
//!   it is dropped is asserted on the spot. That it would stay one is the `audit` of
//!   [`Pruning::Audit`], which keeps every message and holds each actor to all it has said.

use super::intern::{Interned, Table};
use super::reduce::Pruning;
use super::state::{CheckedState, EnvelopeOf, Internable, System, opened};
use super::stateright::{Projection, to_stateright, with_caption};
use super::step::{Reception, Step, Touched};
use crate::history::Recorder;
use chainring_model::prune::Prune;
use stateright::actor::{Actor, ActorModel, ActorModelAction, Envelope, Id, LossyNetwork, Network};
use stateright::{Model, Path, Property};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A system of actors, as it is checked.
pub struct Checked<A, H>
where
    A: Prune + Internable,
    H: Recorder<A::Msg>,
{
    pub(crate) inner: ActorModel<A, (), H>,
    pub(super) stores: Vec<Option<A::Storage>>,
    pub(super) mortal: Vec<Id>,
    pub(super) crashes: u8,
    pub(super) disks: Disks,
    pub(super) in_flight: Vec<Envelope<A::Msg>>,
    pub(super) pruning: Pruning,
    pub(super) local: Local<A>,
    pub(super) spent: Option<Spent<A, H>>,
    pub(super) equivalent: Option<EquivalentSenders<A>>,
    pub(super) representative: Option<Representative<A, H>>,
    pub(super) measured: Measured<A>,
    pub(super) scope: Option<Scope<A, H>>,
    pub(super) assumption: Option<Assumption<A, H>>,
    pub(super) witness: Option<Witness<A, H>>,
    pub(super) properties: Vec<Property<Self>>,
    pub(super) receptions: Known<(usize, EnvelopeOf<A>), Reception<A>>,
    pub(super) timeouts: Known<(usize, Timed<A>), Option<&'static Step<A>>>,
    pub(super) records: Known<(u64, EnvelopeOf<A>, bool), Option<H>>,
}

/// Whose timer.
pub(super) type Timed<A> = (Id, <A as Actor>::Timer);

/// What is known already.
pub(super) type Known<K, V> = Table<K, Option<V>>;

/// Which messages arrive at once.
pub(super) type Local<A> = Arc<dyn Fn(Envelope<&<A as Actor>::Msg>) -> bool + Send + Sync>;

/// Which messages can lead to nothing any more.
pub(super) type Spent<A, H> = Arc<dyn Fn(&System<A, H>, &EnvelopeOf<A>) -> bool + Send + Sync>;

/// Those from whom a message would be the same.
pub(super) type EquivalentSenders<A> = Arc<dyn Fn(&EnvelopeOf<A>) -> Option<Vec<Id>> + Send + Sync>;

/// The system that stands for all that differ from it in nothing but who is who.
pub(super) type Representative<A, H> =
    Arc<dyn Fn(&System<A, H>) -> Option<System<A, H>> + Send + Sync>;

/// Of whose time an actor's timer is, where it is measured.
pub(super) type Measured<A> = fn(Id, &<A as Actor>::Timer) -> Option<Id>;

/// Which actions belong to a model.
pub(super) type Scope<A, H> = Arc<
    dyn Fn(&System<A, H>, &ActionOf<A>) -> bool + Send + Sync, // of the state before it
>;

/// Which states are possible in the world that a model stands for.
pub(super) type Assumption<A, H> = Arc<dyn Fn(&System<A, H>) -> bool + Send + Sync>;

/// What a history takes from a step, beside the messages: of the state before, the action, and the state after.
pub(super) type Witness<A, H> = fn(&System<A, H>, &ActionOf<A>, &System<A, H>) -> Option<H>;

/// An action of a system of these actors.
pub type ActionOf<A> =
    ActorModelAction<Interned<<A as Actor>::Msg>, <A as Actor>::Timer, <A as Actor>::Random>;

/// What a crash leaves of an actor's disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Disks {
    Kept,
    Lost,
    Renewed,
}

impl<A, H> Checked<A, H>
where
    A: Prune + Internable,
    H: Recorder<A::Msg>,
{
    /// A system in which nobody crashes, on a network that delays, reorders and duplicates, and may
    /// withhold anything for ever.
    pub fn new(history: H) -> Self {
        let inner = ActorModel::new((), history)
            .init_network(Network::new_unordered_duplicating([]))
            .max_crashes(1)
            .record_msg_in(|(), history, envelope| history.received(envelope))
            .record_msg_out(|(), history, envelope| history.sent(envelope));
        Checked {
            inner,
            stores: Vec::new(),
            mortal: Vec::new(),
            crashes: 0,
            disks: Disks::Kept,
            in_flight: Vec::new(),
            pruning: Pruning::On,
            local: Arc::new(|_| false),
            spent: None,
            equivalent: None,
            representative: None,
            measured: |_, _| None,
            scope: None,
            assumption: None,
            witness: None,
            properties: Vec::new(),
            receptions: Table::default(),
            timeouts: Table::default(),
            records: Table::default(),
        }
    }

    /// Adds an actor with its initialised store. Its id is its place, from 0.
    pub fn actor(mut self, actor: A, store: Option<A::Storage>) -> Self {
        self.inner.actors.push(actor);
        self.stores.push(store);
        assert!(self.stores.len() < 64, "sets of actors are 64 bits");
        self
    }

    /// Lets these actors crash and recover, so many times in all, one at a time.
    pub fn crashes(mut self, crashes: u8, mortal: impl IntoIterator<Item = Id>) -> Self {
        self.crashes = crashes;
        self.mortal = mortal.into_iter().collect();
        self
    }

    /// Lets the network lose messages for good, other than local ones. Without this it merely may never
    /// deliver them, which is the same to everything but a dead end.
    pub fn lossy(mut self) -> Self {
        self.inner.lossy_network = LossyNetwork::Yes;
        self
    }

    /// Which messages never leave a process, and arrive at once.
    pub fn local(
        mut self,
        local: impl Fn(Envelope<&A::Msg>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.local = Arc::new(local);
        self
    }

    /// Which messages are spent: whatever they still lead to is a no-op, now and for ever. They are dropped as
    /// obsolete ones are. It may look at the states of sender and receiver, and at what the sender is being sent.
    pub fn spent(
        mut self,
        spent: impl Fn(&System<A, H>, &EnvelopeOf<A>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.spent = Some(Arc::new(spent));
        self
    }

    /// From whom a message would be the same to its receiver. It counts as sent by the first of them.
    pub fn equivalent_senders(
        mut self,
        senders: impl Fn(&EnvelopeOf<A>) -> Option<Vec<Id>> + Send + Sync + 'static,
    ) -> Self {
        self.equivalent = Some(Arc::new(senders));
        self
    }

    /// Which system stands for one that differs from it in nothing but who is who; nothing if it does itself.
    /// (Ip & Dill, "Better Verification Through Symmetry", 1996.) Paths of such a model change names as they go.
    pub fn representative(
        mut self,
        representative: impl Fn(&System<A, H>) -> Option<System<A, H>> + Send + Sync + 'static,
    ) -> Self {
        self.representative = Some(Arc::new(representative));
        self
    }

    /// Which timers are measured, and of whose time: of two of one member's, the one that was armed earlier for
    /// less time ends first.
    pub fn measured(mut self, measured: Measured<A>) -> Self {
        self.measured = measured;
        self
    }

    /// Leaves out actions: so many timers of a kind, and no more. What a model does not say about the
    /// world because of this is part of its name.
    pub fn scope(
        mut self,
        scope: impl Fn(&System<A, H>, &ActionOf<A>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.scope = Some(Arc::new(scope));
        self
    }

    /// Assumes something about the world: states without it do not occur.
    pub fn assume(
        mut self,
        assumption: impl Fn(&System<A, H>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.assumption = Some(Arc::new(assumption));
        self
    }

    /// Records steps in the history.
    pub fn witness(mut self, witness: Witness<A, H>) -> Self {
        self.witness = Some(witness);
        self
    }

    /// With these messages under way at the start.
    pub fn in_flight(mut self, envelopes: impl IntoIterator<Item = Envelope<A::Msg>>) -> Self {
        self.in_flight.extend(envelopes);
        self
    }

    /// Where a crash takes the disk, too: the actor finds no store when it recovers, or, where losing one is
    /// `mistaken` for being new, an initialised one.
    pub fn losing_disks(mut self, mistaken: bool) -> Self {
        self.disks = if mistaken { Disks::Renewed } else { Disks::Lost };
        self
    }

    /// What to do about obsolete messages.
    pub fn pruning(mut self, pruning: Pruning) -> Self {
        self.pruning = pruning;
        self
    }

    /// Adds something that is claimed.
    pub fn property(mut self, property: Property<Self>) -> Self {
        self.properties.push(property);
        self
    }

    /// The actors, by id.
    pub fn actors(&self) -> &[A] {
        &self.inner.actors
    }

    /// The stores that the actors start from, by id.
    pub fn stores(&self) -> &[Option<A::Storage>] {
        &self.stores
    }
}

impl<A, H> Model for Checked<A, H>
where
    A: Prune + Internable,
    H: Recorder<A::Msg>,
{
    type State = CheckedState<A, H>;
    type Action = ActionOf<A>;

    fn init_states(&self) -> Vec<Self::State> {
        let ids = || (0..self.inner.actors.len()).map(Id::from);
        let down = ids().map(|id| Interned::new(self.down(id))).collect();
        let history = self.inner.init_history.clone();
        let mut system = System::new(down, self.stores.clone(), history);
        for Envelope { src, dst, msg } in self.in_flight.iter().cloned() {
            system.network.insert(Envelope { src, dst, msg: Interned::new(msg) });
        }
        // Coordinators, which come last, start first: so none of their timers waits for one of a member's
        // that nothing has been granted for, which allows more than the other order.
        for id in ids().rev() {
            let started = self.step(&system, &ActorModelAction::Recover(id));
            (system, _) = started.expect("a crashed actor can always recover");
        }
        let (retired, spent) = (BTreeSet::new(), BTreeSet::new());
        let mut state = CheckedState { system, crashes: 0, retired, spent };
        self.tidy(&mut state, Touched(u64::MAX));
        vec![state]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        let system = &state.system;
        let count = self.inner.actors.len();
        let ids = || (0..count).map(Id::from);
        let start = actions.len();
        let far = || system.network.iter().filter(|envelope| !(self.local)(opened(envelope)));
        if self.inner.lossy_network == LossyNetwork::Yes {
            actions.extend(far().map(|envelope| ActorModelAction::Drop(*envelope)));
        }
        let addressed = far().filter(|envelope| usize::from(envelope.dst) < count);
        actions.extend(addressed.map(|Envelope { src, dst, msg }| ActorModelAction::Deliver {
            src: *src,
            dst: *dst,
            msg: *msg,
        }));
        for (id, timers) in ids().zip(&system.timers_set) {
            let is_due = |timer: &&A::Timer| system.clock.may_fire(id, timer);
            let fire = |timer: &A::Timer| ActorModelAction::Timeout(id, timer.clone());
            actions.extend(timers.iter().filter(is_due).map(fire));
        }
        if state.crashes < self.crashes && !system.crashed.contains(&true) {
            let mortal = ids().filter(|id| self.mortal.contains(id));
            actions.extend(mortal.map(ActorModelAction::Crash));
        }
        let crashed = ids().filter(|id| system.crashed[usize::from(*id)]);
        actions.extend(crashed.map(ActorModelAction::Recover));
        if let Some(scope) = &self.scope {
            let mut index = 0;
            actions.retain(|action| {
                index += 1;
                index <= start || scope(system, action)
            });
        }
    }

    fn next_state(&self, last: &Self::State, action: Self::Action) -> Option<Self::State> {
        let (system, touched) = self.step(&last.system, &action)?;
        let crashed = matches!(action, ActorModelAction::Crash(_));
        let crashes = last.crashes + u8::from(crashed);
        let (retired, spent) = (last.retired.clone(), last.spent.clone());
        let mut next = CheckedState { system, crashes, retired, spent };
        if let ActorModelAction::Crash(id) = action {
            let index = usize::from(id);
            let storages = &mut next.system.actor_storages;
            match self.disks {
                Disks::Kept => {}
                Disks::Lost => storages[index] = None,
                Disks::Renewed => storages[index] = self.stores[index].clone().map(Interned::new),
            }
        }
        self.tidy(&mut next, touched);
        let seen = self.witness.and_then(|seen| seen(&last.system, &action, &next.system));
        if let Some(history) = seen {
            next.system.history = history;
        }
        if self.pruning == Pruning::On
            && let Some(representative) = &self.representative
            && let Some(system) = representative(&next.system)
        {
            next.system = system;
        }
        let possible = |assumption: &Assumption<A, H>| assumption(&next.system);
        (next != *last && self.assumption.as_ref().is_none_or(possible)).then_some(next)
    }

    fn format_action(&self, action: &Self::Action) -> String {
        self.inner.format_action(&to_stateright::<A>(action))
    }

    fn format_step(&self, last: &Self::State, action: Self::Action) -> Option<String> {
        self.inner.format_step(&last.system.to_stateright(), to_stateright::<A>(&action))
    }

    fn as_svg(&self, path: Path<Self::State, Self::Action>) -> Option<String> {
        let steps = path.into_vec().into_iter();
        let steps: Vec<_> = steps
            .map(|(state, action)| {
                (state.system.to_stateright(), action.as_ref().map(to_stateright::<A>))
            })
            .collect();
        let actions: Vec<_> = steps.iter().filter_map(|(_, action)| action.clone()).collect();
        let first = steps.first()?.0.clone();
        let path = Path::from_actions(&Projection::<A, H>(steps), first, &actions)?;
        let drawn = self.inner.as_svg(path)?;
        Some(if self.pruning == Pruning::On { with_caption(&drawn) } else { drawn })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.properties.clone()
    }
}
