//! What is seen of the actors of a ring.

mod log;
mod repairs;

pub(crate) use repairs::Repairs;

use super::hearing::Hearing;
use super::{ActorStatus, Observe};
use crate::protocol::{RingProtocol, StoreOf};
use chainring_model::coordinator;
use chainring_model::ring::{Report, RingActor, RingState, Timer, View};
use chainring_runtime::driver::{Event, Step};
use stateright::actor::Id;
use std::collections::BTreeSet;

/// A step of any of them.
type StepOf<'a> = Step<'a, RingActor<StoreOf<RingProtocol>>>;

/// What is shown of an actor of a ring.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// Of a node: how many ranges it has still to fetch.
    pub left: u64,
    /// Of a node: what comparing with its other replicas has found.
    pub repairs: Repairs,
    /// Of a coordinator or a member: the replicas that are gone, as far as it was told, or knows.
    pub gone: BTreeSet<Id>,
    /// Of a member: how many it holds to be there.
    pub alive: usize,
    /// Of a coordinator: the replicas that want to be members.
    pub joining: BTreeSet<Id>,
    /// Of a coordinator: the replicas that want to be none.
    pub leaving: BTreeSet<Id>,
    /// Of a coordinator: whether it takes part in a decision that has not been made.
    pub deciding: bool,
}

/// What is remembered of an actor's steps.
#[derive(Default)]
pub(crate) struct Notes {
    /// Of a member: the nodes that it has heard.
    hearing: Hearing,
    operations: log::Notes,
    round: repairs::Round,
    /// Of a coordinator: in which epoch it has said which nodes it would give up.
    gave_up_in: Option<u64>,
}

impl Notes {
    /// A coordinator may have said which nodes it would give up: the log has it once an epoch.
    fn tell_of_giving_up(&mut self, step: &StepOf<'_>, view: &View, gone: &BTreeSet<Id>) {
        let epoch = view.epoch;
        let is_due = matches!(
            step.event,
            Event::Timeout { timer: Timer::Views(coordinator::Timer::GiveUp) }
        );
        if !is_due || self.gave_up_in.replace(epoch) == Some(epoch) {
            return;
        }
        let ranges = view.without_majority(gone).len();
        tracing::warn!(
            epoch,
            ranges,
            ?gone,
            "ranges have been without a majority for as long as `reform-after` says, so this coordinator would give \
             up those who are gone; if a majority of the coordinators would, what only they had is lost"
        );
    }
}

impl Observe for RingProtocol {
    type Status = Status;
    type Notes = Notes;

    fn words(view: &View, nodes: &dyn Fn(&[Id]) -> String) -> String {
        let named = |ids: BTreeSet<Id>| nodes(&ids.into_iter().collect::<Vec<_>>());
        let (old, new) = (named(view.old.members()), named(view.new.members()));
        if view.is_stable() {
            return format!("stable: {old}");
        }
        let lost = view.lost.iter().copied().collect::<BTreeSet<_>>();
        let given_up =
            if lost.is_empty() { String::new() } else { format!(", given up: {}", named(lost)) };
        format!("joint: from {old} to {new}{given_up}")
    }

    fn look(actor: &ActorStatus<Self>, notes: &mut Notes, step: &StepOf<'_>) {
        match step.state {
            RingState::Node(node) => {
                actor.update(|status| {
                    status.left = node.transfers.len() as u64;
                    notes.round.look(step, node, &mut status.repairs);
                });
                notes.operations.node(step);
            }
            RingState::Gateway(_) => notes.operations.gateway(step),
            RingState::Coordinator(coordinator) => {
                let deciding = coordinator.accepted.is_some() || coordinator.proposal.is_some();
                let mut status = Status { deciding, ..Status::default() };
                for (src, report) in &coordinator.reports {
                    match report {
                        Report::Join => drop(status.joining.insert(*src)),
                        Report::Leave => drop(status.leaving.insert(*src)),
                        Report::Members { gone } => status.gone.extend(gone),
                        Report::Stabilized { .. }
                        | Report::Reform { .. }
                        | Report::GiveUp { .. } => {}
                    }
                }
                notes.tell_of_giving_up(step, &coordinator.decided, &status.gone);
                actor.update(|shown| *shown = status);
            }
            RingState::Member(member) => {
                let (alive, gone) = (member.alive().count(), member.gone());
                notes.hearing.look(actor, step, &gone);
                actor.update(|status| (status.alive, status.gone) = (alive, gone));
            }
            RingState::Oracle(_) | RingState::Script(_) | RingState::Stopped => {}
        }
    }
}
