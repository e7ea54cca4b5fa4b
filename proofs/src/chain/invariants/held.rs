//! Durability, van Renesse & Schneider, OSDI '04, section 3.2: replies are only sent for what every
//! member has.

use crate::chain::world::{Sight, World, chain};
use crate::claim::Claim;
use stateright::Property;

/// Every acknowledged update is in the operation table or the log of every member of the newest
/// chain.
pub fn held<W: World>() -> Property<W> {
    Claim::Held.always(|_, state| {
        let system = W::system(state);
        let chain = chain(system);
        system
            .history()
            .acknowledged()
            .iter()
            .all(|id| chain.iter().all(|member| member.has_applied(id) || member.has_logged(id)))
    })
}
