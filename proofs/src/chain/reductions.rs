//! What a model of a chain need not tell apart, beside what each actor calls obsolete: equivalent
//! senders, local messages, and what its scope leaves out. The [table](crate::checker::reduce) has
//! the arguments; that senders are equivalent is asserted at every reception.

use super::setup::Setup;
use super::world::FIRST_EPOCH;
use super::world::{ProofActor, System, messages};
use crate::checker::intern::Interned;
use crate::checker::state::EnvelopeOf;
use chainring_model::Mechanisms;
use chainring_model::chain::{ChainActor, ChainState, Msg, Timer, View};
use chainring_model::coordinator::{self, Msg::Install};
use stateright::actor::{ActorModelAction, Envelope, Id};

/// The actors from which a message is the same to its receiver, if it might be from others than its
/// sender: any coordinator that tells of a view; any actor with a request, an answer or a redirect.
pub fn equivalent_senders<M: Mechanisms>(
    actors: &[ProofActor<M>],
    envelope: &EnvelopeOf<ProofActor<M>>,
) -> Option<Vec<Id>> {
    let ids = |wanted: fn(&ProofActor<M>) -> bool| {
        let ids = actors.iter().enumerate().filter(|(_, actor)| wanted(actor));
        Some(ids.map(|(id, _)| Id::from(id)).collect())
    };
    match &*envelope.msg {
        Msg::Views(Install { .. }) => ids(|actor| matches!(actor, ChainActor::Coordinator(_))),
        Msg::Request(_) | Msg::Reply(_) | Msg::Redirect(_) => ids(|_| true),
        Msg::Opened(_)
        | Msg::Invoke(_)
        | Msg::Return(_)
        | Msg::Update(_)
        | Msg::Missing(_)
        | Msg::Ack(_)
        | Msg::Scan(_)
        | Msg::Scanned(_)
        | Msg::Fetch(_)
        | Msg::Rows(_)
        | Msg::Caught(_)
        | Msg::Changes(_)
        | Msg::Views(_)
        | Msg::ScanFor(_)
        | Msg::Resume(_)
        | Msg::Resumed(_) => None,
    }
}

impl Setup {
    /// Which messages arrive at once: those inside a process; and heartbeats and grants, where they
    /// are swift, and otherwise still of those that no coordinator suspects.
    pub(super) fn is_local(&self, Envelope { src, dst, msg }: Envelope<&Msg>) -> bool {
        use coordinator::Msg::{Heartbeat, Lease};
        let is_slow = |replica: Id| {
            let (place, suspects) = (usize::from(replica), &self.suspects);
            !self.swift_leases && (suspects.is_empty() || suspects.contains(&place))
        };
        match msg {
            Msg::Opened(_) | Msg::Invoke(_) | Msg::Return(_) => !self.slow_clients,
            Msg::Views(Heartbeat { .. }) => !is_slow(src),
            Msg::Views(Lease { .. }) => !is_slow(dst),
            Msg::Request(_)
            | Msg::Reply(_)
            | Msg::Redirect(_)
            | Msg::Update(_)
            | Msg::Missing(_)
            | Msg::Ack(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Caught(_)
            | Msg::Changes(_)
            | Msg::Views(_)
            | Msg::ScanFor(_)
            | Msg::Resume(_)
            | Msg::Resumed(_) => false,
        }
    }

    /// Which timers fire. What is left out, and why nothing is lost by that:
    ///
    /// - suspicions beyond the number of view changes, heartbeats beyond theirs, and ballots beyond
    ///   those that a crash or impatience makes necessary: these bound the model;
    /// - suspicions of all: a coordinator that hears no member waits for one to be heard;
    /// - suspicions and ballots of a coordinator whose own proposal is under way, unless it is
    ///   impatient: they would not change the proposal, and can come after it;
    /// - gateways do not ask for views, for no announcement is lost for good;
    /// - a lease lapses, and a grant ends, when an actor waits for that: earlier it would change
    ///   nothing but what a read delayed until then would show, too.
    pub(super) fn is_in_scope<M: Mechanisms>(
        &self,
        system: &System<M>,
        action: &ActorModelAction<Interned<Msg>, Timer, ()>,
    ) -> bool {
        let state = |id: Id| &*system.actor_states[usize::from(id)];
        let open = |view: &View| view.epoch < FIRST_EPOCH + self.views;
        let (id, timer) = match action {
            ActorModelAction::Timeout(id, timer) => (id, timer),
            // There is no second announcement of a view in a model whose heartbeats are counted.
            ActorModelAction::Drop(envelope) => {
                return !matches!(
                    Interned::get(envelope.msg),
                    Msg::Views(coordinator::Msg::Install(_))
                );
            }
            ActorModelAction::Deliver { dst, msg, .. }
                if self.cut
                    && usize::from(*dst) < 2
                    && matches!(
                        Interned::get(*msg),
                        Msg::Update(_) | Msg::Ack(_) | Msg::Missing(_)
                    ) =>
            {
                return false;
            }
            ActorModelAction::Deliver { dst, msg, .. } => {
                return match (state(*dst), Interned::get(*msg)) {
                    (ChainState::Coordinator(state), Msg::Views(coordinator::Msg::Report(_))) => {
                        open(&state.decided)
                    }
                    _ => true,
                };
            }
            ActorModelAction::Crash(_)
            | ActorModelAction::Recover(_)
            | ActorModelAction::SelectRandom { .. } => return true,
        };
        match (timer, state(*id)) {
            (Timer::Heartbeat, ChainState::Replica(state)) => state.lease.n <= self.heartbeats,
            (Timer::Follow, _) => false,
            (Timer::Lapse(_), _) => {
                self.view().coordinators.iter().any(|other| awaits_end(system, *other, *id))
            }
            (Timer::Views(timer), ChainState::Coordinator(state)) => match timer {
                coordinator::Timer::Suspect(member) => {
                    let suspects = &self.suspects;
                    let place = state.decided.coordinators.iter().position(|other| other == id);
                    let mut chain = state.decided.chain.iter();
                    let remains = |id: &Id| id != member && !state.suspects.contains(id);
                    open(&state.decided)
                        && (self.impatient || state.proposal.is_none())
                        && place.is_some_and(|place| place < self.proposers)
                        && (self.anew || chain.any(remains))
                        && (suspects.is_empty() || suspects.contains(&usize::from(*member)))
                }
                coordinator::Timer::Expire(member) => awaits_end(system, *id, *member),
                coordinator::Timer::GiveUp => false, // a ring's
                coordinator::Timer::Drive => {
                    let rounds = if self.crashes > 0 || self.impatient { 2 } else { 1 };
                    open(&state.decided)
                        && (self.impatient || state.proposal.is_none())
                        && state.promised.is_none_or(|promised| promised.round < rounds)
                }
            },
            _ => true,
        }
    }
}

/// Whether the coordinator would vote for a view without the member if its grants had ended.
pub(super) fn awaits_end<M: Mechanisms>(system: &System<M>, coordinator: Id, member: Id) -> bool {
    let ChainState::Coordinator(state) = &*system.actor_states[usize::from(coordinator)] else {
        return false;
    };
    let without =
        |view: &View| view.epoch == state.decided.epoch + 1 && !view.chain.contains(&member);
    let proposed = state.proposal.as_ref().and_then(|proposal| proposal.view.as_ref());
    proposed.is_some_and(without)
        || messages(system).any(|envelope| match envelope.msg {
            Msg::Views(coordinator::Msg::Accept(coordinator::msg::Accept { view, .. })) => {
                envelope.dst == coordinator && without(view)
            }
            Msg::Opened(_)
            | Msg::Invoke(_)
            | Msg::Return(_)
            | Msg::Request(_)
            | Msg::Reply(_)
            | Msg::Redirect(_)
            | Msg::Update(_)
            | Msg::Missing(_)
            | Msg::Ack(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Caught(_)
            | Msg::Changes(_)
            | Msg::Views(_)
            | Msg::ScanFor(_)
            | Msg::Resume(_)
            | Msg::Resumed(_) => false,
        })
}

/// The timers of a member's lease: of its heartbeats, and of coordinators' grants to it. See
/// [`clock`](crate::checker::clock).
pub(super) fn measured(id: Id, timer: &Timer) -> Option<Id> {
    match timer {
        Timer::Lapse(_) => Some(id),
        Timer::Views(coordinator::Timer::Expire(member)) => Some(*member),
        Timer::Resend
        | Timer::Heartbeat
        | Timer::Silence
        | Timer::Learn
        | Timer::Follow
        | Timer::Views(_)
        | Timer::Retry(_)
        | Timer::Deadline(_) => None,
    }
}
