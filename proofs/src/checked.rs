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
//!   else the one with the longer operations is linearizable if the other is. (Tests compare this with
//!   runs in which they may arrive at any time.)
//! - **Obsolete messages are dropped.** An actor says which messages are no-ops to it now and for ever
//!   ([`Prune`]); dropping them merges states that differ in nothing else. That each *is* a no-op when
//!   it is dropped is asserted on the spot. That it would stay one is the `audit` of
//!   [`Pruning::Audit`], which keeps every message and holds each actor to all it has said.
//! - **Some messages are anonymous.** Where a receiver does not look at who sent something, as for a view
//!   that was decided, all senders count as one.
//! - **Spent messages are dropped.** One that can only be answered, by actors to whom every such answer is
//!   obsolete, does nothing either ([`Prune::spent`]). That it changes nothing, and that what it is
//!   answered with just now is obsolete, is asserted by doing it. An anonymous answer that is under way
//!   already is as good as obsolete, where nothing is lost.

use crate::history::Recorder;
use chainring_model::prune::Prune;
use stateright::actor::{
    Actor, ActorModel, ActorModelAction, ActorModelState, Command, Envelope, Id, LossyNetwork,
    Network, Out, RandomChoices, Timers, is_no_op,
};
use stateright::util::HashableHashSet;
use stateright::{Model, Path, Property};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A system of actors, as it is checked.
pub struct Checked<A, H>
where
    A: Prune,
    A::Msg: Ord,
    A::Timer: Ord,
    A::State: Debug,
    H: Recorder<A::Msg>,
{
    inner: ActorModel<A, (), H>,
    stores: Vec<Option<A::Storage>>,
    mortal: Vec<Id>,
    crashes: u8,
    pruning: Pruning,
    local: fn(&A::Msg) -> bool,
    anonymous: fn(&A::Msg) -> bool,
    properties: Vec<Property<Self>>,
}

/// What is done about obsolete messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pruning {
    /// They are dropped.
    On,
    /// They are kept, as everything is.
    Off,
    /// They are kept, remembered, and must stay obsolete; see [`Checked::audit`].
    Audit,
}

/// A state of a system.
pub struct CheckedState<A, H>
where
    A: Actor,
{
    /// What stateright knows of it.
    pub system: ActorModelState<A, H>,
    /// How many crashes there were.
    pub crashes: u8,
    /// Under [`Pruning::Audit`], what was ever obsolete.
    pub retired: BTreeSet<Envelope<A::Msg>>,
}

impl<A, H> Checked<A, H>
where
    A: Prune,
    A::Msg: Ord,
    A::Timer: Ord,
    A::State: Debug,
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
            pruning: Pruning::On,
            local: |_| false,
            anonymous: |_| false,
            properties: Vec::new(),
        }
    }

    /// Adds an actor with its initialised store. Its id is its place, from 0.
    pub fn actor(mut self, actor: A, store: Option<A::Storage>) -> Self {
        self.inner.actors.push(actor);
        self.stores.push(store);
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
    pub fn local(mut self, local: fn(&A::Msg) -> bool) -> Self {
        self.local = local;
        self
    }

    /// Which messages mean the same whoever sent them. They count as sent by the last actor.
    pub fn anonymous(mut self, anonymous: fn(&A::Msg) -> bool) -> Self {
        self.anonymous = anonymous;
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

    /// The state of an actor that is down.
    fn down(&self, id: Id) -> Arc<A::State> {
        let actor = &self.inner.actors[usize::from(id)];
        Arc::new(actor.on_start(id, &None, &mut Out::new()))
    }

    /// What the actor makes of a message: its next state if that changed, and its commands.
    fn deliver<'a>(
        &self,
        system: &'a ActorModelState<A, H>,
        envelope: &Envelope<A::Msg>,
    ) -> (Cow<'a, A::State>, Out<A>) {
        let Envelope { src, dst, msg } = envelope;
        let mut state = Cow::Borrowed(&*system.actor_states[usize::from(*dst)]);
        let mut out = Out::new();
        let actor = &self.inner.actors[usize::from(*dst)];
        actor.on_msg(*dst, &mut state, *src, msg.clone(), &mut out);
        (state, out)
    }

    fn is_obsolete(&self, system: &ActorModelState<A, H>, envelope: &Envelope<A::Msg>) -> bool {
        let Envelope { src, dst, msg } = envelope;
        let index = usize::from(*dst);
        match (self.inner.actors.get(index), system.actor_states.get(index)) {
            (Some(actor), Some(state)) => actor.is_obsolete(*dst, state, *src, msg),
            _ => true, // addressed to nobody
        }
    }

    /// Whether all that a message can do is to be answered, and its sender does not care for any answer.
    fn is_spent(
        &self,
        system: &ActorModelState<A, H>,
        under_way: &HashableHashSet<Envelope<A::Msg>>,
        envelope: &Envelope<A::Msg>,
    ) -> bool {
        let Envelope { src, dst, msg } = envelope;
        let index = usize::from(*dst);
        let (actor, state) = (&self.inner.actors[index], &*system.actor_states[index]);
        if system.crashed[index] || system.crashed.get(usize::from(*src)) != Some(&false) {
            return false;
        }
        let Some(answer) = actor.spent(*dst, state, *src, msg) else { return false };
        let is_idle = |msg: A::Msg| {
            let answer = self.named(Envelope { src: *dst, dst: *src, msg });
            self.is_obsolete(system, &answer)
                || ((self.anonymous)(&answer.msg)
                    && self.inner.lossy_network == LossyNetwork::No
                    && under_way.contains(&answer))
        };
        if !is_idle(answer) {
            return false;
        }
        let (next, out) = self.deliver(system, envelope);
        assert!(
            matches!(next, Cow::Borrowed(_)),
            "{envelope:?} was called spent, but makes {next:?}"
        );
        let mut commands = out.into_iter();
        assert!(
            commands.all(|command| match command {
                Command::Send(to, msg) => to == *src && is_idle(msg),
                _ => false,
            }),
            "{envelope:?} was called spent, but its answer matters"
        );
        true
    }

    /// The message, from the one sender that counts where any would do.
    fn named(&self, envelope: Envelope<A::Msg>) -> Envelope<A::Msg> {
        if (self.anonymous)(&envelope.msg) {
            let last = Id::from(self.inner.actors.len() - 1);
            return Envelope { src: last, ..envelope };
        }
        envelope
    }

    /// Delivers what is local, until nothing of it changes anything.
    fn deliver_local(&self, system: &mut ActorModelState<A, H>) {
        loop {
            let mut local: Vec<_> = (system.network.iter_deliverable())
                .filter(|envelope| (self.local)(envelope.msg))
                .map(|envelope| envelope.to_cloned_msg())
                .collect();
            local.sort();
            let mut next = local.into_iter().filter_map(|Envelope { src, dst, msg }| {
                let next =
                    self.inner.next_state(system, ActorModelAction::Deliver { src, dst, msg });
                next.filter(|next| next.actor_states != system.actor_states)
            });
            match next.next() {
                Some(next) => *system = next,
                None => return,
            }
        }
    }

    /// Delivers what is local, drops or retires what has become obsolete, and forgets the last delivery.
    fn tidy(&self, state: &mut CheckedState<A, H>) {
        self.deliver_local(&mut state.system);
        let Network::UnorderedDuplicating(envelopes, last) = &mut state.system.network else {
            unreachable!("the constructor sets this kind of network");
        };
        *last = None;
        let unnamed = envelopes.iter().filter(|envelope| (self.anonymous)(&envelope.msg));
        let unnamed: Vec<_> = unnamed.cloned().collect();
        for envelope in unnamed {
            envelopes.remove(&envelope);
            envelopes.insert(self.named(envelope));
        }
        if self.pruning == Pruning::Off {
            return;
        }
        let mut envelopes = std::mem::take(envelopes);
        let system = &state.system;
        let mut obsolete = Vec::new();
        for envelope in envelopes.iter().filter(|envelope| self.is_obsolete(system, envelope)) {
            if usize::from(envelope.dst) < self.inner.actors.len() {
                let (next, out) = self.deliver(system, envelope);
                assert!(
                    is_no_op(&next, &out),
                    "{envelope:?} was called obsolete, but delivering it makes {next:?} and {out:?}"
                );
            }
            obsolete.push(envelope.clone());
        }
        if self.pruning == Pruning::On {
            envelopes.retain(|envelope| !obsolete.contains(envelope));
            let spent =
                envelopes.iter().filter(|envelope| self.is_spent(system, &envelopes, envelope));
            obsolete = spent.cloned().collect();
        }
        for envelope in obsolete {
            match self.pruning {
                Pruning::On => {
                    envelopes.remove(&envelope);
                }
                _ => {
                    state.retired.insert(envelope);
                }
            }
        }
        state.system.network = Network::UnorderedDuplicating(envelopes, None);
    }

    /// Whether everything that was ever obsolete at an actor that is up is a no-op to it now. A property
    /// for runs under [`Pruning::Audit`].
    pub fn audit(&self, state: &CheckedState<A, H>) -> bool {
        let CheckedState { system, retired, .. } = state;
        let up = |envelope: &&Envelope<A::Msg>| {
            system.crashed.get(usize::from(envelope.dst)) == Some(&false)
        };
        retired.iter().filter(up).all(|envelope| {
            let (next, out) = self.deliver(system, envelope);
            self.is_obsolete(system, envelope) && is_no_op(&next, &out)
        })
    }
}

impl<A, H> Model for Checked<A, H>
where
    A: Prune,
    A::Msg: Ord,
    A::Timer: Ord,
    A::State: Debug,
    H: Recorder<A::Msg>,
{
    type State = CheckedState<A, H>;
    type Action = ActorModelAction<A::Msg, A::Timer, A::Random>;

    fn init_states(&self) -> Vec<Self::State> {
        let count = self.inner.actors.len();
        let ids = || (0..count).map(Id::from);
        let mut system = ActorModelState {
            actor_states: ids().map(|id| self.down(id)).collect(),
            network: self.inner.init_network.clone(),
            timers_set: vec![Timers::new(); count],
            random_choices: vec![RandomChoices::default(); count],
            crashed: vec![true; count],
            history: self.inner.init_history.clone(),
            actor_storages: self.stores.clone(),
        };
        for id in ids() {
            let started = self.inner.next_state(&system, ActorModelAction::Recover(id));
            system = started.expect("a crashed actor can always recover");
        }
        let mut state = CheckedState { system, crashes: 0, retired: BTreeSet::new() };
        self.tidy(&mut state);
        vec![state]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        let start = actions.len();
        self.inner.actions(&state.system, actions);
        let may_crash = state.crashes < self.crashes;
        let mut index = 0;
        actions.retain(|action| {
            index += 1;
            index <= start
                || match action {
                    ActorModelAction::Crash(id) => may_crash && self.mortal.contains(id),
                    ActorModelAction::Drop(envelope) => !(self.local)(&envelope.msg),
                    ActorModelAction::Deliver { msg, .. } => !(self.local)(msg),
                    _ => true,
                }
        });
    }

    fn next_state(&self, last: &Self::State, action: Self::Action) -> Option<Self::State> {
        let crashed = match &action {
            ActorModelAction::Crash(id) => Some(*id),
            _ => None,
        };
        let system = self.inner.next_state(&last.system, action)?;
        let (crashes, retired) = (last.crashes, last.retired.clone());
        let mut next = CheckedState { system, crashes, retired };
        if let Some(id) = crashed {
            next.system.actor_states[usize::from(id)] = self.down(id);
            next.crashes += 1;
        }
        self.tidy(&mut next);
        (next != *last).then_some(next)
    }

    fn format_action(&self, action: &Self::Action) -> String {
        self.inner.format_action(action)
    }

    fn format_step(&self, last: &Self::State, action: Self::Action) -> Option<String> {
        self.inner.format_step(&last.system, action)
    }

    fn as_svg(&self, path: Path<Self::State, Self::Action>) -> Option<String> {
        let mut steps = path.into_vec().into_iter().map(|(state, action)| (state.system, action));
        let steps: Vec<_> = steps.by_ref().collect();
        let actions: Vec<_> = steps.iter().filter_map(|(_, action)| action.clone()).collect();
        let first = steps.first()?.0.clone();
        let path = Path::from_actions(&Projection::<A, H>(steps), first, &actions)?;
        self.inner.as_svg(path)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.properties.clone()
    }
}

/// The steps of one path as a model that has no others: [`Path`] is made by models alone, and stateright
/// draws sequence diagrams of paths of its own states.
struct Projection<A: Actor, H>(Vec<ProjectedStep<A, H>>);

type ProjectedStep<A, H> = (
    ActorModelState<A, H>,
    Option<ActorModelAction<<A as Actor>::Msg, <A as Actor>::Timer, <A as Actor>::Random>>,
);

impl<A: Actor, H: Clone + PartialEq> Model for Projection<A, H>
where
    A::Msg: Ord,
    A::Timer: Ord,
{
    type State = ActorModelState<A, H>;
    type Action = ActorModelAction<A::Msg, A::Timer, A::Random>;

    fn init_states(&self) -> Vec<Self::State> {
        self.0.first().map(|(state, _)| state.clone()).into_iter().collect()
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        let here = self.0.iter().filter(|(at, _)| at == state);
        actions.extend(here.filter_map(|(_, action)| action.clone()));
    }

    fn next_state(&self, last: &Self::State, action: Self::Action) -> Option<Self::State> {
        let step = self.0.windows(2).find(|pair| {
            let (state, taken) = &pair[0];
            state == last && taken.as_ref() == Some(&action)
        })?;
        Some(step[1].0.clone())
    }
}

impl<A: Actor, H: Clone> Clone for CheckedState<A, H> {
    fn clone(&self) -> Self {
        CheckedState {
            system: self.system.clone(),
            crashes: self.crashes,
            retired: self.retired.clone(),
        }
    }
}

impl<A: Actor, H: PartialEq> PartialEq for CheckedState<A, H> {
    fn eq(&self, other: &Self) -> bool {
        self.crashes == other.crashes
            && self.system == other.system
            && self.retired == other.retired
    }
}

impl<A: Actor, H: Hash> Hash for CheckedState<A, H> {
    fn hash<S: Hasher>(&self, hasher: &mut S) {
        self.system.hash(hasher);
        self.crashes.hash(hasher);
        self.retired.hash(hasher);
    }
}

impl<A: Actor, H: Debug> Debug for CheckedState<A, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("State");
        out.field("system", &self.system).field("crashes", &self.crashes);
        if !self.retired.is_empty() {
            out.field("retired", &self.retired);
        }
        out.finish()
    }
}
