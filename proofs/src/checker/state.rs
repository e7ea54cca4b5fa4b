//! A system of actors as a state: what stateright's [`ActorModelState`] is, made of [`Interned`]
//! parts.

use crate::checker::clock::Clock;
use crate::checker::intern::{Intern, Interned};
use crate::history::Recorder;
use stateright::actor::{
    Actor, ActorModelState, Command, Envelope, Id, Network, Out, RandomChoices, Timers,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::{self, Debug, Formatter};
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// An actor whose parts can be shared. It chooses nothing at random.
pub trait Internable:
    Actor<State: Intern, Msg: Intern + Ord, Timer: Intern + Ord, Storage: Intern, Random = ()> + 'static
{
}

impl<A> Internable for A where
    A: Actor<State: Intern, Msg: Intern + Ord, Timer: Intern + Ord, Storage: Intern, Random = ()>
        + 'static
{
}

/// A message under way.
pub type EnvelopeOf<A> = Envelope<Interned<<A as Actor>::Msg>>;

/// The state of a system.
pub struct System<A: Internable, H> {
    /// What each actor believes.
    pub actor_states: Vec<Interned<A::State>>,
    /// The messages that are under way.
    pub network: Envelopes<A>,
    /// The timers that each actor has set.
    pub timers_set: Vec<Interned<BTreeSet<A::Timer>>>,
    /// Which of those that are measured end before which others.
    pub clock: Interned<Clock<A::Timer>>,
    /// Which actors are down.
    pub crashed: Vec<bool>,
    /// What was recorded.
    pub history: H,
    /// What each actor has saved.
    pub actor_storages: Vec<Option<Interned<A::Storage>>>,
}

/// The messages that are under way, in order: a message is here once, and may arrive any number of
/// times.
pub struct Envelopes<A: Internable>(Vec<EnvelopeOf<A>>);

/// A command of an actor, carried out.
#[derive(Clone, Debug, Hash, PartialEq)]
pub enum Effect<Msg: 'static, Timer, Storage: 'static> {
    /// A message is sent.
    Send(Envelope<Interned<Msg>>),
    /// A timer is set, for so long.
    Set(Timer, Range<Duration>),
    /// A timer is cancelled.
    Cancel(Timer),
    /// This is saved.
    Save(Interned<Storage>),
}

/// A command of this actor, carried out.
pub type EffectOf<A> = Effect<<A as Actor>::Msg, <A as Actor>::Timer, <A as Actor>::Storage>;

impl<A: Internable, H: Recorder<A::Msg>> System<A, H> {
    /// A system whose actors are down.
    pub fn new(
        down: Vec<Interned<A::State>>,
        storages: impl IntoIterator<Item = Option<A::Storage>>,
        history: H,
    ) -> Self {
        System {
            network: Envelopes(Vec::new()),
            timers_set: vec![Interned::new(BTreeSet::new()); down.len()],
            clock: Interned::new(Clock::default()),
            crashed: vec![true; down.len()],
            history,
            actor_storages: storages.into_iter().map(|it| it.map(Interned::new)).collect(),
            actor_states: down,
        }
    }

    /// A command of an actor is carried out; what that means to the history is the caller's
    /// business.
    pub fn perform(&mut self, id: Id, effect: &EffectOf<A>) {
        let index = usize::from(id);
        match effect {
            Effect::Send(envelope) => self.network.insert(*envelope),
            Effect::Set(timer, _) => self.change_timers(index, timer, true),
            Effect::Cancel(timer) => self.change_timers(index, timer, false),
            Effect::Save(storage) => self.actor_storages[index] = Some(*storage),
        }
    }

    /// A timer is over.
    pub fn cancel(&mut self, id: Id, timer: &A::Timer) {
        self.change_timers(usize::from(id), timer, false);
    }

    fn change_timers(&mut self, index: usize, timer: &A::Timer, set: bool) {
        let timers = &mut self.timers_set[index];
        if timers.contains(timer) != set {
            let mut changed = BTreeSet::clone(timers);
            if set {
                changed.insert(timer.clone());
            } else {
                changed.remove(timer);
            }
            *timers = Interned::new(changed);
        }
    }

    /// What is known of time changes.
    pub fn change_clock(&mut self, change: impl FnOnce(&mut Clock<A::Timer>)) {
        let mut clock = Interned::get(self.clock).clone();
        change(&mut clock);
        self.clock = Interned::new(clock);
    }

    /// An actor crashes: from now on its state is this.
    pub fn crash(&mut self, id: Id, down: A::State) {
        let index = usize::from(id);
        self.actor_states[index] = Interned::new(down);
        self.timers_set[index] = Interned::new(BTreeSet::new());
        self.change_clock(|clock| clock.crash(id));
        self.crashed[index] = true;
    }

    /// This state as stateright would have it.
    pub fn to_stateright(&self) -> ActorModelState<A, H> {
        let timers = |set: &Interned<BTreeSet<A::Timer>>| {
            let mut timers = Timers::new();
            for timer in set.iter() {
                timers.set(timer.clone());
            }
            timers
        };
        let network = self.network.iter().map(|envelope| opened(envelope).to_cloned_msg());
        ActorModelState {
            actor_states: self
                .actor_states
                .iter()
                .map(|state| Arc::new((**state).clone()))
                .collect(),
            network: Network::new_unordered_duplicating(network),
            timers_set: self.timers_set.iter().map(timers).collect(),
            random_choices: self.crashed.iter().map(|_| RandomChoices::default()).collect(),
            crashed: self.crashed.clone(),
            history: self.history.clone(),
            actor_storages: self
                .actor_storages
                .iter()
                .map(|it| it.map(|it| Interned::get(it).clone()))
                .collect(),
        }
    }
}

/// The commands of an actor.
pub fn effects<A: Internable>(id: Id, out: Out<A>) -> Vec<EffectOf<A>> {
    let effect = |command| match command {
        Command::Send(dst, msg) => Effect::Send(Envelope { src: id, dst, msg: Interned::new(msg) }),
        Command::SetTimer(timer, lasts) => Effect::Set(timer, lasts),
        Command::CancelTimer(timer) => Effect::Cancel(timer),
        Command::Save(storage) => Effect::Save(Interned::new(storage)),
        Command::ChooseRandom(..) => unreachable!("actors here choose nothing at random"),
    };
    out.into_iter().map(effect).collect()
}

/// A message, without its being shared.
pub fn opened<Msg>(envelope: &Envelope<Interned<Msg>>) -> Envelope<&Msg> {
    Envelope { src: envelope.src, dst: envelope.dst, msg: Interned::get(envelope.msg) }
}

impl<A: Internable> Envelopes<A> {
    /// The messages, in order.
    pub fn iter(&self) -> impl Iterator<Item = &EnvelopeOf<A>> {
        self.0.iter()
    }

    /// The messages, in order, without their being shared.
    pub fn iter_deliverable(&self) -> impl Iterator<Item = Envelope<&A::Msg>> {
        self.0.iter().map(opened)
    }

    /// Whether a message is under way.
    pub fn contains(&self, envelope: &EnvelopeOf<A>) -> bool {
        self.0.binary_search(envelope).is_ok()
    }

    /// Adds a message.
    pub fn insert(&mut self, envelope: EnvelopeOf<A>) {
        if let Err(place) = self.0.binary_search(&envelope) {
            self.0.insert(place, envelope);
        }
    }

    /// The same messages from and to others.
    pub fn readdressed(&self, other: impl Fn(Id) -> Id) -> Self {
        let readdressed = self.0.iter().map(|envelope| Envelope {
            src: other(envelope.src),
            dst: other(envelope.dst),
            msg: envelope.msg,
        });
        let mut envelopes: Vec<_> = readdressed.collect();
        envelopes.sort();
        Envelopes(envelopes)
    }

    /// Drops a message.
    pub fn remove(&mut self, envelope: &EnvelopeOf<A>) {
        self.0.retain(|other| other != envelope);
    }

    /// Drops the messages that are not wanted.
    pub fn retain(&mut self, wanted: impl FnMut(&EnvelopeOf<A>) -> bool) {
        self.0.retain(wanted);
    }
}

impl<A: Internable> Clone for Envelopes<A> {
    fn clone(&self) -> Self {
        Envelopes(self.0.clone())
    }
}

impl<A: Internable, H: Clone> Clone for System<A, H> {
    fn clone(&self) -> Self {
        System {
            actor_states: self.actor_states.clone(),
            network: self.network.clone(),
            timers_set: self.timers_set.clone(),
            clock: self.clock,
            crashed: self.crashed.clone(),
            history: self.history.clone(),
            actor_storages: self.actor_storages.clone(),
        }
    }
}

impl<A: Internable, H: PartialEq> PartialEq for System<A, H> {
    fn eq(&self, other: &Self) -> bool {
        self.actor_states == other.actor_states
            && self.network.0 == other.network.0
            && self.timers_set == other.timers_set
            && self.clock == other.clock
            && self.crashed == other.crashed
            && self.history == other.history
            && self.actor_storages == other.actor_storages
    }
}

impl<A: Internable, H: Hash> Hash for System<A, H> {
    fn hash<S: Hasher>(&self, hasher: &mut S) {
        self.actor_states.hash(hasher);
        self.network.0.hash(hasher);
        self.timers_set.hash(hasher);
        self.clock.hash(hasher);
        self.crashed.hash(hasher);
        self.history.hash(hasher);
        self.actor_storages.hash(hasher);
    }
}

impl<A: Internable, H: Debug> Debug for System<A, H> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("System")
            .field("actor_states", &self.actor_states)
            .field("history", &self.history)
            .field("timers_set", &self.timers_set)
            .field("clock", &self.clock)
            .field("network", &self.network.0)
            .field("crashed", &self.crashed)
            .field("actor_storages", &self.actor_storages)
            .finish()
    }
}

/// A state of a system.
pub struct CheckedState<A, H>
where
    A: Internable,
{
    /// The actors, and what is between them.
    pub system: System<A, H>,
    /// How many crashes there were.
    pub crashes: u8,
    /// Under [`Pruning::Audit`](super::reduce::Pruning::Audit), what was ever obsolete.
    pub retired: BTreeSet<EnvelopeOf<A>>,
    /// Under [`Pruning::Audit`](super::reduce::Pruning::Audit), what was ever spent.
    pub spent: BTreeSet<EnvelopeOf<A>>,
    /// Where steps have [crash points](super::crash_points): what an actor has decided and not yet
    /// done. While it has, it takes no other step.
    pub undone: BTreeMap<Id, VecDeque<EffectOf<A>>>,
}

impl<A: Internable, H> CheckedState<A, H> {
    /// Whether the actor is between two of its commands, so that its store is ahead of the saved
    /// one.
    pub fn is_mid_step(&self, id: Id) -> bool {
        self.undone.contains_key(&id)
    }
}

impl<A: Internable, H: Clone> Clone for CheckedState<A, H> {
    fn clone(&self) -> Self {
        CheckedState {
            system: self.system.clone(),
            crashes: self.crashes,
            retired: self.retired.clone(),
            spent: self.spent.clone(),
            undone: self.undone.clone(),
        }
    }
}

impl<A: Internable, H: PartialEq> PartialEq for CheckedState<A, H> {
    fn eq(&self, other: &Self) -> bool {
        self.crashes == other.crashes
            && self.system == other.system
            && self.retired == other.retired
            && self.spent == other.spent
            && self.undone == other.undone
    }
}

impl<A: Internable, H: Hash> Hash for CheckedState<A, H> {
    fn hash<S: Hasher>(&self, hasher: &mut S) {
        self.system.hash(hasher);
        self.crashes.hash(hasher);
        self.retired.hash(hasher);
        self.spent.hash(hasher);
        self.undone.hash(hasher);
    }
}

impl<A: Internable, H: Debug> Debug for CheckedState<A, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("State");
        out.field("system", &self.system).field("crashes", &self.crashes);
        if !self.retired.is_empty() || !self.spent.is_empty() {
            out.field("retired", &self.retired).field("spent", &self.spent);
        }
        if !self.undone.is_empty() {
            out.field("undone", &self.undone);
        }
        out.finish()
    }
}
