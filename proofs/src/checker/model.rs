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

use crate::checker::intern::{Interned, Mix, Table};
use crate::checker::state::{Effect, EffectOf, EnvelopeOf, Internable, System, effects, opened};
use crate::history::Recorder;
use chainring_model::prune::Prune;
use stateright::actor::{
    Actor, ActorModel, ActorModelAction, ActorModelState, Envelope, Id, LossyNetwork, Network, Out,
    is_no_op, is_no_op_with_timer,
};
use stateright::{Model, Path, Property};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

/// A system of actors, as it is checked.
pub struct Checked<A, H>
where
    A: Prune + Internable,
    H: Recorder<A::Msg>,
{
    inner: ActorModel<A, (), H>,
    stores: Vec<Option<A::Storage>>,
    mortal: Vec<Id>,
    crashes: u8,
    disks: Disks,
    in_flight: Vec<Envelope<A::Msg>>,
    pruning: Pruning,
    local: Local<A>,
    spent: Option<Spent<A, H>>,
    equivalent: Option<EquivalentSenders<A>>,
    representative: Option<Representative<A, H>>,
    measured: Measured<A>,
    scope: Option<Scope<A, H>>,
    assumption: Option<Assumption<A, H>>,
    witness: Option<Witness<A, H>>,
    properties: Vec<Property<Self>>,
    receptions: Known<(usize, EnvelopeOf<A>), Reception<A>>,
    timeouts: Known<(usize, Timed<A>), Option<&'static Step<A>>>,
    records: Known<(u64, EnvelopeOf<A>, bool), Option<H>>,
}

/// Whose timer.
type Timed<A> = (Id, <A as Actor>::Timer);

/// What is known already.
type Known<K, V> = Table<K, Option<V>>;

/// Which messages arrive at once.
type Local<A> = Arc<dyn Fn(Envelope<&<A as Actor>::Msg>) -> bool + Send + Sync>;

/// Which messages can lead to nothing any more.
type Spent<A, H> = Arc<dyn Fn(&System<A, H>, &EnvelopeOf<A>) -> bool + Send + Sync>;

/// Those from whom a message would be the same.
type EquivalentSenders<A> = Arc<dyn Fn(&EnvelopeOf<A>) -> Option<Vec<Id>> + Send + Sync>;

/// The system that stands for all that differ from it in nothing but who is who.
type Representative<A, H> = Arc<dyn Fn(&System<A, H>) -> Option<System<A, H>> + Send + Sync>;

/// Of whose time an actor's timer is, where it is measured.
type Measured<A> = fn(Id, &<A as Actor>::Timer) -> Option<Id>;

/// Which actions belong to a model.
type Scope<A, H> = Arc<
    dyn Fn(&System<A, H>, &ActionOf<A>) -> bool + Send + Sync, // of the state before it
>;

/// Which states are possible in the world that a model stands for.
type Assumption<A, H> = Arc<dyn Fn(&System<A, H>) -> bool + Send + Sync>;

/// What a history takes from a step, beside the messages: of the state before, the action, and the state after.
type Witness<A, H> = fn(&System<A, H>, &ActionOf<A>, &System<A, H>) -> Option<H>;

type ActionOf<A> =
    ActorModelAction<Interned<<A as Actor>::Msg>, <A as Actor>::Timer, <A as Actor>::Random>;

/// What a crash leaves of an actor's disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Disks {
    Kept,
    Lost,
    Renewed,
}

/// How much of what makes no difference is left out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pruning {
    /// All of it. Paths of such a model leave out steps that only send, and name one sender for several.
    On,
    /// Obsolete messages are dropped, and that is all: every step is one.
    Steps,
    /// Nothing.
    Off,
    /// Nothing; and what could be dropped is remembered, and must stay so: see [`Checked::audit`].
    Audit,
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
    /// Under [`Pruning::Audit`], what was ever obsolete.
    pub retired: BTreeSet<EnvelopeOf<A>>,
    /// Under [`Pruning::Audit`], what was ever spent.
    pub spent: BTreeSet<EnvelopeOf<A>>,
}

/// What an actor makes of an event: a function of its state and of the event, remembered.
struct Step<A: Internable> {
    /// Its next state, where that is another one.
    state: Option<Interned<A::State>>,
    effects: Vec<EffectOf<A>>,
}

/// What an actor makes of a message.
struct Reception<A: Internable> {
    /// Whether it says that the message can never matter again.
    is_obsolete: bool,
    /// Nothing for a no-op.
    step: Option<&'static Step<A>>,
}

/// Those whose state has changed, and those who were sent something: for the others everything under way is
/// as it was.
#[derive(Clone, Copy, PartialEq)]
struct Touched(u64);

impl Touched {
    fn add(&mut self, id: Id) {
        self.0 |= 1 << usize::from(id);
    }

    fn has(self, id: Id) -> bool {
        self.0 >> usize::from(id) & 1 == 1
    }
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

    /// The state of an actor that is down.
    fn down(&self, id: Id) -> A::State {
        self.inner.actors[usize::from(id)].on_start(id, &None, &mut Out::new())
    }

    /// What a receiver makes of a message.
    fn receive(&self, system: &System<A, H>, envelope: &EnvelopeOf<A>) -> Reception<A> {
        let (id, index) = (envelope.dst, usize::from(envelope.dst));
        let Some(actor) = self.inner.actors.get(index) else {
            return Reception { is_obsolete: true, step: None }; // addressed to nobody
        };
        let state = system.actor_states[index];
        self.receptions.with((Interned::address(state), *envelope), |known| {
            *known.get_or_insert_with(|| {
                let receive = |src| {
                    let mut next = Cow::Borrowed(Interned::get(state));
                    let mut out = Out::new();
                    actor.on_msg(id, &mut next, src, Interned::get(envelope.msg).clone(), &mut out);
                    let is_obsolete = actor.is_obsolete(id, &state, src, &envelope.msg);
                    (is_obsolete, (!is_no_op(&next, &out)).then(|| Step::of(id, next, out)))
                };
                let (is_obsolete, step) = receive(envelope.src);
                for other in self.senders(envelope) {
                    let is_alike = receive(other) == (is_obsolete, step);
                    assert!(is_alike, "{envelope:?} is another one from {other:?} in {state:?}");
                }
                Reception { is_obsolete, step }
            })
        })
    }

    /// All from whom this message would be the same; none where it matters who it is.
    fn senders(&self, envelope: &EnvelopeOf<A>) -> Vec<Id> {
        let senders =
            self.equivalent.as_ref().and_then(|senders| senders(envelope)).unwrap_or_default();
        if senders.contains(&envelope.src) { senders } else { Vec::new() }
    }

    /// The message that stands for this one.
    fn one_of(&self, envelope: &EnvelopeOf<A>) -> EnvelopeOf<A> {
        if self.pruning != Pruning::On || self.equivalent.is_none() {
            return *envelope;
        }
        let src = self.senders(envelope).first().copied().unwrap_or(envelope.src);
        Envelope { src, ..*envelope }
    }

    /// What an actor makes of a timer; nothing if all it does is to set it again.
    fn expire(&self, system: &System<A, H>, id: Id, timer: &A::Timer) -> Option<&'static Step<A>> {
        let index = usize::from(id);
        let state = system.actor_states[index];
        self.timeouts.with((Interned::address(state), (id, timer.clone())), |known| {
            *known.get_or_insert_with(|| {
                let mut next = Cow::Borrowed(Interned::get(state));
                let mut out = Out::new();
                self.inner.actors[index].on_timeout(id, &mut next, timer, &mut out);
                (!is_no_op_with_timer(&next, &out, timer)).then(|| Step::of(id, next, out))
            })
        })
    }

    /// What the history becomes with a message that is sent or received, where that is another one. Remembered
    /// by the digest of the history, which is what tells histories apart anyway.
    fn record(&self, history: &H, envelope: &EnvelopeOf<A>, is_received: bool) -> Option<H> {
        if !H::heeds(&envelope.msg) {
            return None;
        }
        let digest = BuildHasherDefault::<Mix>::default().hash_one(history);
        self.records.with((digest, *envelope, is_received), |known| {
            let record = if is_received { H::received } else { H::sent };
            known.get_or_insert_with(|| record(history, opened(envelope))).clone()
        })
    }

    /// An actor takes a step.
    fn take(&self, step: &Step<A>, system: &mut System<A, H>, id: Id, touched: &mut Touched) {
        if let Some(state) = step.state {
            system.actor_states[usize::from(id)] = state;
            touched.add(id);
        }
        for effect in &step.effects {
            match effect {
                Effect::Send(envelope) => {
                    touched.add(envelope.dst);
                    if let Some(history) = self.record(&system.history, envelope, false) {
                        system.history = history;
                    }
                    system.network.insert(self.one_of(envelope));
                }
                effect => self.perform(system, id, effect),
            }
        }
    }

    /// Carries out a command that sends nothing, and keeps the time.
    fn perform(&self, system: &mut System<A, H>, id: Id, effect: &EffectOf<A>) {
        system.perform(id, effect);
        match effect {
            Effect::Set(timer, lasts) => {
                if let Some(whose) = (self.measured)(id, timer) {
                    system.change_clock(|clock| clock.arm(id, timer, whose, lasts));
                }
            }
            Effect::Cancel(timer) => self.stop(system, id, timer),
            Effect::Send(_) | Effect::Save(_) => {}
        }
    }

    /// A timer ends: nothing waits for it any more.
    fn stop(&self, system: &mut System<A, H>, id: Id, timer: &A::Timer) {
        if (self.measured)(id, timer).is_some() {
            system.change_clock(|clock| clock.end(id, timer));
        }
    }

    /// The receiver of a message takes a step.
    fn deliver(
        &self,
        step: &Step<A>,
        system: &mut System<A, H>,
        envelope: &EnvelopeOf<A>,
        touched: &mut Touched,
    ) {
        if let Some(history) = self.record(&system.history, envelope, true) {
            system.history = history;
        }
        self.take(step, system, envelope.dst, touched);
    }

    /// Takes an action as stateright does.
    fn step(&self, last: &System<A, H>, action: &ActionOf<A>) -> Option<(System<A, H>, Touched)> {
        let mut touched = Touched(0);
        let mut next;
        match action {
            ActorModelAction::Deliver { src, dst, msg } => {
                let envelope = Envelope { src: *src, dst: *dst, msg: *msg };
                if *last.crashed.get(usize::from(*dst))? {
                    return None;
                }
                let step = self.receive(last, &envelope).step?;
                next = last.clone();
                self.deliver(step, &mut next, &envelope, &mut touched);
            }
            ActorModelAction::Timeout(id, timer) => {
                let step = self.expire(last, *id, timer)?;
                next = last.clone();
                next.cancel(*id, timer);
                self.stop(&mut next, *id, timer);
                self.take(step, &mut next, *id, &mut touched);
            }
            ActorModelAction::Drop(envelope) => {
                next = last.clone();
                next.network.remove(envelope);
            }
            ActorModelAction::Crash(id) => {
                next = last.clone();
                next.crash(*id, self.down(*id));
                touched.add(*id);
            }
            ActorModelAction::Recover(id) => {
                let index = usize::from(*id);
                let storage = last.actor_storages[index].map(|saved| Interned::get(saved).clone());
                let mut out = Out::new();
                let state = self.inner.actors[index].on_start(*id, &storage, &mut out);
                next = last.clone();
                next.crashed[index] = false;
                let step = Step::of(*id, Cow::Owned(state), out);
                self.take(step, &mut next, *id, &mut touched);
            }
            ActorModelAction::SelectRandom { .. } => return None,
        }
        Some((next, touched))
    }

    /// Delivers what is local, until nothing of it changes anything.
    fn deliver_local(&self, system: &mut System<A, H>, touched: &mut Touched) {
        loop {
            let next = system.network.iter().find_map(|envelope| {
                let index = usize::from(envelope.dst);
                let is_up = system.crashed.get(index) == Some(&false);
                if !touched.has(envelope.dst) || !is_up || !(self.local)(opened(envelope)) {
                    return None;
                }
                let step = self.receive(system, envelope).step?;
                let changes = step.state.is_some_and(|state| state != system.actor_states[index]);
                let says = |effect: &EffectOf<A>| match effect {
                    Effect::Send(envelope) => !system.network.contains(&self.one_of(envelope)),
                    _ => false,
                };
                (changes || step.effects.iter().any(says)).then_some((*envelope, step))
            });
            match next {
                Some((envelope, step)) => self.deliver(step, system, &envelope, touched),
                None => return,
            }
        }
    }

    /// Delivers what is local, drops or retires what has become obsolete, and sends what can be sent without
    /// changing anything else, until there is nothing left to do of all that.
    fn tidy(&self, state: &mut CheckedState<A, H>, mut touched: Touched) {
        while touched != Touched(0) {
            self.deliver_local(&mut state.system, &mut touched);
            self.drop_obsolete(state, touched);
            touched = self.saturate(&mut state.system, touched);
        }
    }

    fn drop_obsolete(&self, state: &mut CheckedState<A, H>, touched: Touched) {
        let system = &state.system;
        let is_obsolete = |envelope: &EnvelopeOf<A>| {
            touched.has(envelope.dst) && self.is_obsolete(system, envelope)
        };
        let is_spent = |envelope: &EnvelopeOf<A>| {
            (touched.has(envelope.dst) || touched.has(envelope.src))
                && self.is_spent(system, envelope)
        };
        let is_useless = |envelope: &EnvelopeOf<A>| {
            is_obsolete(envelope) || self.pruning == Pruning::On && is_spent(envelope)
        };
        match self.pruning {
            Pruning::Off => {}
            Pruning::Audit => {
                state
                    .retired
                    .extend(system.network.iter().filter(|envelope| is_obsolete(envelope)));
                state.spent.extend(system.network.iter().filter(|envelope| is_spent(envelope)));
            }
            Pruning::On | Pruning::Steps => {
                let useless: Vec<_> = system
                    .network
                    .iter()
                    .filter(|envelope| is_useless(envelope))
                    .copied()
                    .collect();
                if !useless.is_empty() {
                    state.system.network.retain(|envelope| !useless.contains(envelope));
                }
            }
        }
    }

    fn is_obsolete(&self, system: &System<A, H>, envelope: &EnvelopeOf<A>) -> bool {
        let Reception { is_obsolete, step } = self.receive(system, envelope);
        assert!(!is_obsolete || step.is_none(), "{envelope:?} is not obsolete in {system:?}");
        is_obsolete
    }

    fn is_spent(&self, system: &System<A, H>, envelope: &EnvelopeOf<A>) -> bool {
        self.spent.as_ref().is_some_and(|spent| spent(system, envelope))
    }

    /// Sends what those who are touched can send without changing anything else. Returns to whom.
    fn saturate(&self, system: &mut System<A, H>, touched: Touched) -> Touched {
        let mut receivers = Touched(0);
        if self.pruning != Pruning::On || self.inner.lossy_network == LossyNetwork::Yes {
            return receivers;
        }
        let mut sent = Vec::new();
        let mut send = |system: &System<A, H>, id, step: &Step<A>, fired| {
            if self.only_sends(system, id, step, fired) {
                sent.extend(step.effects.iter().filter_map(|effect| match effect {
                    Effect::Send(envelope) => Some(*envelope),
                    _ => None,
                }));
            }
        };
        for envelope in system.network.iter().filter(|envelope| touched.has(envelope.dst)) {
            // An operation begins where its first message is received: that is a step of its own.
            if system.crashed.get(usize::from(envelope.dst)) == Some(&false)
                && self.record(&system.history, envelope, true).is_none()
                && let Some(step) = self.receive(system, envelope).step
            {
                send(system, envelope.dst, step, None);
            }
        }
        for (index, timers) in system.timers_set.iter().enumerate() {
            let id = Id::from(index);
            let is_due = |timer: &&A::Timer| touched.has(id) && system.clock.may_fire(id, timer);
            for timer in timers.iter().filter(is_due) {
                let action = ActorModelAction::Timeout(id, timer.clone());
                if self.scope.as_ref().is_none_or(|scope| scope(system, &action))
                    && let Some(step) = self.expire(system, id, timer)
                {
                    send(system, id, step, Some(timer));
                }
            }
        }
        for envelope in sent.iter().map(|envelope| self.one_of(envelope)) {
            let is_news = !system.network.contains(&envelope);
            if is_news && !self.is_obsolete(system, &envelope) && !self.is_spent(system, &envelope)
            {
                system.network.insert(envelope);
                receivers.add(envelope.dst);
            }
        }
        receivers
    }

    /// Whether all that a step does is to send messages that are not recorded.
    fn only_sends(
        &self,
        system: &System<A, H>,
        id: Id,
        step: &Step<A>,
        fired: Option<&A::Timer>,
    ) -> bool {
        let index = usize::from(id);
        let timers = &system.timers_set[index];
        let is_again =
            |effect: &EffectOf<A>| matches!(effect, Effect::Set(timer, _) if Some(timer) == fired);
        step.state.is_none_or(|state| state == system.actor_states[index])
            && fired.is_none_or(|_| step.effects.iter().any(is_again))
            && step.effects.iter().all(|effect| match effect {
                Effect::Send(envelope) => self.record(&system.history, envelope, false).is_none(),
                Effect::Set(timer, _) => {
                    timers.contains(timer) && (self.measured)(id, timer).is_none()
                }
                Effect::Cancel(timer) => !timers.contains(timer),
                Effect::Save(saved) => system.actor_storages[index] == Some(*saved),
            })
    }

    /// Whether everything that was ever obsolete at an actor that is up is a no-op to it now, and everything
    /// that was ever spent leads to nothing but what is obsolete (at whoever is up), spent or under way. A property for runs
    /// under [`Pruning::Audit`].
    pub fn audit(&self, state: &CheckedState<A, H>) -> bool {
        let CheckedState { system, retired, spent, .. } = state;
        let up = |envelope: &&EnvelopeOf<A>| {
            system.crashed.get(usize::from(envelope.dst)) == Some(&false)
        };
        let is_nothing = |effect: &EffectOf<A>| match effect {
            Effect::Send(envelope) => {
                let mut known = system.network.iter();
                !up(&envelope) // it is asked again when that is up
                    || self.is_obsolete(system, envelope)
                    || spent.contains(envelope)
                    || known.any(|known| self.stands_for(known, envelope))
            }
            _ => false,
        };
        retired.iter().filter(up).all(|envelope| {
            let Reception { is_obsolete, step } = self.receive(system, envelope);
            is_obsolete && step.is_none()
        }) && spent.iter().filter(up).all(|envelope| {
            let step = self.receive(system, envelope).step;
            step.is_none_or(|step| step.state.is_none() && step.effects.iter().all(is_nothing))
        })
    }

    /// Whether a message is the same as another one, or the same from somebody else.
    fn stands_for(&self, one: &EnvelopeOf<A>, other: &EnvelopeOf<A>) -> bool {
        let is_same = (one.dst, one.msg) == (other.dst, other.msg);
        is_same && (one.src == other.src || self.senders(one).contains(&other.src))
    }
}

impl<A: Internable> Step<A> {
    fn of(id: Id, state: Cow<'_, A::State>, out: Out<A>) -> &'static Self {
        let state = match state {
            Cow::Borrowed(_) => None,
            Cow::Owned(state) => Some(Interned::new(state)),
        };
        Box::leak(Box::new(Step { state, effects: effects(id, out) }))
    }
}

impl<A: Internable> PartialEq for Step<A> {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state && self.effects == other.effects
    }
}

impl<A: Internable> Clone for Reception<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: Internable> Copy for Reception<A> {}

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

/// What a picture of a path of the check says of itself, until such paths are translated into paths of single steps.
pub const CAPTION: &str = "The check keeps one of several messages that do the same, whoever sent them, and does at \
                           once what changes nothing but what is under way: an arrow may begin at another sender \
                           than the one that sent it. Without --path every step is one, and every sender is right.";

/// Puts the caption below a picture.
fn with_caption(drawn: &str) -> String {
    /// Of a line, in pixels.
    const HEIGHT: usize = 14;
    /// Of a line, in characters.
    const WIDTH: usize = 60;
    let number = |text: &str| text.split('\'').next().and_then(|it| it.parse::<usize>().ok());
    let parts = drawn.split_once("height='").zip(drawn.rsplit_once("</svg>"));
    let Some(((before, sized), (_, rest))) = parts else { return drawn.to_string() };
    let Some(height) = number(sized) else { return drawn.to_string() };
    let mut lines = vec![String::new()];
    for word in CAPTION.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < WIDTH => *line += &format!("{word} "),
            _ => lines.push(format!("{word} ")),
        }
    }
    let texts = lines.iter().enumerate().map(|(place, line)| {
        let y = height + (place + 1) * HEIGHT;
        format!("<text x='0' y='{y}' font-size='11'>{}</text>\n", line.trim_end())
    });
    let whole = height + (lines.len() + 1) * HEIGHT;
    let sized = &sized[height.to_string().len()..];
    let picture = sized.rsplit_once("</svg>").map_or(sized, |(picture, _)| picture);
    format!("{before}height='{whole}{picture}{}</svg>{rest}", texts.collect::<String>())
}

/// An action as stateright would have it.
fn to_stateright<A: Internable>(
    action: &ActionOf<A>,
) -> ActorModelAction<A::Msg, A::Timer, A::Random> {
    use ActorModelAction::{Crash, Deliver, Drop, Recover, SelectRandom, Timeout};
    match action.clone() {
        Deliver { src, dst, msg } => Deliver { src, dst, msg: Interned::get(msg).clone() },
        Drop(envelope) => Drop(opened(&envelope).to_cloned_msg()),
        Timeout(id, timer) => Timeout(id, timer),
        Crash(id) => Crash(id),
        Recover(id) => Recover(id),
        SelectRandom { actor, key, random } => SelectRandom { actor, key, random },
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

impl<A: Internable, H: Clone> Clone for CheckedState<A, H> {
    fn clone(&self) -> Self {
        CheckedState {
            system: self.system.clone(),
            crashes: self.crashes,
            retired: self.retired.clone(),
            spent: self.spent.clone(),
        }
    }
}

impl<A: Internable, H: PartialEq> PartialEq for CheckedState<A, H> {
    fn eq(&self, other: &Self) -> bool {
        self.crashes == other.crashes
            && self.system == other.system
            && self.retired == other.retired
            && self.spent == other.spent
    }
}

impl<A: Internable, H: Hash> Hash for CheckedState<A, H> {
    fn hash<S: Hasher>(&self, hasher: &mut S) {
        self.system.hash(hasher);
        self.crashes.hash(hasher);
        self.retired.hash(hasher);
        self.spent.hash(hasher);
    }
}

impl<A: Internable, H: Debug> Debug for CheckedState<A, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("State");
        out.field("system", &self.system).field("crashes", &self.crashes);
        if !self.retired.is_empty() || !self.spent.is_empty() {
            out.field("retired", &self.retired).field("spent", &self.spent);
        }
        out.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::world::{ChainModel, ProofActor};
    use crate::chain::{Client, Mortal, Setup};
    use crate::checker::graph::Graph;
    use chainring_model::Intact;
    use chainring_model::kv::Op;

    /// Small systems in which everything happens that an action can be.
    fn small() -> Vec<Setup> {
        let increment = || Client::new([Op::Increment(1)]);
        let lossy = |setup| Setup { lossy: true, slow_clients: true, ..setup };
        vec![
            lossy(Setup::new(2, [increment()]).crashes(1, Mortal::All)),
            Setup::new(2, [increment()]).views(1, 1).suspects([1]).crashes(1, Mortal::All),
        ]
    }

    #[test]
    fn a_picture_says_what_its_arrows_are_worth() {
        let drawn = "<svg version='1.1' width='10' height='40' viewbox='0'><g></g></svg>\n";
        let said = with_caption(drawn);
        assert!(said.starts_with("<svg version='1.1' width='10' height='124' viewbox"), "{said}");
        assert!(said.ends_with("</text>\n</svg>\n") && said.contains("<g></g><text"), "{said}");
        let words = said.split("'11'>").skip(1).filter_map(|text| text.split("</text>").next());
        assert_eq!(words.collect::<Vec<_>>().join(" "), CAPTION);
        for strange in ["", "<svg></svg>", "<svg height='x'></svg>"] {
            assert_eq!(with_caption(strange), strange);
        }
    }

    /// Our steps are stateright's, from every state and by every action, before what is changed on purpose.
    #[test]
    fn steps_are_those_of_stateright() {
        for setup in small() {
            let model: ChainModel = setup.model(&Intact, Pruning::Steps);
            let (mut steps, mut nothing) = (0, 0);
            for state in Graph::of(&model).states() {
                let theirs = state.system.to_stateright();
                let mut actions = Vec::new();
                model.actions(state, &mut actions);
                for action in actions {
                    let expected =
                        model.inner.next_state(&theirs, to_stateright::<ProofActor>(&action));
                    let expected = expected.map(|mut next| {
                        if let Network::UnorderedDuplicating(_, last) = &mut next.network {
                            *last = None;
                        }
                        if let ActorModelAction::Crash(id) = action {
                            next.actor_states[usize::from(id)] = Arc::new(model.down(id));
                        }
                        next
                    });
                    let ours = model.step(&state.system, &action);
                    let ours = ours.map(|(next, _)| next.to_stateright());
                    assert!(ours == expected, "{action:?} in {theirs:?}");
                    steps += usize::from(ours.is_some());
                    nothing += usize::from(ours.is_none());
                }
            }
            assert!(steps > 1000 && nothing > 100, "{steps} steps and {nothing} no-ops in {setup}");
        }
    }

    /// Our actions are stateright's, in its order, where nothing is local and crashes are left.
    #[test]
    fn actions_are_those_of_stateright() {
        let setup = &small()[0];
        let model: ChainModel = setup.model(&Intact, Pruning::On);
        let is_script = |id: Id| usize::from(id) >= model.actors().len() - setup.clients.len();
        for state in Graph::of(&model).states().filter(|state| state.crashes == 0) {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            model.actions(state, &mut ours);
            model.inner.actions(&state.system.to_stateright(), &mut theirs);
            theirs
                .retain(|action| !matches!(action, ActorModelAction::Crash(id) if is_script(*id)));
            let ours: Vec<_> = ours.iter().map(to_stateright::<ProofActor>).collect();
            assert_eq!(ours, theirs);
        }
    }
}
