//! Lamport, "Paxos Made Simple", 2001: only a single value is chosen. Here, an epoch's view.

use crate::chain::world::{Sight, World, messages, views};
use crate::claim::Claim;
use chainring_model::chain::msg::Redirect;
use chainring_model::chain::{Msg, View};
use chainring_model::coordinator;
use chainring_model::coordinator::msg::{Install, Prepare};
use stateright::Property;
use std::collections::BTreeMap;

/// No two views are ever decided for one epoch, and no other ones are told of or installed.
pub fn one_view<W: World>() -> Property<W> {
    Claim::OneView.always(|_, state| {
        let system = W::system(state);
        let saved = views(system);
        let told = messages(system).filter_map(|envelope| match envelope.msg {
            Msg::Redirect(Redirect { view })
            | Msg::Views(
                coordinator::Msg::Install(Install { view })
                | coordinator::Msg::Prepare(Prepare { decided: view, .. }),
            ) => Some(view),
            Msg::Opened(_)
            | Msg::Invoke(_)
            | Msg::Return(_)
            | Msg::Request(_)
            | Msg::Reply(_)
            | Msg::Update(_)
            | Msg::Missing(_)
            | Msg::Ack(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Caught(_)
            | Msg::Changes(_)
            | Msg::Views(_)
            | Msg::ScanFor(_)
            | Msg::Resume(_)
            | Msg::Resumed(_) => None,
        });
        let mut known: BTreeMap<u64, &View> = BTreeMap::new();
        let mut all = saved.iter().chain(told);
        system.history().decisions().are_unique()
            && all.all(|view| *known.entry(view.epoch).or_insert(view) == view)
    })
}
