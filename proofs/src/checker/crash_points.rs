//! What persist-then-speak is for: crashes between any two commands of a step.
//!
//! The checker runs a handler and all its commands as one atomic step. A computer does not: it can
//! crash after any of them. In a model with *crash points* the actors that may crash carry out
//! their commands one at a time, with a crash possible in between, in one of two orders: saves
//! before sends, which is what the runtime does and must be indistinguishable from the atomic step;
//! and sends before saves, which must break something. Any model can be explored so, whichever its
//! actors are.
//!
//! Nothing is left out here (of [`reduce`](super::reduce)), and local messages take their time. An
//! obsolete message is a no-op to what its receiver has *saved*, and in between two commands an
//! actor knows more than that. So configurations are small.

use super::checked::{Action, ActionIn, ActionOf, Checked};
use super::intern::Interned;
use super::state::{CheckedState, Effect, EffectOf, Internable, effects, opened};
use crate::history::Recorder;
use chainring_model::prune::Prune;
use stateright::actor::{ActorModelAction, Envelope, Id, Out};
use std::borrow::Cow;

pub use super::checked::Order;

impl<A, H> Checked<A, H>
where
    A: Prune + Internable,
    H: Recorder<A::Msg>,
{
    /// With a crash possible between any two commands of an actor that may crash, which carries
    /// them out in this order.
    pub fn crash_points(mut self, order: Order) -> Self {
        self.order = Some(order);
        self
    }

    /// Everybody has started, and no start is torn: the model begins with all actors up.
    pub(super) fn start_whole(&self, state: &mut CheckedState<A, H>, order: Order) {
        for id in (0..self.inner.actors.len()).map(Id::from) {
            self.start(state, id, order);
            for effect in state.undone.remove(&id).into_iter().flatten() {
                self.carry_out(state, id, &effect);
            }
        }
    }

    /// What can happen next. An actor that has begun a step, and has not ended it, takes no other
    /// one.
    pub(super) fn actions_between_commands(
        &self,
        state: &CheckedState<A, H>,
        actions: &mut Vec<ActionIn<A>>,
    ) {
        let system = &state.system;
        let ids = || (0..self.inner.actors.len()).map(Id::from);
        let is_up = |id: &Id| system.crashed.get(usize::from(*id)) == Some(&false);
        let idle = |id: &Id| is_up(id) && !state.undone.contains_key(id);
        let mut step = |action: ActionOf<A>| {
            if self.is_in_scope(system, &action) {
                actions.push(Action::Step(action));
            }
        };
        for Envelope { src, dst, msg } in system.network.iter().filter(|it| idle(&it.dst)) {
            step(ActorModelAction::Deliver { src: *src, dst: *dst, msg: *msg });
        }
        for id in ids().filter(idle) {
            let timers = system.timers_set[usize::from(id)].iter();
            for timer in timers.filter(|timer| system.clock.may_fire(id, timer)) {
                step(ActorModelAction::Timeout(id, timer.clone()));
            }
        }
        actions.extend(state.undone.keys().map(|id| Action::Perform(*id)));
        for id in ids() {
            if !is_up(&id) && self.process(id).first() == Some(&id) {
                actions.push(Action::Step(ActorModelAction::Recover(id)));
            } else if is_up(&id) && state.crashes < self.crashes && self.mortal.contains(&id) {
                actions.push(Action::Step(ActorModelAction::Crash(id)));
            }
        }
    }

    /// The next state; nothing for what changes nothing, or is not part of such a model.
    pub(super) fn next_between_commands(
        &self,
        last: &CheckedState<A, H>,
        action: &ActionIn<A>,
        order: Order,
    ) -> Option<CheckedState<A, H>> {
        let mut next = last.clone();
        match action {
            Action::Perform(id) => {
                let queue = next.undone.get_mut(id)?;
                let effect = queue.pop_front()?;
                if queue.is_empty() {
                    next.undone.remove(id);
                }
                self.carry_out(&mut next, *id, &effect);
            }
            Action::Step(ActorModelAction::Deliver { src, dst, msg }) => {
                let index = usize::from(*dst);
                let mut state = Cow::Borrowed(&*last.system.actor_states[index]);
                let mut out = Out::new();
                let content = Interned::get(*msg).clone();
                self.inner.actors[index].on_msg(*dst, &mut state, *src, content, &mut out);
                if let Cow::Owned(state) = state {
                    // Only what changed its receiver was seen by it.
                    let envelope = Envelope { src: *src, dst: *dst, msg: *msg };
                    if let Some(history) = next.system.history.received(opened(&envelope)) {
                        next.system.history = history;
                    }
                    next.system.actor_states[index] = Interned::new(state);
                }
                self.decide(&mut next, *dst, out, order);
            }
            Action::Step(ActorModelAction::Timeout(id, timer)) => {
                let index = usize::from(*id);
                let mut state = Cow::Borrowed(&*last.system.actor_states[index]);
                let mut out = Out::new();
                next.system.cancel(*id, timer);
                self.stop(&mut next.system, *id, timer);
                self.inner.actors[index].on_timeout(*id, &mut state, timer, &mut out);
                if let Cow::Owned(state) = state {
                    next.system.actor_states[index] = Interned::new(state);
                }
                self.decide(&mut next, *id, out, order);
            }
            Action::Step(ActorModelAction::Crash(id)) => {
                next.crashes += 1;
                for id in self.process(*id) {
                    next.system.crash(id, self.down(id));
                    next.undone.remove(&id);
                    self.lose_disk(&mut next.system, id);
                }
            }
            Action::Step(ActorModelAction::Recover(id)) => {
                for id in self.process(*id) {
                    self.start(&mut next, id, order);
                }
            }
            Action::Step(ActorModelAction::Drop(_) | ActorModelAction::SelectRandom { .. }) => {
                return None;
            }
        }
        let step = match action {
            Action::Step(step) => Some(step),
            Action::Perform(_) => None,
        };
        let seen = self.witness.and_then(|seen| seen(&last.system, step, &next.system));
        if let Some(history) = seen {
            next.system.history = history;
        }
        (next != *last).then_some(next)
    }

    fn start(&self, state: &mut CheckedState<A, H>, id: Id, order: Order) {
        let index = usize::from(id);
        let mut out = Out::new();
        let storage = state.system.actor_storages[index].map(|saved| Interned::get(saved).clone());
        let started = self.inner.actors[index].on_start(id, &storage, &mut out);
        state.system.actor_states[index] = Interned::new(started);
        state.system.crashed[index] = false;
        self.decide(state, id, out, order);
    }

    /// Queues the commands of a step in the order of this interpreter, or carries them out at once
    /// for actors that do not crash.
    fn decide(&self, state: &mut CheckedState<A, H>, id: Id, out: Out<A>, order: Order) {
        let mut effects = effects(id, out);
        let is_save = |effect: &EffectOf<A>| matches!(effect, Effect::Save(_));
        match order {
            Order::SaveFirst => effects.sort_by_key(|effect| !is_save(effect)),
            Order::SendFirst => effects.sort_by_key(is_save),
        }
        // Timers are volatile: no other actor can tell when in a step they were set.
        let (timers, rest): (Vec<_>, Vec<_>) = (effects.into_iter())
            .partition(|effect| matches!(effect, Effect::Set(..) | Effect::Cancel(_)));
        for effect in timers {
            self.carry_out(state, id, &effect);
        }
        let is_mortal = self.process(id).iter().any(|one| self.mortal.contains(one));
        if is_mortal && !rest.is_empty() {
            state.undone.insert(id, rest.into());
        } else {
            for effect in rest {
                self.carry_out(state, id, &effect);
            }
        }
    }

    /// Carries out a command, and records what is sent.
    fn carry_out(&self, state: &mut CheckedState<A, H>, id: Id, effect: &EffectOf<A>) {
        let system = &mut state.system;
        if let Effect::Send(envelope) = effect
            && let Some(history) = system.history.sent(opened(envelope))
        {
            system.history = history;
        }
        self.perform(system, id, effect);
    }
}
