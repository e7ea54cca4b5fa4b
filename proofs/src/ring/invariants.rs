//! The safety properties of a ring, and no dead end.
//!
//! | property | what it says |
//! |---|---|
//! | linearizable | some order of the operations explains what every client saw |
//! | one value per ballot | a ballot of a key stands for one content, wherever it is |
//! | one lineage | what is chosen is built upon by every higher ballot |
//! | held | every quorum of the newest stable view leads to every acknowledged write |
//! | at most once | no operation is twice in a content |
//! | nothing given up | where a majority of the coordinators would not, nobody is given up |
//! | gone for good | where copies are repaired, no node holds what was accepted before a tombstone that was purged |
//! | unknown when it must be | no outcome is unknown where the registers remember enough to tell |
//! | refused for good | what was told to be unavailable is in no content |
//! | one view an epoch | no two views are decided, told of or installed for one epoch |
//! | epochs never go back | nobody goes back to an older view, also not by a crash |
//! | incarnations grow | no start of a gateway has the number of an earlier one |
//! | durable | what an actor acts on is what it has saved |
//! | no dead end | where nothing can happen any more, every script has finished or used its attempts up |
//!
//! What is **not** checked: liveness. Proposers may duel for ever, which attempts bound in models and
//! random waits make unlikely in clusters.

use super::world::{Held, Sight, decided, finished, nodes, pending};
use super::{ProofActor, RingModel, State, System};
use crate::checker::intern::Interned;
use chainring_model::Mechanisms;
use chainring_model::coordinator;
use chainring_model::kv::Key;
use chainring_model::ring::place::position;
use chainring_model::ring::{Ballot, Content, Msg, Ring, RingState, View};
use stateright::Property;
use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

/// Every property of a ring whose registers remember `recent` operations. The two that need that number
/// come for the numbers that models use.
pub fn of_ring<M: Mechanisms>(recent: usize) -> Vec<Property<RingModel<M>>> {
    match recent {
        1 => properties::<M, 1>(),
        2 => properties::<M, 2>(),
        3 => properties::<M, 3>(),
        super::setup::PLENTY => properties::<M, { super::setup::PLENTY }>(),
        other => panic!("no model has a recent of {other}"),
    }
}

fn properties<M: Mechanisms, const RECENT: usize>() -> Vec<Property<RingModel<M>>> {
    vec![
        Property::always("linearizable", |_, state: &State<M>| {
            state.system.history.is_linearizable()
        }),
        Property::always("one value per ballot", |_, state: &State<M>| {
            judged(&state.system, RECENT).one_value_per_ballot
        }),
        Property::always("one lineage", |_, state: &State<M>| {
            judged(&state.system, RECENT).one_lineage
        }),
        Property::always("held", |_, state: &State<M>| judged(&state.system, RECENT).held),
        Property::always("at most once", |_, state: &State<M>| {
            judged(&state.system, RECENT).at_most_once
        }),
        Property::always("refused for good", |_, state: &State<M>| {
            judged(&state.system, RECENT).refused_for_good
        }),
        Property::always("one view an epoch", |_, state: &State<M>| one_view(&state.system)),
        Property::always("epochs never go back", |_, state: &State<M>| {
            state.system.history.decisions().advance()
        }),
        Property::always("incarnations grow", |_, state: &State<M>| {
            state.system.history.starts_grow()
        }),
        Property::always("durable", |_, state: &State<M>| durable(&state.system)),
        Property::eventually("no dead end", |model: &RingModel<M>, state: &State<M>| {
            finished(model, state) || gave_up(model, &state.system)
        }),
    ]
}

/// Unknown exactly when it must be: where registers remember enough, no client is told that an outcome is.
pub fn known<M: Mechanisms>() -> Property<RingModel<M>> {
    Property::always("unknown when it must be", |_, state: &State<M>| {
        state.system.history.unknown().is_empty()
    })
}

/// One coordinator does not speak for all: nobody has heard of a view in which anyone is given up.
pub fn nothing_given_up<M: Mechanisms>() -> Property<RingModel<M>> {
    Property::always("nothing given up", |_, state: &State<M>| {
        let mut stores = state.system.actor_storages.iter().flatten();
        let decided_none = stores.all(|store| decided(store).is_none_or(|it| it.lost.is_empty()));
        decided_none && nodes(&state.system).iter().all(|node| node.view.lost.is_empty())
    })
}

/// Purge never resurrects: of the one key that a model is about, nothing is left, nor comes back, below the ballot
/// of a tombstone that a node has purged.
pub fn gone_for_good<M: Mechanisms>() -> Property<RingModel<M>> {
    Property::always("gone for good", |_, state: &State<M>| {
        let nodes = nodes(&state.system);
        let floor = nodes.iter().map(|node| node.floors.ballot).max().unwrap_or_default();
        let mut registers = nodes.iter().flat_map(|node| node.registers.values());
        registers.all(|it| it.accepted == Ballot::default() || it.accepted >= floor)
    })
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

/// Judges the contents of a state: what nodes hold, what is being proposed, and what clients were told.
/// Memoized by these: many states have them in common.
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
    for envelope in system.network.iter().filter(|it| matches!(&*it.msg, Msg::Accept { .. })) {
        Interned::address(envelope.msg).hash(&mut hasher);
    }
    let digest = hasher.finish();
    if let Some(known) = KNOWN.with_borrow(|known| known.get(&digest).copied()) {
        return known;
    }
    let judged = Judged {
        one_value_per_ballot: one_value_per_ballot(system),
        one_lineage: one_lineage(system, recent),
        held: held(system, recent),
        at_most_once: at_most_once(system),
        refused_for_good: refused_for_good(system),
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
        Msg::Accept { key, ballot, content, .. } => judge(key, *ballot, content),
        _ => true,
    })
}

/// Rystsov, arXiv 1802.07000, section 2.2: a ballot is of one proposer, which proposes one value with it.
pub(crate) fn one_value_per_ballot(system: &impl Sight) -> bool {
    let mut known = BTreeMap::new();
    contents(system, &system.nodes(), |key, ballot, content| {
        let first = known.entry((key.clone(), ballot)).or_insert_with(|| content.clone());
        first == content
    })
}

/// Rystsov, arXiv 1802.07000, appendix A: of two chosen contents, one is made from the other. What a
/// quorum holds here and now is chosen; whatever has a higher ballot must be made from it, or be it.
pub(crate) fn one_lineage(system: &impl Sight, recent: usize) -> bool {
    let nodes = system.nodes();
    let Some(view) = newest_view(&nodes) else { return true };
    let keys: BTreeSet<_> = nodes.iter().flat_map(|node| node.registers.keys()).collect();
    let mut chosen = BTreeMap::new();
    for key in keys {
        for node in &nodes {
            let register = node.register(key);
            let ballot = register.accepted;
            let is_held = |id| {
                let of_this = nodes.iter().find(|node| node.id == id);
                of_this.is_some_and(|node| {
                    let register = node.register(key);
                    register.accepted == ballot && register.voted && !node.fetching
                })
            };
            if ballot > Ballot::default() && view.is_quorum(position(key), is_held) {
                chosen.insert((key.clone(), ballot), register.content);
            }
        }
    }
    contents(system, &nodes, |key, ballot, content| {
        let below = chosen.range((key.clone(), Ballot::default())..(key.clone(), ballot));
        below.map(|(_, chosen)| chosen).all(|chosen| {
            let last = chosen.recent.last().map(|(id, _)| id);
            content == chosen
                || (content.version > chosen.version
                    && (content.version - chosen.version >= recent as u64
                        || last.is_none_or(|last| content.outcome(last).is_some())))
        })
    })
}

/// Every acknowledged write is in the content that any quorum of the newest stable view leads to, or was,
/// as far as that content can tell.
fn held(system: &impl Sight, recent: usize) -> bool {
    let nodes = system.nodes();
    let Some(view) = newest_view(&nodes) else { return true };
    if !view.is_stable() || system.history().acknowledged().is_empty() {
        return true;
    }
    let keys: BTreeSet<_> = nodes.iter().flat_map(|node| node.registers.keys()).collect();
    let mut effective = system.history().acknowledged().iter();
    effective.all(|id| {
        nodes.iter().any(|node| node.floors.version > 0)
            || keys.iter().any(|key| {
                quorums(&view.new, key).iter().all(|quorum| {
                    let members = nodes.iter().filter(|node| quorum.contains(&node.id));
                    let highest = members
                        .map(|node| node.register(key))
                        .max_by_key(|register| (register.accepted, register.content.version));
                    highest.is_some_and(|register| {
                        register.content.outcome(id).is_some()
                            || register.content.recent.len() >= recent
                    })
                })
            })
    })
}

/// RIFL (Lee et al., SOSP '15): an operation is not executed twice.
pub(crate) fn at_most_once(system: &impl Sight) -> bool {
    contents(system, &system.nodes(), |_, _, content| {
        let mut seen = BTreeSet::new();
        content.recent.iter().all(|(id, _)| seen.insert(id))
    })
}

/// An outcome is definite or unknown: an update that its client was told to be unavailable never happens.
pub(crate) fn refused_for_good(system: &impl Sight) -> bool {
    let unavailable = system.history().denied();
    unavailable.is_empty()
        || contents(system, &system.nodes(), |_, _, content| {
            !content.recent.iter().any(|(id, _)| unavailable.contains(id))
        })
}

/// There is one view an epoch, and nobody is ahead of who decides.
pub(crate) fn one_view(system: &impl Sight) -> bool {
    let mut known = BTreeMap::new();
    let mut views = system.states().filter_map(|state| match state {
        RingState::Node(node) => Some(&node.view),
        RingState::Gateway(gateway) => Some(&gateway.view),
        RingState::Oracle(oracle) => Some(&oracle.view),
        RingState::Coordinator(coordinator) => Some(&coordinator.decided),
        RingState::Stopped | RingState::Script(_) | RingState::Member(_) => None,
    });
    let told = system.messages().filter_map(|envelope| match envelope.msg {
        Msg::Views(coordinator::Msg::Install { view }) => Some(view),
        _ => None,
    });
    system.history().decisions().are_unique()
        && views.by_ref().chain(told).all(|view| *known.entry(view.epoch).or_insert(view) == view)
}

/// Persist, then speak: a live actor's store equals its saved one, and what it mirrors in memory equals
/// its store.
pub(crate) fn durable(system: &impl Sight) -> bool {
    let nodes = system.nodes();
    let mut actors = system.states().zip(system.stores()).enumerate();
    actors.all(|(id, (actor, saved))| match actor {
        RingState::Stopped | RingState::Script(_) | RingState::Oracle(_) => true,
        RingState::Member(member) => saved == Some(&member.store.0),
        RingState::Gateway(gateway) => saved == Some(&gateway.store),
        RingState::Coordinator(coordinator) => {
            saved.is_some_and(|saved| *saved == coordinator.store.0)
                && saved.and_then(decided).as_ref() == Some(&coordinator.decided)
        }
        RingState::Node(node) => {
            let Some(held) = nodes.iter().find(|held| usize::from(held.id) == id) else {
                return false;
            };
            saved == Some(&node.store)
                && held.view == node.view
                && held.floors == node.floors
                && held.fetching != node.transfers.is_empty()
        }
    })
}

/// Whether an operation has used all its attempts up.
fn gave_up<M: Mechanisms>(model: &RingModel<M>, system: &System<M>) -> bool {
    let mut pending = pending(system);
    pending.any(|(id, pending)| match &model.actors()[usize::from(id.gateway)] {
        ProofActor::Gateway(gateway) => gateway.is_given_up(pending),
        _ => false,
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
