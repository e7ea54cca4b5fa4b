//! Persist, then speak (etcd-io/raft, `doc.go`; Lamport, "Paxos Made Simple", section 2.5:
//! acceptors answer from stable storage).

use crate::claim::Claim;
use crate::ring::world::{RingModel, State};
use crate::ring::world::{Sight, decided};
use chainring_model::Mechanisms;
use chainring_model::ring::RingState;
use stateright::Property;
use stateright::actor::Id;

/// What an actor acts on is what it has saved.
pub fn durable<M: Mechanisms>() -> Property<RingModel<M>> {
    Claim::Durable
        .always(|_, state: &State<M>| is_durable(&state.system, |id| state.is_mid_step(id)))
}

/// Whether a live actor's store equals its saved one, and what it mirrors in memory equals
/// its store. An actor that is between two of its commands is not asked.
pub fn is_durable(system: &impl Sight, is_mid_step: impl Fn(Id) -> bool) -> bool {
    let nodes = system.nodes();
    let actors = system.states().zip(system.stores()).enumerate();
    let mut whole = actors.filter(|(id, _)| !is_mid_step(Id::from(*id)));
    whole.all(|(id, (actor, saved))| match actor {
        RingState::Stopped | RingState::Script(_) | RingState::Oracle(_) => true,
        RingState::Member(member) => saved == Some(&member.store.0),
        RingState::Gateway(gateway) => saved == Some(&gateway.store),
        RingState::Coordinator(coordinator) => {
            saved.is_some_and(|saved| *saved == coordinator.store.0)
                && saved.and_then(decided).as_ref() == Some(&coordinator.decided)
        }
        RingState::Node(node) => {
            let Some(held) = nodes.iter().find(|held| usize::from(held.id) == id) else {
                return false;
            };
            saved == Some(&node.store)
                && held.view == node.view
                && held.floors == node.floors
                && held.fetching != node.transfers.is_empty()
        }
    })
}
