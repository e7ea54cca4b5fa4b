//! What a model leaves out.

use super::model::Checked;
use super::state::{CheckedState, Effect, EffectOf, EnvelopeOf, Internable, System, opened};
use super::step::{Reception, Step, Touched};
use crate::history::Recorder;
use chainring_model::prune::Prune;
use stateright::actor::{ActorModelAction, Envelope, Id, LossyNetwork};

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

impl<A, H> Checked<A, H>
where
    A: Prune + Internable,
    H: Recorder<A::Msg>,
{
    /// All from whom this message would be the same; none where it matters who it is.
    pub(super) fn senders(&self, envelope: &EnvelopeOf<A>) -> Vec<Id> {
        let senders =
            self.equivalent.as_ref().and_then(|senders| senders(envelope)).unwrap_or_default();
        if senders.contains(&envelope.src) { senders } else { Vec::new() }
    }

    /// The message that stands for this one.
    pub(super) fn one_of(&self, envelope: &EnvelopeOf<A>) -> EnvelopeOf<A> {
        if self.pruning != Pruning::On || self.equivalent.is_none() {
            return *envelope;
        }
        let src = self.senders(envelope).first().copied().unwrap_or(envelope.src);
        Envelope { src, ..*envelope }
    }

    /// Delivers what is local, until nothing of it changes anything.
    pub(super) fn deliver_local(&self, system: &mut System<A, H>, touched: &mut Touched) {
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
                    Effect::Set(..) | Effect::Cancel(_) | Effect::Save(_) => false,
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
    pub(super) fn tidy(&self, state: &mut CheckedState<A, H>, mut touched: Touched) {
        while touched != Touched(0) {
            self.deliver_local(&mut state.system, &mut touched);
            self.drop_obsolete(state, touched);
            touched = self.saturate(&mut state.system, touched);
        }
    }

    pub(super) fn drop_obsolete(&self, state: &mut CheckedState<A, H>, touched: Touched) {
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

    pub(super) fn is_obsolete(&self, system: &System<A, H>, envelope: &EnvelopeOf<A>) -> bool {
        let Reception { is_obsolete, step } = self.receive(system, envelope);
        assert!(!is_obsolete || step.is_none(), "{envelope:?} is not obsolete in {system:?}");
        is_obsolete
    }

    pub(super) fn is_spent(&self, system: &System<A, H>, envelope: &EnvelopeOf<A>) -> bool {
        self.spent.as_ref().is_some_and(|spent| spent(system, envelope))
    }

    /// Sends what those who are touched can send without changing anything else. Returns to whom.
    pub(super) fn saturate(&self, system: &mut System<A, H>, touched: Touched) -> Touched {
        let mut receivers = Touched(0);
        if self.pruning != Pruning::On || self.inner.lossy_network == LossyNetwork::Yes {
            return receivers;
        }
        let mut sent = Vec::new();
        let mut send = |system: &System<A, H>, id, step: &Step<A>, fired| {
            if self.only_sends(system, id, step, fired) {
                sent.extend(step.effects.iter().filter_map(|effect| match effect {
                    Effect::Send(envelope) => Some(*envelope),
                    Effect::Set(..) | Effect::Cancel(_) | Effect::Save(_) => None,
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
    pub(super) fn only_sends(
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
            Effect::Set(..) | Effect::Cancel(_) | Effect::Save(_) => false,
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
    pub(super) fn stands_for(&self, one: &EnvelopeOf<A>, other: &EnvelopeOf<A>) -> bool {
        let is_same = (one.dst, one.msg) == (other.dst, other.msg);
        is_same && (one.src == other.src || self.senders(one).contains(&other.src))
    }
}
