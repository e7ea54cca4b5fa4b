//! Acknowledged means on as many disks as copies are to be kept.
//!
//! It is about disks: those of members that are down count, and those of nodes that were left out
//! do not, for they begin anew, or stay away. [`held`](super::held()) says that every member has an
//! update, however few there are; this says how many that is. (Where disks are lost for good it is
//! not asked: those copies are gone.)

use crate::chain::world::{Sight, World, chain, newest};
use crate::claim::Claim;
use chainring_model::chain::ChainActor;
use stateright::Property;

/// Every acknowledged update is in the operation table or the log of at least as many members of
/// the newest chain as copies are to be kept, or as an operator said suffice.
pub fn copies<W: World>() -> Property<W> {
    Claim::Copies.always(|world, state| {
        let system = W::system(state);
        let Some(newest) = newest(system) else { return true };
        let kept = world.actors().iter().find_map(|actor| match actor {
            ChainActor::Replica(replica) => Some(replica.copies_bound()),
            ChainActor::Gateway(_) | ChainActor::Coordinator(_) | ChainActor::Script(_) => None,
        });
        let enough = newest.enough(kept.unwrap_or(1));
        let chain = chain(system);
        system.history().acknowledged().iter().all(|id| {
            let mut holders = 0;
            for member in chain.iter() {
                holders += usize::from(member.has_applied(id) || member.has_logged(id));
            }
            holders >= enough
        })
    })
}
