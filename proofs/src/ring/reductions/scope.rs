//! Which actions belong to a model of a ring, which messages arrive at once, and which nodes can
//! change places.

use crate::checker::intern::Interned;
use crate::ring::setup::{Mortal, Setup};
use crate::ring::world::{self, Action, EPOCH, System};
use chainring_model::Mechanisms;
use chainring_model::coordinator;
use chainring_model::ring::{Msg, Phase, RingState, Timer};
use stateright::actor::{ActorModelAction, Id};
use std::collections::BTreeMap;

impl Setup {
    /// Groups of nodes that nothing tells apart: in the same rings, of which each holds the key at
    /// all of its members, and never newcomers.
    pub(in crate::ring) fn symmetric_nodes(&self) -> Vec<Vec<usize>> {
        let rings: Vec<&Vec<usize>> = [&self.ring]
            .into_iter()
            .chain(self.plan.iter().flat_map(|(old, new)| [old, new]))
            .collect();
        let is_everywhere = self.ring.len() <= usize::from(self.replicas);
        let is_even = rings.iter().all(|ring| ring.len() == self.ring.len());
        // Which nodes compare, which have said what, and what is in one process with a node, tells
        // nodes apart.
        let is_repaired = self.repairs.is_some() || self.late.is_some();
        let is_whole = self.mortal == Mortal::Whole;
        if self.coordinators > 0 || !is_everywhere || !is_even || is_repaired || is_whole {
            return Vec::new();
        }
        let mut groups: BTreeMap<Vec<bool>, Vec<usize>> = BTreeMap::new();
        for node in self.ring.iter().filter(|_| self.ring.len() <= 3) {
            // A node of the first ring is a newcomer only if it was left out in between.
            let signature = rings.iter().map(|ring| ring.contains(node)).collect::<Vec<_>>();
            let returns = signature.windows(2).any(|pair| pair == [false, true]);
            if !returns || self.plan.is_empty() {
                groups.entry(signature).or_default().push(*node);
            }
        }
        groups.into_values().filter(|group| group.len() > 1).collect()
    }

    /// Which timers fire, and which reports are heard. What is left out, and why nothing is lost by
    /// that:
    ///
    /// - nodes and gateways do not ask for views of themselves, for no announcement is lost for
    ///   good;
    /// - coordinators decide no more views than the model is to have, and begin no second ballot,
    ///   which only a crash or a lost message would make necessary.
    pub(in crate::ring) fn is_in_scope<M: Mechanisms>(
        &self,
        system: &System<M>,
        action: &Action,
    ) -> bool {
        let open = |id: &Id| match &*system.actor_states[usize::from(*id)] {
            RingState::Coordinator(state) => state.decided.epoch < EPOCH + self.views,
            RingState::Stopped
            | RingState::Node(_)
            | RingState::Gateway(_)
            | RingState::Member(_)
            | RingState::Oracle(_)
            | RingState::Script(_) => true,
        };
        match action {
            ActorModelAction::Timeout(_, Timer::Follow) => false,
            ActorModelAction::Timeout(id, Timer::Views(_)) => {
                let RingState::Coordinator(state) = &*system.actor_states[usize::from(*id)] else {
                    return false;
                };
                open(id) && state.proposal.is_none() && state.promised.is_none()
            }
            ActorModelAction::Deliver { dst, msg, .. } => match Interned::get(*msg) {
                Msg::Views(coordinator::Msg::Report(_)) => open(dst),
                Msg::Opened(_)
                | Msg::Invoke(_)
                | Msg::Return(_)
                | Msg::Read(_)
                | Msg::Vote(_)
                | Msg::Prepare(_)
                | Msg::Promise(_)
                | Msg::Accept(_)
                | Msg::Accepted(_)
                | Msg::Refuse(_)
                | Msg::Sweep(_)
                | Msg::Held(_)
                | Msg::Fetch(_)
                | Msg::Rows(_)
                | Msg::Scan(_)
                | Msg::Scanned(_)
                | Msg::Belong(_)
                | Msg::Views(_)
                | Msg::Members(_)
                | Msg::Compare(_)
                | Msg::Compared(_)
                | Msg::Want(_)
                | Msg::Copies(_)
                | Msg::Behind(_) => true,
            },
            ActorModelAction::Drop(_)
            | ActorModelAction::Timeout(..)
            | ActorModelAction::Crash(_)
            | ActorModelAction::Recover(_)
            | ActorModelAction::SelectRandom { .. } => true,
        }
    }
}

/// What a client and its gateway say to each other, inside one process.
pub(in crate::ring) fn is_local(msg: &Msg) -> bool {
    matches!(msg, Msg::Opened(_) | Msg::Invoke(_) | Msg::Return(_))
}

/// Whether no gateway has begun a ballot beyond this round.
pub(in crate::ring) fn is_within<M: Mechanisms>(system: &System<M>, rounds: u64) -> bool {
    let mut pending = world::pending(system);
    pending.all(|(_, pending)| match &pending.phase {
        Phase::Preparing { ballot, .. } => ballot.round() <= rounds,
        Phase::Reading { .. } | Phase::Accepting { .. } | Phase::Waiting => true,
    })
}
