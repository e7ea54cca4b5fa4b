//! What persist-then-speak is for: steps torn apart by crashes.
//!
//! The checker runs a handler and all its commands as one atomic step. A computer does not: it can crash
//! after any of them. This model executes the commands of those who may crash one at a time, with a
//! crash possible in between, in one of two orders: saves before sends, which is what the runtime does
//! and must be indistinguishable from the atomic step; and sends before saves, which must break
//! something. Everything is kept here (no pruning), so configurations are small.

use crate::history::{History, Recorder};
use crate::world::{ProofActor, ProofStore, System, World};
use chainring_model::Mechanisms;
use chainring_model::chain::{Msg, Timer};
use stateright::actor::{
    Actor, ActorModelAction, ActorModelState, Command, Envelope, Id, Network, Out, RandomChoices,
    Timers,
};
use stateright::{Model, Property};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Debug, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// In which order an interpreter carries out the commands of one step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// Persist, then speak.
    SaveFirst,
    /// The mutant.
    SendFirst,
}

/// A chain whose steps are torn.
pub struct Torn<M: Mechanisms> {
    actors: Vec<ProofActor<M>>,
    stores: Vec<Option<ProofStore>>,
    mortal: Vec<Id>,
    crashes: u8,
    order: Order,
    properties: Vec<Property<Self>>,
}

/// A state of a torn system.
pub struct TornState<M: Mechanisms> {
    system: System<M>,
    /// What an actor has decided and not yet done. While it has, it takes no other step.
    undone: BTreeMap<Id, VecDeque<Effect>>,
    crashes: u8,
}

/// A command, as a part of a state.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Effect {
    Save(ProofStore),
    Send(Id, Msg),
    Set(Timer),
    Cancel(Timer),
}

/// A step of a torn system.
#[derive(Clone, Debug, PartialEq)]
pub enum TornAction {
    /// An actor handles an event, crashes or recovers.
    Step(ActorModelAction<Msg, Timer, ()>),
    /// An actor carries out the next of its commands.
    Perform(Id),
}

impl<M: Mechanisms> Torn<M> {
    /// Actors with their initialised stores; those who may crash, how often in all, and do so between any
    /// two commands.
    pub fn new(
        actors: Vec<(ProofActor<M>, Option<ProofStore>)>,
        mortal: Vec<Id>,
        crashes: u8,
        order: Order,
        properties: Vec<Property<Self>>,
    ) -> Self {
        let (actors, stores) = actors.into_iter().unzip();
        Torn { actors, stores, mortal, crashes, order, properties }
    }

    fn is_torn(&self, id: Id) -> bool {
        self.mortal.contains(&id)
    }

    /// Queues the commands of a step in the order of this interpreter, or carries them out at once for
    /// actors that do not crash.
    fn decide(&self, state: &mut TornState<M>, id: Id, out: Out<ProofActor<M>>) {
        let mut effects: Vec<_> = out
            .into_iter()
            .filter_map(|command| match command {
                Command::Save(store) => Some(Effect::Save(store)),
                Command::Send(dst, msg) => Some(Effect::Send(dst, msg)),
                Command::SetTimer(timer, _) => Some(Effect::Set(timer)),
                Command::CancelTimer(timer) => Some(Effect::Cancel(timer)),
                Command::ChooseRandom(..) => None, // the actors of a chain choose nothing
            })
            .collect();
        let is_save = |effect: &Effect| matches!(effect, Effect::Save(_));
        match self.order {
            Order::SaveFirst => effects.sort_by_key(|effect| !is_save(effect)),
            Order::SendFirst => effects.sort_by_key(is_save),
        }
        // Timers are volatile: nobody can tell when in a step they were set.
        let (timers, rest): (Vec<_>, Vec<_>) = (effects.into_iter())
            .partition(|effect| matches!(effect, Effect::Set(_) | Effect::Cancel(_)));
        for effect in timers {
            self.perform(state, id, effect);
        }
        if self.is_torn(id) && !rest.is_empty() {
            state.undone.insert(id, rest.into());
        } else {
            for effect in rest {
                self.perform(state, id, effect);
            }
        }
    }

    fn perform(&self, state: &mut TornState<M>, id: Id, effect: Effect) {
        let index = usize::from(id);
        let system = &mut state.system;
        match effect {
            Effect::Save(store) => system.actor_storages[index] = Some(store),
            Effect::Set(timer) => {
                system.timers_set[index].set(timer);
            }
            Effect::Cancel(timer) => {
                system.timers_set[index].cancel(&timer);
            }
            Effect::Send(dst, msg) => {
                if let Some(history) = system.history.sent(Envelope { src: id, dst, msg: &msg }) {
                    system.history = history;
                }
                if let Network::UnorderedDuplicating(envelopes, _) = &mut system.network {
                    envelopes.insert(Envelope { src: id, dst, msg });
                }
            }
        }
    }

    fn start(&self, state: &mut TornState<M>, id: Id) {
        let index = usize::from(id);
        let mut out = Out::new();
        let storage = &state.system.actor_storages[index];
        let started = self.actors[index].on_start(id, storage, &mut out);
        state.system.actor_states[index] = Arc::new(started);
        state.system.crashed[index] = false;
        self.decide(state, id, out);
    }

    fn stop(&self, state: &mut TornState<M>, id: Id) {
        let index = usize::from(id);
        let stopped = self.actors[index].on_start(id, &None, &mut Out::new());
        state.system.actor_states[index] = Arc::new(stopped);
        state.system.crashed[index] = true;
        state.system.timers_set[index].cancel_all();
        state.undone.remove(&id);
        state.crashes += 1;
    }
}

impl<M: Mechanisms> Model for Torn<M> {
    type State = TornState<M>;
    type Action = TornAction;

    fn init_states(&self) -> Vec<TornState<M>> {
        let count = self.actors.len();
        let down = |(index, actor): (usize, &ProofActor<M>)| {
            Arc::new(actor.on_start(Id::from(index), &None, &mut Out::new()))
        };
        let system = ActorModelState {
            actor_states: self.actors.iter().enumerate().map(down).collect(),
            network: Network::new_unordered_duplicating([]),
            timers_set: vec![Timers::new(); count],
            random_choices: vec![RandomChoices::default(); count],
            crashed: vec![false; count],
            history: History::default(),
            actor_storages: self.stores.clone(),
        };
        let mut state = TornState { system, undone: BTreeMap::new(), crashes: 0 };
        for index in 0..count {
            self.start(&mut state, Id::from(index));
            // The first start is not torn: the model begins with everybody up.
            for effect in state.undone.remove(&Id::from(index)).into_iter().flatten() {
                self.perform(&mut state, Id::from(index), effect);
            }
        }
        vec![state]
    }

    fn actions(&self, state: &TornState<M>, actions: &mut Vec<TornAction>) {
        let system = &state.system;
        let ids = || (0..self.actors.len()).map(Id::from);
        let idle = |id: &Id| !state.undone.contains_key(id) && !system.crashed[usize::from(*id)];
        let mut deliveries: Vec<_> = (system.network.iter_deliverable())
            .filter(|envelope| idle(&envelope.dst))
            .map(|envelope| envelope.to_cloned_msg())
            .collect();
        deliveries.sort();
        let deliveries = deliveries.into_iter().map(|Envelope { src, dst, msg }| {
            TornAction::Step(ActorModelAction::Deliver { src, dst, msg })
        });
        actions.extend(deliveries);
        for id in ids().filter(idle) {
            let mut timers: Vec<_> = system.timers_set[usize::from(id)].iter().copied().collect();
            timers.sort();
            let fire = |timer| TornAction::Step(ActorModelAction::Timeout(id, timer));
            actions.extend(timers.into_iter().map(fire));
        }
        actions.extend(state.undone.keys().map(|id| TornAction::Perform(*id)));
        for id in ids() {
            if system.crashed[usize::from(id)] {
                actions.push(TornAction::Step(ActorModelAction::Recover(id)));
            } else if state.crashes < self.crashes && self.is_torn(id) {
                actions.push(TornAction::Step(ActorModelAction::Crash(id)));
            }
        }
    }

    fn next_state(&self, last: &TornState<M>, action: TornAction) -> Option<TornState<M>> {
        let mut next = last.clone();
        match action {
            TornAction::Perform(id) => {
                let queue = next.undone.get_mut(&id)?;
                let effect = queue.pop_front()?;
                if queue.is_empty() {
                    next.undone.remove(&id);
                }
                self.perform(&mut next, id, effect);
            }
            TornAction::Step(ActorModelAction::Deliver { src, dst, msg }) => {
                let index = usize::from(dst);
                let mut state = Cow::Borrowed(&*last.system.actor_states[index]);
                let mut out = Out::new();
                self.actors[index].on_msg(dst, &mut state, src, msg.clone(), &mut out);
                if let Cow::Owned(state) = state {
                    // Only what changed its receiver was seen by it.
                    let envelope = Envelope { src, dst, msg: &msg };
                    if let Some(history) = next.system.history.received(envelope) {
                        next.system.history = history;
                    }
                    next.system.actor_states[index] = Arc::new(state);
                }
                self.decide(&mut next, dst, out);
            }
            TornAction::Step(ActorModelAction::Timeout(id, timer)) => {
                let index = usize::from(id);
                let mut state = Cow::Borrowed(&*last.system.actor_states[index]);
                let mut out = Out::new();
                next.system.timers_set[index].cancel(&timer);
                self.actors[index].on_timeout(id, &mut state, &timer, &mut out);
                if let Cow::Owned(state) = state {
                    next.system.actor_states[index] = Arc::new(state);
                }
                self.decide(&mut next, id, out);
            }
            TornAction::Step(ActorModelAction::Crash(id)) => self.stop(&mut next, id),
            TornAction::Step(ActorModelAction::Recover(id)) => self.start(&mut next, id),
            TornAction::Step(_) => return None,
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.properties.clone()
    }
}

impl<M: Mechanisms> Clone for TornState<M> {
    fn clone(&self) -> Self {
        let TornState { system, undone, crashes } = self;
        TornState { system: system.clone(), undone: undone.clone(), crashes: *crashes }
    }
}

impl<M: Mechanisms> PartialEq for TornState<M> {
    fn eq(&self, other: &Self) -> bool {
        self.crashes == other.crashes && self.undone == other.undone && self.system == other.system
    }
}

impl<M: Mechanisms> Hash for TornState<M> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.system.hash(hasher);
        self.undone.hash(hasher);
        self.crashes.hash(hasher);
    }
}

impl<M: Mechanisms> Debug for TornState<M> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TornState");
        out.field("system", &self.system).field("undone", &self.undone);
        out.field("crashes", &self.crashes).finish()
    }
}

impl<M: Mechanisms> World for Torn<M> {
    type Mechanisms = M;

    fn system(state: &TornState<M>) -> &System<M> {
        &state.system
    }

    fn actors(&self) -> &[ProofActor<M>] {
        &self.actors
    }

    fn crashes(state: &TornState<M>) -> u8 {
        state.crashes
    }

    fn is_torn(state: &TornState<M>, id: Id) -> bool {
        state.undone.contains_key(&id)
    }
}
