//! A vote is for a view that may pass.

use crate::chain::world::{Sight, World};
use crate::claim::Claim;
use chainring_model::chain::{ChainActor, ChainState};
use chainring_model::coordinator::View as _;
use stateright::Property;

/// A coordinator has voted only for what a majority of them would vote for, as to how many copies
/// it leaves. A vote cannot be taken back within its epoch: where all others refuse what one has
/// voted for, nothing is decided for as long as that one is needed for a majority. (It is asked
/// where at most one of them keeps fewer copies than the others.)
pub fn passable<W: World>() -> Property<W> {
    Claim::Passable.always(|world, state| {
        let copies = || {
            world.actors().iter().filter_map(|actor| match actor {
                ChainActor::Coordinator(coordinator) => Some(coordinator.copies_bound()),
                ChainActor::Replica(_) | ChainActor::Gateway(_) | ChainActor::Script(_) => None,
            })
        };
        W::system(state).states().all(|state| {
            let ChainState::Coordinator(coordinator) = state else { return true };
            let Some((_, view)) = &coordinator.accepted else { return true };
            let votes = copies().filter(|copies| coordinator.decided.keeps(view, *copies)).count();
            votes * 2 > copies().count()
        })
    })
}
