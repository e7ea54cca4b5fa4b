//! Lamport, "Paxos Made Simple" (2001): of one instance, one value is chosen; an epoch is an
//! instance.

use crate::claim::Claim;
use crate::ring::world::Sight;
use crate::ring::world::{RingModel, State};
use chainring_model::Mechanisms;
use chainring_model::coordinator;
use chainring_model::ring::{Msg, RingState};
use stateright::Property;
use std::collections::BTreeMap;

/// No two views are decided, told of or installed for one epoch.
pub fn one_view<M: Mechanisms>() -> Property<RingModel<M>> {
    Claim::OneView.always(|_, state: &State<M>| is_one_view(&state.system))
}

/// Whether there is one view an epoch, and no actor is ahead of those that decide.
pub fn is_one_view(system: &impl Sight) -> bool {
    let mut known = BTreeMap::new();
    let mut views = system.states().filter_map(|state| match state {
        RingState::Node(node) => Some(&node.view),
        RingState::Gateway(gateway) => Some(&gateway.view),
        RingState::Oracle(oracle) => Some(&oracle.view),
        RingState::Coordinator(coordinator) => Some(&coordinator.decided),
        RingState::Stopped | RingState::Script(_) | RingState::Member(_) => None,
    });
    let told = system.messages().filter_map(|envelope| match envelope.msg {
        Msg::Views(coordinator::Msg::Install(coordinator::msg::Install { view })) => Some(view),
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
        | Msg::Behind(_) => None,
    });
    system.history().decisions().are_unique()
        && views.by_ref().chain(told).all(|view| *known.entry(view.epoch).or_insert(view) == view)
}
