//! Lamport, "Paxos Made Simple", 2001: only a single value is chosen. Here, an epoch's view.

use crate::world::World;
use stateright::Property;

/// No two views were ever announced for one epoch.
pub fn one_view<W: World>() -> Property<W> {
    Property::always("one view an epoch", |_, state| {
        W::system(state).history.decisions().are_unique()
    })
}
