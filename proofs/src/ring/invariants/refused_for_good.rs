//! A definite answer is definite (jepsen-io/maelstrom, `doc/protocol.md`: definite and indefinite
//! errors).

use super::{contents, judged};
use crate::claim::Claim;
use crate::ring::world::Sight;
use crate::ring::world::{RingModel, State};
use chainring_model::Mechanisms;
use stateright::Property;

/// What was told to be unavailable is in no content.
pub fn refused_for_good<M: Mechanisms, const RECENT: usize>() -> Property<RingModel<M>> {
    Claim::RefusedForGood
        .always(|_, state: &State<M>| judged(&state.system, RECENT).refused_for_good)
}

/// Whether no update that its client was told to be unavailable is in a content.
pub fn is_refused_for_good(system: &impl Sight) -> bool {
    let unavailable = system.history().denied();
    unavailable.is_empty()
        || contents(system, &system.nodes(), |_, _, content| {
            !content.recent.iter().any(|(id, _)| unavailable.contains(id))
        })
}
