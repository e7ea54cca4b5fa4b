//! The safety properties of a ring, and no dead end.
//!
//! | property | what it says |
//! |---|---|
//! | linearizable | some order of the operations explains what every client saw |
//! | one value per ballot | a ballot of a key stands for one content, wherever it is |
//! | one lineage | what is chosen is built upon by every higher ballot |
//! | held | every quorum of the newest stable view leads to every acknowledged write |
//! | at most once | no operation is twice in a content |
//! | nothing given up | where a majority of the coordinators would not, no node is given up |
//! | gone for good | where copies are repaired, no node holds what was accepted before a tombstone that was purged |
//! | unknown when it must be | no outcome is unknown where the registers remember enough to tell |
//! | refused for good | what was told to be unavailable is in no content |
//! | one view an epoch | no two views are decided, told of or installed for one epoch |
//! | epochs never go back | no actor goes back to an older view, also not by a crash |
//! | incarnations grow | no start of a gateway has the number of an earlier one |
//! | durable | what an actor acts on is what it has saved |
//! | no dead end | where nothing can happen any more, every script has finished or used its attempts up |
//!
//! What is **not** checked: liveness. Proposers may duel for ever, which attempts bound in models
//! and random waits make unlikely in clusters.

mod at_most_once;
mod durable;
mod epochs_advance;
mod finish;
mod gone_for_good;
mod held;
mod incarnations_grow;
mod known;
mod linearizable;
mod nothing_given_up;
mod one_lineage;
mod one_value_per_ballot;
mod one_view;
mod refused_for_good;

pub use at_most_once::{at_most_once, is_at_most_once};
pub use durable::{durable, is_durable};
pub use epochs_advance::epochs_advance;
pub use finish::finish;
pub use gone_for_good::gone_for_good;
pub use held::held;
pub use incarnations_grow::incarnations_grow;
pub use known::known;
pub use linearizable::linearizable;
pub use nothing_given_up::nothing_given_up;
pub use one_lineage::{is_one_lineage, one_lineage};
pub use one_value_per_ballot::{is_one_value_per_ballot, one_value_per_ballot};
pub use one_view::{is_one_view, one_view};
pub use refused_for_good::{is_refused_for_good, refused_for_good};

use super::world::{Held, PLENTY, Sight};
use super::world::{RingModel, System};
use crate::checker::intern::Interned;
use chainring_model::Mechanisms;
use chainring_model::kv::Key;
use chainring_model::ring::msg::Accept;
use chainring_model::ring::place::position;
use chainring_model::ring::{Ballot, Content, Msg, Ring, View};
use held::is_held;
use stateright::Property;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

/// Every property of a ring whose registers remember `recent` operations. The two that need that
/// number come for the numbers that models use.
pub fn of_ring<M: Mechanisms>(recent: usize) -> Vec<Property<RingModel<M>>> {
    match recent {
        1 => properties::<M, 1>(),
        2 => properties::<M, 2>(),
        3 => properties::<M, 3>(),
        PLENTY => properties::<M, PLENTY>(),
        other => panic!("no model has a recent of {other}"),
    }
}

fn properties<M: Mechanisms, const RECENT: usize>() -> Vec<Property<RingModel<M>>> {
    vec![
        linearizable(),
        one_value_per_ballot::<M, RECENT>(),
        one_lineage::<M, RECENT>(),
        held::<M, RECENT>(),
        at_most_once::<M, RECENT>(),
        refused_for_good::<M, RECENT>(),
        one_view(),
        epochs_advance(),
        incarnations_grow(),
        durable(),
        finish(),
    ]
}

/// What is known of the contents in a state.
#[derive(Clone, Copy)]
struct Judged {
    one_value_per_ballot: bool,
    one_lineage: bool,
    held: bool,
    at_most_once: bool,
    refused_for_good: bool,
}

/// Judges the contents of a state: what nodes hold, what is being proposed, and what clients were
/// told. Memoized by these: many states have them in common.
fn judged<M: Mechanisms>(system: &System<M>, recent: usize) -> Judged {
    /// Verdicts that a thread remembers at the most.
    const REMEMBERED: usize = 1 << 20;
    thread_local! {
        static KNOWN: RefCell<HashMap<u64, Judged>> = RefCell::default();
    }
    let mut hasher = DefaultHasher::new();
    (&system.history, recent).hash(&mut hasher);
    for store in system.actor_storages.iter().flatten() {
        Interned::address(*store).hash(&mut hasher);
    }
    for envelope in system.network.iter().filter(|it| matches!(&*it.msg, Msg::Accept(_))) {
        Interned::address(envelope.msg).hash(&mut hasher);
    }
    let digest = hasher.finish();
    if let Some(known) = KNOWN.with_borrow(|known| known.get(&digest).copied()) {
        return known;
    }
    let judged = Judged {
        one_value_per_ballot: is_one_value_per_ballot(system),
        one_lineage: is_one_lineage(system, recent),
        held: is_held(system, recent),
        at_most_once: is_at_most_once(system),
        refused_for_good: is_refused_for_good(system),
    };
    KNOWN.with_borrow_mut(|known| {
        if known.len() > REMEMBERED {
            known.clear();
        }
        known.insert(digest, judged);
    });
    judged
}

/// Every content that a ballot of a key stands for: at nodes, and in proposals under way.
fn contents(
    system: &impl Sight,
    nodes: &[Rc<Held>],
    mut judge: impl FnMut(&Key, Ballot, &Content) -> bool,
) -> bool {
    nodes.iter().all(|node| {
        let accepted = node.registers.iter().filter(|(_, r)| r.accepted > Ballot::default());
        let mut accepted =
            accepted.map(|(key, register)| (key, register.accepted, &register.content));
        accepted.all(|(key, ballot, content)| judge(key, ballot, content))
    }) && system.messages().all(|envelope| match envelope.msg {
        Msg::Accept(Accept { key, ballot, content, .. }) => judge(key, *ballot, content),
        Msg::Opened(_)
        | Msg::Invoke(_)
        | Msg::Return(_)
        | Msg::Read(_)
        | Msg::Vote(_)
        | Msg::Prepare(_)
        | Msg::Promise(_)
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
        | Msg::Behind(_) => true,
    })
}

/// The newest view that any node has installed.
pub(crate) fn newest_view(nodes: &[Rc<Held>]) -> Option<View> {
    nodes.iter().map(|node| &node.view).max_by_key(|view| view.epoch).cloned()
}

/// The smallest majorities of a key's replicas.
pub(crate) fn quorums(ring: &Ring, key: &Key) -> Vec<Vec<stateright::actor::Id>> {
    let replicas = ring.replicas(position(key));
    let size = replicas.len() / 2 + 1;
    let subsets = (0..1_u32 << replicas.len()).filter(|set| set.count_ones() as usize == size);
    let members = |set: u32| {
        let chosen = replicas.iter().enumerate().filter(move |(i, _)| set & (1 << i) != 0);
        chosen.map(|(_, id)| *id).collect()
    };
    subsets.map(members).collect()
}
