//! No dead end.

use crate::claim::Claim;
use crate::ring::world::{ProofActor, System};
use crate::ring::world::{RingModel, State};
use crate::ring::world::{finished, pending};
use chainring_model::Mechanisms;
use stateright::Property;

/// Where nothing can happen any more, every script has finished, or an operation has used its
/// attempts up.
///
/// stateright's `eventually` is judged at states without steps alone, and that is all that is
/// claimed.
pub fn finish<M: Mechanisms>() -> Property<RingModel<M>> {
    Claim::NoDeadEnd.eventually(|model: &RingModel<M>, state: &State<M>| {
        finished(model, state) || gave_up(model, &state.system)
    })
}

/// Whether an operation has used all its attempts up.
fn gave_up<M: Mechanisms>(model: &RingModel<M>, system: &System<M>) -> bool {
    let mut pending = pending(system);
    pending.any(|(id, pending)| match &model.actors()[usize::from(id.gateway)] {
        ProofActor::Gateway(gateway) => gateway.is_given_up(pending),
        ProofActor::Node(_)
        | ProofActor::Coordinator(_)
        | ProofActor::Member(_)
        | ProofActor::Oracle(_)
        | ProofActor::Script(_) => false,
    })
}
