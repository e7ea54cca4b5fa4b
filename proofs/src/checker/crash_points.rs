//! What persist-then-speak is for: steps torn apart by crashes.
//!
//! The checker runs a handler and all its commands as one atomic step. A computer does not: it can crash
//! after any of them. This model executes the commands of those who may crash one at a time, with a
//! crash possible in between, in one of two orders: saves before sends, which is what the runtime does
//! and must be indistinguishable from the atomic step; and sends before saves, which must break
//! something. Everything is kept here (no pruning), so configurations are small.

use crate::chain::world::{ProofActor, ProofStore, System, World};
use crate::checker::intern::Interned;
use crate::checker::state::{self as system, Effect, EffectOf, effects, opened};
use crate::history::{History, Recorder};
use chainring_model::Mechanisms;
use chainring_model::chain::{Msg, Timer};
use stateright::actor::{Actor, ActorModelAction, Envelope, Id, Out};
use stateright::{Model, Property};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Debug, Formatter};
use std::hash::{Hash, Hasher};

/// In which order an interpreter carries out the commands of one step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// Persist, then speak.
    SaveFirst,
    /// The mutant.
    SendFirst,
}

/// A chain whose steps are torn.
pub struct CrashPoints<M: Mechanisms> {
    actors: Vec<ProofActor<M>>,
    stores: Vec<Option<ProofStore>>,
    mortal: Vec<Id>,
    crashes: u8,
    order: Order,
    properties: Vec<Property<Self>>,
}

/// A state of a torn system.
pub struct CrashPointState<M: Mechanisms> {
    system: System<M>,
    /// What an actor has decided and not yet done. While it has, it takes no other step.
    undone: BTreeMap<Id, VecDeque<EffectOf<ProofActor<M>>>>,
    crashes: u8,
}

/// A step of a torn system.
#[derive(Clone, Debug, PartialEq)]
pub enum CrashPointAction {
    /// An actor handles an event, crashes or recovers.
    Step(ActorModelAction<Interned<Msg>, Timer, ()>),
    /// An actor carries out the next of its commands.
    Perform(Id),
}

impl<M: Mechanisms> CrashPoints<M> {
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
        CrashPoints { actors, stores, mortal, crashes, order, properties }
    }

    fn is_mid_step(&self, id: Id) -> bool {
        self.mortal.contains(&id)
    }

    /// Queues the commands of a step in the order of this interpreter, or carries them out at once for
    /// actors that do not crash.
    fn decide(&self, state: &mut CrashPointState<M>, id: Id, out: Out<ProofActor<M>>) {
        let mut effects = effects(id, out);
        let is_save = |effect: &EffectOf<ProofActor<M>>| matches!(effect, Effect::Save(_));
        match self.order {
            Order::SaveFirst => effects.sort_by_key(|effect| !is_save(effect)),
            Order::SendFirst => effects.sort_by_key(is_save),
        }
        // Timers are volatile: nobody can tell when in a step they were set.
        let (timers, rest): (Vec<_>, Vec<_>) = (effects.into_iter())
            .partition(|effect| matches!(effect, Effect::Set(..) | Effect::Cancel(_)));
        for effect in timers {
            perform(&mut state.system, id, &effect);
        }
        if self.is_mid_step(id) && !rest.is_empty() {
            state.undone.insert(id, rest.into());
        } else {
            for effect in rest {
                perform(&mut state.system, id, &effect);
            }
        }
    }

    fn start(&self, state: &mut CrashPointState<M>, id: Id) {
        let index = usize::from(id);
        let mut out = Out::new();
        let storage = state.system.actor_storages[index].map(|saved| Interned::get(saved).clone());
        let started = self.actors[index].on_start(id, &storage, &mut out);
        state.system.actor_states[index] = Interned::new(started);
        state.system.crashed[index] = false;
        self.decide(state, id, out);
    }

    fn stop(&self, state: &mut CrashPointState<M>, id: Id) {
        let index = usize::from(id);
        let stopped = self.actors[index].on_start(id, &None, &mut Out::new());
        state.system.crash(id, stopped);
        state.undone.remove(&id);
        state.crashes += 1;
    }
}

/// Carries out a command, and records what is sent.
fn perform<M: Mechanisms>(system: &mut System<M>, id: Id, effect: &EffectOf<ProofActor<M>>) {
    if let Effect::Send(envelope) = effect
        && let Some(history) = system.history.sent(opened(envelope))
    {
        system.history = history;
    }
    system.perform(id, effect);
}

impl<M: Mechanisms> Model for CrashPoints<M> {
    type State = CrashPointState<M>;
    type Action = CrashPointAction;

    fn init_states(&self) -> Vec<CrashPointState<M>> {
        let count = self.actors.len();
        let down = |(index, actor): (usize, &ProofActor<M>)| {
            Interned::new(actor.on_start(Id::from(index), &None, &mut Out::new()))
        };
        let down = self.actors.iter().enumerate().map(down).collect();
        let system = system::System::new(down, self.stores.clone(), History::default());
        let mut state = CrashPointState { system, undone: BTreeMap::new(), crashes: 0 };
        for index in 0..count {
            self.start(&mut state, Id::from(index));
            // The first start is not torn: the model begins with everybody up.
            for effect in state.undone.remove(&Id::from(index)).into_iter().flatten() {
                perform(&mut state.system, Id::from(index), &effect);
            }
        }
        vec![state]
    }

    fn actions(&self, state: &CrashPointState<M>, actions: &mut Vec<CrashPointAction>) {
        let system = &state.system;
        let ids = || (0..self.actors.len()).map(Id::from);
        let idle = |id: &Id| !state.undone.contains_key(id) && !system.crashed[usize::from(*id)];
        let deliverable = system.network.iter().filter(|envelope| idle(&envelope.dst));
        actions.extend(deliverable.map(|Envelope { src, dst, msg }| {
            CrashPointAction::Step(ActorModelAction::Deliver { src: *src, dst: *dst, msg: *msg })
        }));
        for id in ids().filter(idle) {
            let timers = system.timers_set[usize::from(id)].iter();
            let fire =
                |timer: &Timer| CrashPointAction::Step(ActorModelAction::Timeout(id, *timer));
            actions.extend(timers.map(fire));
        }
        actions.extend(state.undone.keys().map(|id| CrashPointAction::Perform(*id)));
        for id in ids() {
            if system.crashed[usize::from(id)] {
                actions.push(CrashPointAction::Step(ActorModelAction::Recover(id)));
            } else if state.crashes < self.crashes && self.is_mid_step(id) {
                actions.push(CrashPointAction::Step(ActorModelAction::Crash(id)));
            }
        }
    }

    fn next_state(
        &self,
        last: &CrashPointState<M>,
        action: CrashPointAction,
    ) -> Option<CrashPointState<M>> {
        let mut next = last.clone();
        match action {
            CrashPointAction::Perform(id) => {
                let queue = next.undone.get_mut(&id)?;
                let effect = queue.pop_front()?;
                if queue.is_empty() {
                    next.undone.remove(&id);
                }
                perform(&mut next.system, id, &effect);
            }
            CrashPointAction::Step(ActorModelAction::Deliver { src, dst, msg }) => {
                let index = usize::from(dst);
                let mut state = Cow::Borrowed(&*last.system.actor_states[index]);
                let mut out = Out::new();
                self.actors[index].on_msg(
                    dst,
                    &mut state,
                    src,
                    Interned::get(msg).clone(),
                    &mut out,
                );
                if let Cow::Owned(state) = state {
                    // Only what changed its receiver was seen by it.
                    let envelope = Envelope { src, dst, msg };
                    if let Some(history) = next.system.history.received(opened(&envelope)) {
                        next.system.history = history;
                    }
                    next.system.actor_states[index] = Interned::new(state);
                }
                self.decide(&mut next, dst, out);
            }
            CrashPointAction::Step(ActorModelAction::Timeout(id, timer)) => {
                let index = usize::from(id);
                let mut state = Cow::Borrowed(&*last.system.actor_states[index]);
                let mut out = Out::new();
                next.system.cancel(id, &timer);
                self.actors[index].on_timeout(id, &mut state, &timer, &mut out);
                if let Cow::Owned(state) = state {
                    next.system.actor_states[index] = Interned::new(state);
                }
                self.decide(&mut next, id, out);
            }
            CrashPointAction::Step(ActorModelAction::Crash(id)) => self.stop(&mut next, id),
            CrashPointAction::Step(ActorModelAction::Recover(id)) => self.start(&mut next, id),
            CrashPointAction::Step(_) => return None,
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.properties.clone()
    }
}

impl<M: Mechanisms> Clone for CrashPointState<M> {
    fn clone(&self) -> Self {
        let CrashPointState { system, undone, crashes } = self;
        CrashPointState { system: system.clone(), undone: undone.clone(), crashes: *crashes }
    }
}

impl<M: Mechanisms> PartialEq for CrashPointState<M> {
    fn eq(&self, other: &Self) -> bool {
        self.crashes == other.crashes && self.undone == other.undone && self.system == other.system
    }
}

impl<M: Mechanisms> Hash for CrashPointState<M> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.system.hash(hasher);
        self.undone.hash(hasher);
        self.crashes.hash(hasher);
    }
}

impl<M: Mechanisms> Debug for CrashPointState<M> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("CrashPointState");
        out.field("system", &self.system).field("undone", &self.undone);
        out.field("crashes", &self.crashes).finish()
    }
}

impl<M: Mechanisms> World for CrashPoints<M> {
    type Mechanisms = M;
    type System = System<M>;

    fn system(state: &CrashPointState<M>) -> &System<M> {
        &state.system
    }

    fn actors(&self) -> &[ProofActor<M>] {
        &self.actors
    }

    fn crashes(state: &CrashPointState<M>) -> u8 {
        state.crashes
    }

    fn is_mid_step(state: &CrashPointState<M>, id: Id) -> bool {
        state.undone.contains_key(&id)
    }
}
