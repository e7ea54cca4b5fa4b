//! What is seen of the actors of a chain.

use super::hearing::Hearing;
use super::{ActorStatus, Observe};
use crate::protocol::{ChainProtocol, Protocol};
use crate::status::Learning;
use chainring_model::chain::{ChainState, Place as Progress, Report, Transfer, View};
use chainring_runtime::driver::Step;
use stateright::actor::Id;

/// What is shown of an actor of a chain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// Of a replica: everything up to here is applied.
    pub committed: u64,
    /// Of a replica: everything up to here is received.
    pub received: u64,
    /// Of a replica: how many keys it holds.
    pub keys: u64,
    /// Of a replica: from which index on it retains what it has committed.
    pub retained: u64,
    /// Of a replica: how many bytes that is.
    pub retained_bytes: u64,
    /// Of a replica: how often it went on where it was when it came back, since its start.
    pub went_on: u64,
    /// Of a replica: how often it began anew when it came back, since its start.
    pub began_anew: u64,
    /// Of a replica: how many entries it had missed when it last went on where it was.
    pub missed: u64,
    /// Of a replica: whether it may answer reads.
    pub lease: bool,
    /// Of a replica: what it is doing while it is a learner.
    pub learning: Option<Learning>,
    /// Of a coordinator: the members that it has not heard from for too long.
    pub suspects: Vec<Id>,
    /// Of a coordinator: how many of its suspicions were false.
    pub wrong: u64,
    /// Of a coordinator: how often it has doubled the silence after which it suspects.
    pub doubt: u32,
    /// Of a coordinator: the replicas that have asked to join.
    pub joining: Vec<Id>,
    /// Of a coordinator: whether it takes part in a decision that has not been made.
    pub deciding: bool,
}

/// What an observer of an actor remembers.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Of a replica: what its status says about learning.
    learning: Option<Learning>,
    /// Of a replica that learns: up to which index it had everything when it went on where it was.
    from: Option<u64>,
    /// Of a coordinator: the members that it has heard.
    hearing: Hearing,
}

impl Notes {
    /// A replica begins, goes on or ends something of that, and has committed so far: what an
    /// operator wants to know of it is logged.
    fn learns(&mut self, learning: Option<Learning>, status: &mut Status, actor: Id) {
        use Learning::{CatchingUp, Copying, Emptying, Resuming};
        let (before, committed) = (self.learning, status.committed);
        self.learning = learning;
        status.learning = learning;
        let actor = usize::from(actor);
        match (before, learning) {
            (_, Some(Resuming)) => self.from = Some(committed),
            (Some(Resuming), Some(CatchingUp)) => {
                status.went_on += 1;
                tracing::info!(
                    actor,
                    "comes back with everything up to index {committed}: the tail has what came \
                     since"
                );
            }
            (Some(CatchingUp), None) => {
                if let Some(from) = self.from.take() {
                    status.missed = committed.saturating_sub(from);
                    let missed = status.missed;
                    tracing::info!(actor, "caught up from index {from}: {missed} entries");
                }
            }
            (Some(Resuming), Some(Emptying | Copying)) => {
                status.began_anew += 1;
                let from = self.from.take().unwrap_or_default();
                tracing::info!(
                    actor,
                    "began anew: the tail does not have all that came after index {from}, or had \
                     another entry there"
                );
            }
            (None | Some(CatchingUp), Some(Emptying | Copying)) => {
                status.began_anew += 1;
                self.from = None;
                tracing::info!(
                    actor,
                    "began anew: it has no committed prefix of the chain's history that it can show"
                );
            }
            _ => {}
        }
    }
}

impl Observe for ChainProtocol {
    type Status = Status;
    type Notes = Notes;

    fn words(view: &View, nodes: &dyn Fn(&[Id]) -> String) -> String {
        let learner = view.learner().map(|learner| format!(", learner {}", nodes(&[learner])));
        let word = |copies| match copies {
            0 => ", begun anew from older data by an operator's word".to_string(),
            copies => format!(", {copies} suffice by an operator's word"),
        };
        let allowed = view.allowed.map(word).unwrap_or_default();
        let (members, learner) = (nodes(&view.chain), learner.unwrap_or_default());
        format!("members from head to tail: {members}{learner}{allowed}")
    }

    fn look(
        actor: &ActorStatus<Self>,
        notes: &mut Notes,
        step: &Step<'_, <Self as Protocol>::Actor>,
    ) {
        match step.state {
            ChainState::Replica(replica) => {
                let learning = learning(replica.transfer.as_ref());
                actor.update(|status| {
                    status.committed = replica.committed;
                    status.received = replica.last();
                    status.keys = replica.keys;
                    status.lease = replica.lease.is_live();
                    status.retained = replica.retained;
                    status.retained_bytes = replica.held.bytes as u64;
                    if notes.learning != learning {
                        notes.learns(learning, status, actor.config.id);
                    }
                });
            }
            ChainState::Coordinator(coordinator) => {
                notes.hearing.look(actor, step, &coordinator.suspects);
                let joining = coordinator.reports.iter();
                let joining = joining.filter(|(_, report)| **report == Report::Join);
                actor.update(|status| {
                    status.deciding =
                        coordinator.accepted.is_some() || coordinator.proposal.is_some();
                    (status.wrong, status.doubt) =
                        (coordinator.doubt.wrong, coordinator.doubt.level);
                    status.suspects.clear();
                    status.suspects.extend(&coordinator.suspects);
                    status.joining.clear();
                    status.joining.extend(joining.map(|(id, _)| *id));
                });
            }
            ChainState::Gateway(_) | ChainState::Script(_) | ChainState::Stopped => {}
        }
    }
}

fn learning(transfer: Option<&Transfer>) -> Option<Learning> {
    match transfer {
        Some(Transfer::Learning { place, .. }) => Some(match place {
            Progress::Emptying => Learning::Emptying,
            Progress::After(_) => Learning::Copying,
            Progress::Done => Learning::CatchingUp,
            Progress::Resuming => Learning::Resuming,
        }),
        Some(Transfer::HandedOver) | None => None,
    }
}
