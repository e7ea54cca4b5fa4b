//! Memory and disk are finite.

use crate::chain::world::{World, members};
use crate::claim::Claim;
use chainring_model::chain::ChainActor;
use stateright::Property;

/// No log holds more entries than the window of its replica may.
pub fn bounded<W: World>() -> Property<W> {
    Claim::Bounded.always(|world, state| {
        members(W::system(state)).iter().all(|member| {
            match &world.actors()[usize::from(member.id)] {
                ChainActor::Replica(replica) => member.log.len() <= replica.window_bound(),
                ChainActor::Gateway(_) | ChainActor::Coordinator(_) | ChainActor::Script(_) => true,
            }
        })
    })
}
