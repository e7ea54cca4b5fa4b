//! A definite answer is definite (jepsen-io/maelstrom, `doc/protocol.md`: definite and indefinite
//! errors).

use crate::chain::world::{Sight, World, members};
use crate::claim::Claim;
use stateright::Property;

/// What a client was told did not happen is in no log and no operation table, and never will be.
pub fn refused<W: World>() -> Property<W> {
    Claim::RefusedIsRefused.always(|_, state| {
        let system = W::system(state);
        let members = members(system);
        system
            .history()
            .denied()
            .iter()
            .all(|id| members.iter().all(|member| !member.is_newest(id) && !member.has_logged(id)))
    })
}
