//! What an actor makes of an event, and how a system takes a step.

use super::checked::{ActionOf, Checked, Reception, Step};
use super::intern::{Interned, Mix};
use super::state::{Effect, EffectOf, EnvelopeOf, Internable, System, effects, opened};
use crate::history::Recorder;
use chainring_model::prune::Prune;
use stateright::actor::{ActorModelAction, Envelope, Id, Out, is_no_op, is_no_op_with_timer};
use std::borrow::Cow;
use std::hash::{BuildHasher, BuildHasherDefault};

/// The actors whose state has changed, and those that were sent something: for the others
/// everything under way is as it was.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Touched(pub(super) u64);

impl Touched {
    pub(super) fn add(&mut self, id: Id) {
        self.0 |= 1 << usize::from(id);
    }

    pub(super) fn has(self, id: Id) -> bool {
        self.0 >> usize::from(id) & 1 == 1
    }
}

impl<A, H> Checked<A, H>
where
    A: Prune + Internable,
    H: Recorder<A::Msg>,
{
    /// The state of an actor that is down.
    pub(crate) fn down(&self, id: Id) -> A::State {
        self.inner.actors[usize::from(id)].on_start(id, &None, &mut Out::new())
    }

    /// What a receiver makes of a message.
    pub(super) fn receive(&self, system: &System<A, H>, envelope: &EnvelopeOf<A>) -> Reception<A> {
        let (id, index) = (envelope.dst, usize::from(envelope.dst));
        let Some(actor) = self.inner.actors.get(index) else {
            return Reception { is_obsolete: true, step: None }; // addressed to no actor
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

    /// What an actor makes of a timer; nothing if all it does is to set it again.
    pub(super) fn expire(
        &self,
        system: &System<A, H>,
        id: Id,
        timer: &A::Timer,
    ) -> Option<&'static Step<A>> {
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

    /// What the history becomes with a message that is sent or received, where that is another one.
    /// Remembered by the digest of the history, which is what tells histories apart anyway.
    pub(super) fn record(
        &self,
        history: &H,
        envelope: &EnvelopeOf<A>,
        is_received: bool,
    ) -> Option<H> {
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
    pub(super) fn take(
        &self,
        step: &Step<A>,
        system: &mut System<A, H>,
        id: Id,
        touched: &mut Touched,
    ) {
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
                effect @ (Effect::Set(..) | Effect::Cancel(_) | Effect::Save(_)) => {
                    self.perform(system, id, effect)
                }
            }
        }
    }

    /// Carries out a command that sends nothing, and keeps the time.
    pub(super) fn perform(&self, system: &mut System<A, H>, id: Id, effect: &EffectOf<A>) {
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
    pub(super) fn stop(&self, system: &mut System<A, H>, id: Id, timer: &A::Timer) {
        if (self.measured)(id, timer).is_some() {
            system.change_clock(|clock| clock.end(id, timer));
        }
    }

    /// The receiver of a message takes a step.
    pub(super) fn deliver(
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

    /// An actor starts, with what it has saved.
    pub(super) fn start_up(&self, system: &mut System<A, H>, id: Id, touched: &mut Touched) {
        let index = usize::from(id);
        let storage = system.actor_storages[index].map(|saved| Interned::get(saved).clone());
        let mut out = Out::new();
        let state = self.inner.actors[index].on_start(id, &storage, &mut out);
        system.crashed[index] = false;
        let step = Step::of(id, Cow::Owned(state), out);
        self.take(step, system, id, touched);
    }

    /// Takes an action as stateright does; but the actors of a process crash and recover as one.
    pub(crate) fn step(
        &self,
        last: &System<A, H>,
        action: &ActionOf<A>,
    ) -> Option<(System<A, H>, Touched)> {
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
                for id in self.process(*id) {
                    next.crash(id, self.down(id));
                    touched.add(id);
                }
            }
            ActorModelAction::Recover(id) => {
                next = last.clone();
                for id in self.process(*id) {
                    self.start_up(&mut next, id, &mut touched);
                }
            }
            ActorModelAction::SelectRandom { .. } => return None,
        }
        Some((next, touched))
    }
}

impl<A: Internable> Step<A> {
    pub(super) fn of(id: Id, state: Cow<'_, A::State>, out: Out<A>) -> &'static Self {
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
