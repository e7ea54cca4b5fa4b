//! A system of actors, as it is checked: the actors and what they start from, what can go wrong,
//! what is claimed, and what is left out. [`model`](super::model) explores it.

use super::intern::{Interned, Table};
use super::state::{EffectOf, EnvelopeOf, Internable, System};
use crate::history::Recorder;
use chainring_model::prune::Prune;
use stateright::Property;
use stateright::actor::{Actor, ActorModel, ActorModelAction, Envelope, Id, LossyNetwork, Network};
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
    pub(super) processes: Vec<Vec<Id>>,
    pub(super) crashes: u8,
    pub(super) order: Option<Order>,
    pub(super) disks: Disks,
    pub(super) in_flight: Vec<Envelope<A::Msg>>,
    pub(super) pruning: Pruning,
    pub(super) local: Local<A>,
    pub(super) spent: Option<Spent<A, H>>,
    pub(super) equivalent: Option<EquivalentSenders<A>>,
    pub(super) representative: Option<Representative<A, H>>,
    pub(super) measured: Measured<A>,
    pub(super) scope: Option<Scope<A, H>>,
    pub(super) persistent: Option<Scope<A, H>>,
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

/// The actors from which a message would be the same.
pub(super) type EquivalentSenders<A> = Arc<dyn Fn(&EnvelopeOf<A>) -> Option<Vec<Id>> + Send + Sync>;

/// The system that stands for all that differ from it in nothing but the names of its actors.
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

/// What a history takes from a step, beside the messages: of the state before, the action, and the
/// state after.
pub(super) type Witness<A, H> = fn(&System<A, H>, Option<&ActionOf<A>>, &System<A, H>) -> Option<H>;

/// An action of a model: a step of its system, or, where steps have crash points, one command of a
/// step.
#[derive(Clone, Debug, PartialEq)]
pub enum Action<Step> {
    /// An actor handles an event, crashes or recovers; or a message is lost.
    Step(Step),
    /// An actor carries out the next of its commands.
    Perform(Id),
}

/// An action of a model of these actors.
pub type ActionIn<A> = Action<ActionOf<A>>;

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
    /// A system in which no actor crashes, on a network that delays, reorders and duplicates, and
    /// may withhold anything for ever.
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
            processes: Vec::new(),
            crashes: 0,
            order: None,
            disks: Disks::Kept,
            in_flight: Vec::new(),
            pruning: Pruning::On,
            local: Arc::new(|_| false),
            spent: None,
            equivalent: None,
            representative: None,
            measured: |_, _| None,
            scope: None,
            persistent: None,
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

    /// Which actors are in one process, each process with its first actor first: they crash and
    /// recover together. An actor that is named nowhere is a process of its own.
    pub fn processes(mut self, processes: impl IntoIterator<Item = Vec<Id>>) -> Self {
        self.processes = processes.into_iter().collect();
        self
    }

    /// The actors that are in one process with this one, and it.
    pub(super) fn process(&self, id: Id) -> Vec<Id> {
        let process = self.processes.iter().find(|process| process.contains(&id));
        process.cloned().unwrap_or_else(|| vec![id])
    }

    /// Lets the network lose messages for good, other than local ones. Without this it merely may
    /// never deliver them, which is the same to everything but a dead end.
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

    /// Which messages are spent: whatever they still lead to is a no-op, now and for ever. They are
    /// dropped as obsolete ones are, and that it is a no-op now is asserted as it is of those. It
    /// may look at the states of sender and receiver, and at what the sender is being sent.
    pub fn spent(
        mut self,
        spent: impl Fn(&System<A, H>, &EnvelopeOf<A>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.spent = Some(Arc::new(spent));
        self
    }

    /// From which actors a message would be the same to its receiver. It counts as sent by the
    /// first of them.
    pub fn equivalent_senders(
        mut self,
        senders: impl Fn(&EnvelopeOf<A>) -> Option<Vec<Id>> + Send + Sync + 'static,
    ) -> Self {
        self.equivalent = Some(Arc::new(senders));
        self
    }

    /// Which system stands for one that differs from it in nothing but the names of its actors;
    /// nothing if it does itself. (Ip & Dill, "Better Verification Through Symmetry", 1996.) Paths
    /// of such a model change names as they go.
    pub fn representative(
        mut self,
        representative: impl Fn(&System<A, H>) -> Option<System<A, H>> + Send + Sync + 'static,
    ) -> Self {
        self.representative = Some(Arc::new(representative));
        self
    }

    /// Which timers are measured, and of whose time: of two of one member's, the one that was armed
    /// earlier for less time ends first.
    pub fn measured(mut self, measured: Measured<A>) -> Self {
        self.measured = measured;
        self
    }

    /// Leaves out actions: so many timers of a kind, and no more. What a model does not say about
    /// the world because of this is part of its name.
    pub fn scope(
        mut self,
        scope: impl Fn(&System<A, H>, &ActionOf<A>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.scope = Some(Arc::new(scope));
        self
    }

    /// Which actions stand for all in a state: the others can come later. It is asked where all
    /// that makes no difference is left out.
    pub fn persistent_set(
        mut self,
        persistent: impl Fn(&System<A, H>, &ActionOf<A>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.persistent = Some(Arc::new(persistent));
        self
    }

    /// Whether an action belongs to this model, whatever is left out of it.
    pub(super) fn is_in_scope(&self, system: &System<A, H>, action: &ActionOf<A>) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope(system, action))
    }

    /// Whether an action is taken in a state: it is in scope, and stands for what is not taken.
    pub(super) fn is_taken(&self, system: &System<A, H>, action: &ActionOf<A>) -> bool {
        let persistent = self.persistent.as_ref().filter(|_| self.pruning == Pruning::On);
        self.is_in_scope(system, action)
            && persistent.is_none_or(|persistent| persistent(system, action))
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

    /// Where a crash takes the disk, too: the actor finds no store when it recovers, or, where
    /// losing one is `mistaken` for being new, an initialised one.
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

    /// What a crash leaves of an actor's disk.
    pub(super) fn lose_disk(&self, system: &mut System<A, H>, id: Id) {
        let index = usize::from(id);
        match self.disks {
            Disks::Kept => {}
            Disks::Lost => system.actor_storages[index] = None,
            Disks::Renewed => {
                system.actor_storages[index] = self.stores[index].clone().map(Interned::new);
            }
        }
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

/// In which order an interpreter carries out the commands of one step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// Persist, then speak.
    SaveFirst,
    /// The mutant.
    SendFirst,
}

/// Which reductions are applied: see the [table](super::reduce).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pruning {
    /// All. Paths of such a model leave out steps that only send, and name one sender for several.
    On,
    /// Of messages, only obsolete ones are dropped; each transition stays a separate step.
    Steps,
    /// The same, and one sender is named for several whose message would be the same. This keeps
    /// what ends: see [`liveness`](super::liveness).
    Senders,
    /// No message is dropped.
    Off,
    /// No message is dropped, and every message that was ever classed as obsolete or spent is
    /// checked again in each later state: see [`Checked::audit`].
    Audit,
}

/// What an actor makes of an event: a function of its state and of the event, remembered.
pub(super) struct Step<A: Internable> {
    /// Its next state, where that is another one.
    pub(super) state: Option<Interned<A::State>>,
    pub(super) effects: Vec<EffectOf<A>>,
}

/// What an actor makes of a message.
pub(super) struct Reception<A: Internable> {
    /// Whether it says that the message can never matter again.
    pub(super) is_obsolete: bool,
    /// Nothing for a no-op.
    pub(super) step: Option<&'static Step<A>>,
}
