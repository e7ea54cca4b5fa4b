//! What a model leaves out, and why nothing is lost by that.
//!
//! A model is of a system of actors on a network that delays, reorders and duplicates. Of two
//! states, or two runs, that no claim can tell apart one is enough. Each way to leave the other one
//! out is a row here: what the field calls it, why it is sound, which runs or states are not
//! visited any more, the test that compares, and how to switch it off ([`Pruning`]: `On` has all,
//! `Steps` the first five, `Senders` these and the seventh, `Off` and `Audit` those but the
//! dropping of obsolete messages; it is a parameter of `Setup::model`, and `chainring check` has no
//! switch for it).
//!
//! | reduction | the field's name | argument | not visited | test | off with |
//! |---|---|---|---|---|---|
//! | the last delivered message is forgotten | quotient | no actor and no property reads it; stateright 0.31 keeps it in the fingerprint of a duplicating network | one state for each message that led to it | `proofs/src/chain/tests.rs`, `steps_are_those_of_stateright` | always on |
//! | a step that changes nothing is no step | stuttering | no claim counts steps; so a state without steps is one in which nothing can happen any more, of which *no dead end* is asked | loops | the same | always on |
//! | local messages arrive at once ([`Checked::local`]) | atomic channel | [below](#local-messages) | what a client has not heard yet | `proofs/tests/agreement.rs`, `clients_that_hear_at_once_stand_for_those_that_hear_later` | `Setup::slow_clients` |
//! | obsolete messages are dropped ([`Prune::is_obsolete`]) | dead messages (a live-variable reduction) | what is a no-op now and for ever, across crashes, leads nowhere; that it is one is asserted where it is dropped, and that it stays one is audited | networks that differ in nothing else | `proofs/tests/agreement.rs`, `what_was_called_obsolete_stays_obsolete` and `pruned_and_unpruned_agree_on_verdicts_and_on_the_set_of_histories`; `obsolete_messages_stay_obsolete…` in `proofs/tests/membership.rs` and, twice, in `views.rs` | `Off` |
//! | bounds ([`Checked::scope`], [`Checked::assume`]) | none: a bound | what is left out by a bound is not claimed, and stands in the model's configuration; where the text of an `is_in_scope` says that nothing is lost, it argues so | more suspicions, heartbeats, rounds; ballots while a proposal waits | for the last: `proofs/tests/views.rs`, `coordinators_that_wait_for_their_proposals_stand_for_those_that_do_not` | `Setup` (of the last: `Setup::impatient`) |
//! | spent messages are dropped ([`Checked::spent`]) | dead messages, one step further | a request that changes nothing at its receiver, now and for ever, can only be answered, and each answer is obsolete where it goes; that it is so is asserted where it is dropped, and that it stays so is audited | networks that differ in nothing else | `proofs/tests/ring.rs`, `what_was_dropped_would_lead_to_nothing` | `Steps` |
//! | equivalent senders are one ([`Checked::equivalent_senders`]) | data symmetry | the receiver makes the same of a message whichever of them sent it, which is asserted at every reception; what is sent is recorded before it is renamed, so histories know the true sender | one network for each sender | `proofs/tests/views.rs`, `whatever_is_pruned_the_same_is_reached`; `proofs/tests/ring.rs`, `whatever_is_left_out_the_same_is_reached` | `Steps` |
//! | what can be sent without changing anything else is sent at once | eager invisible actions (partial order) | [below](#eager-sending) | states whose network lacks what can be sent; the steps that only send | `proofs/src/chain/tests.rs`, `what_is_sent_at_once_covers_what_is_sent_later`; the same two | `Steps` |
//! | quorums are counted at once, a refused operation waits for nothing ([`Checked::persistent_set`]) | persistent sets (partial order) | `ring/reductions.rs` | states in which an answer is counted and its quorum is not there; other steps in between | `proofs/tests/ring.rs`, `whatever_is_left_out_the_same_is_reached` | `Steps` |
//! | nodes that have changed places are one ([`Checked::representative`]) | symmetry (Ip & Dill, 1996) | `ring/reductions.rs`: all hold the key and no view tells them apart | the other orders of the nodes | the same, which compares images | `Steps` |
//!
//! A lossy network has neither eager sending nor the last two: what is lost can be missed. A
//! protocol that lacks a mechanism is explored with every reduction, but for what would be obsolete
//! or spent because of that mechanism.
//!
//! # Local messages
//!
//! A client and its gateway are one process: what they say to each other is neither lost nor
//! delayed, and is delivered in the step that sends it, if the receiver is up. A client that hears
//! late sees a longer operation, and of two histories that differ in nothing else the one with the
//! longer operations is linearizable if the other is. That a script calls again at once loses
//! nothing, because an operation begins when its first message is *received*, as late as a client
//! can have thought: see [`history`](crate::history).
//!
//! # Eager sending
//!
//! Say that a state *covers* another one if the two differ in nothing but messages under way, of
//! which it has at least the other one's. The claim: every reachable state is covered by one that
//! is visited, and every visited one is reachable. Then nothing is lost, because
//!
//! - an *always* property asks of messages only that none of those under way is bad, so where a
//!   covering state passes the covered one does;
//! - a *sometimes* property asks of messages only that one is under way, so where a covered state
//!   reaches it the covering one does;
//! - a dead end has nothing left to send, so nothing but itself covers it.
//!
//! Visited states are reachable because each of them is made by steps of the full model: those that
//! are sent at once are timers that may fire there, and deliveries to actors that are up. One thing
//! is wider than the model: a delivery that its scope leaves out, of a message that may only be
//! answered, is answered all the same. So a model with such a bound visits runs beyond it, which
//! are runs of the protocol, and asks its *always* properties of them, too: *members-stale* has
//! 6,126 states, and 5,746 if deliveries in scope alone are answered; *members-confirm* 132, and
//! 93.
//!
//! Reachable states are covered by induction. Let a state be covered, and take any step from it.
//!
//! 1. A step that only sends leads to a state that is covered as soon as what it sends is under
//!    way: and it is, because the same step is enabled in the covering state.
//! 2. Any other step is enabled in the covering state, too, and leads from there to a state that
//!    covers. For a step reads one actor and one message or timer, never that a message is absent:
//!    the network withholds what it likes and uses nothing up, so a message more disables nothing.
//!    (A message can be lost for good on a lossy network only, where this reduction is off. A crash
//!    takes timers and memory of its actor, and they are the same in both. Scopes and clocks ask
//!    whether a message *is* under way, or ask timers.)
//!
//! A step *only sends* (`Checked::only_sends`) if nothing but the network is another one after it,
//! for anyone who looks: the actor's state and store are what they were; every timer that it sets
//! is set and is not measured by the clock, and a timer that fired is set again; every timer that
//! it cancels is not set; and neither the message that it handles nor one that it sends is recorded
//! in the history (an operation begins where its first message is received: that step is visible).
//! A local message would be delivered in the same step, which could then be seen, so a step that
//! sends one does not only send.

use super::checked::Checked;
use super::checked::{Reception, Step};
use super::state::{CheckedState, Effect, EffectOf, EnvelopeOf, Internable, System, opened};
use super::step::Touched;
use crate::history::Recorder;
use chainring_model::prune::Prune;
use stateright::actor::{ActorModelAction, Envelope, Id, LossyNetwork};
use std::collections::BTreeSet;

pub use super::checked::Pruning;

impl<A, H> Checked<A, H>
where
    A: Prune + Internable,
    H: Recorder<A::Msg>,
{
    /// All actors from which this message would be the same; none where the sender matters.
    pub(super) fn senders(&self, envelope: &EnvelopeOf<A>) -> Vec<Id> {
        let senders =
            self.equivalent.as_ref().and_then(|senders| senders(envelope)).unwrap_or_default();
        if senders.contains(&envelope.src) { senders } else { Vec::new() }
    }

    /// The message that stands for this one.
    pub(crate) fn one_of(&self, envelope: &EnvelopeOf<A>) -> EnvelopeOf<A> {
        let is_one = matches!(self.pruning, Pruning::On | Pruning::Senders);
        if !is_one || self.equivalent.is_none() {
            return *envelope;
        }
        let src = self.senders(envelope).first().copied().unwrap_or(envelope.src);
        Envelope { src, ..*envelope }
    }

    /// Delivers what is local, until nothing of it changes anything.
    pub(super) fn deliver_local(&self, system: &mut System<A, H>, touched: &mut Touched) {
        while let Some((envelope, step)) = self.next_local(system, *touched) {
            self.deliver(step, system, &envelope, touched);
        }
    }

    /// A local message that would change something, and what its receiver makes of it.
    pub(super) fn next_local(
        &self,
        system: &System<A, H>,
        touched: Touched,
    ) -> Option<(EnvelopeOf<A>, &'static Step<A>)> {
        system.network.iter().find_map(|envelope| {
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
        })
    }

    /// Delivers what is local, drops or retires what has become obsolete, and sends what can be
    /// sent without changing anything else, until there is nothing left to do of all that.
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
            Pruning::On | Pruning::Steps | Pruning::Senders => {
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
        let is_spent = self.spent.as_ref().is_some_and(|spent| spent(system, envelope));
        if is_spent && self.pruning == Pruning::On {
            let leads_on = self.first_use(system, envelope, &BTreeSet::new());
            assert!(
                leads_on.is_none(),
                "{envelope:?} is not spent in {system:?}, but leads to {leads_on:?}"
            );
        }
        is_spent
    }

    /// The first thing that a message, delivered here and now, would lead to beside what is
    /// obsolete, spent, or under way.
    fn first_use(
        &self,
        system: &System<A, H>,
        envelope: &EnvelopeOf<A>,
        spent: &BTreeSet<EnvelopeOf<A>>,
    ) -> Option<String> {
        let step = self.receive(system, envelope).step?;
        let index = usize::from(envelope.dst);
        if step.state.is_some_and(|state| state != system.actor_states[index]) {
            return Some("another state".to_string());
        }
        let is_nothing = |effect: &EffectOf<A>| match effect {
            Effect::Send(envelope) => {
                let is_up = system.crashed.get(usize::from(envelope.dst)) == Some(&false);
                !is_up // it is asked again when that is up
                    || self.is_obsolete(system, envelope)
                    || spent.contains(envelope)
                    || system.network.iter().any(|known| self.stands_for(known, envelope))
            }
            Effect::Set(..) | Effect::Cancel(_) | Effect::Save(_) => false,
        };
        step.effects.iter().find(|effect| !is_nothing(effect)).map(|effect| format!("{effect:?}"))
    }

    /// Sends what the touched actors can send without changing anything else. Returns the
    /// receivers.
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
                if self.is_taken(system, &action)
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
                Effect::Send(envelope) => {
                    !(self.local)(opened(envelope))
                        && self.record(&system.history, envelope, false).is_none()
                }
                Effect::Set(timer, _) => {
                    timers.contains(timer) && (self.measured)(id, timer).is_none()
                }
                Effect::Cancel(timer) => !timers.contains(timer),
                Effect::Save(saved) => system.actor_storages[index] == Some(*saved),
            })
    }

    /// Whether everything that was ever obsolete at an actor that is up is a no-op to it now, and
    /// everything that was ever spent leads to nothing but what is obsolete (at the actors that are
    /// up), spent or under way. A property for runs under [`Pruning::Audit`].
    pub fn audit(&self, state: &CheckedState<A, H>) -> bool {
        let CheckedState { system, retired, spent, .. } = state;
        let up = |envelope: &&EnvelopeOf<A>| {
            system.crashed.get(usize::from(envelope.dst)) == Some(&false)
        };
        retired.iter().filter(up).all(|envelope| {
            let Reception { is_obsolete, step } = self.receive(system, envelope);
            is_obsolete && step.is_none()
        }) && spent.iter().filter(up).all(|it| self.first_use(system, it, spent).is_none())
    }

    /// Whether a message is the same as another one, or the same from another sender.
    pub(super) fn stands_for(&self, one: &EnvelopeOf<A>, other: &EnvelopeOf<A>) -> bool {
        let is_same = (one.dst, one.msg) == (other.dst, other.msg);
        is_same && (one.src == other.src || self.senders(one).contains(&other.src))
    }
}
