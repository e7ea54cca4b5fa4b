//! What must be reachable, so that no property holds because nothing happened.

use super::invariants::newest_view;
use super::world::{finished, installed, messages, nodes, pending};
use super::{RingModel, State};
use chainring_model::Mechanisms;
use chainring_model::kv::Outcome;
use chainring_model::ring::{Ballot, Msg, Phase, Register};
use stateright::Property;
use stateright::actor::Id;
use std::collections::BTreeSet;

/// Things that happen in some run of a model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reached {
    /// Every script finished, and every outcome is known.
    AllReturned,
    /// A read found a value.
    ReadFound,
    /// A read found no agreement, and completes what it found.
    ReadCompletes,
    /// An operation is in its second attempt.
    Contended,
    /// An operation is in its third attempt.
    ContendedTwice,
    /// An attempt found its operation among the recent ones, with others built upon it.
    FoundBuiltUpon,
    /// An operation is refused, and has that accepted before it tells.
    RefusalProposed,
    /// The versions do not tell whether an operation happened: its client is told that it is unknown.
    UnknownByVersion,
    /// An actor crashed, everything is up again, and every script finished.
    RecoveredAndServed,
    /// A gateway's start gave up an operation that its last one had under way.
    GivenUp,
    /// An operation's outcome is unknown to its client, and yet it took effect.
    UnknownTookEffect,
    /// A node has purged a tombstone.
    Purged,
    /// Every node has purged a tombstone, and every script finished.
    PurgedByAll,
    /// A node holds a copy that is no vote.
    CopyHeld,
    /// A write that had ended at two of three is at all of them, since one has copied it.
    Repaired,
    /// Coordinators have given up who is gone.
    GivenUpByVote,
    /// A gateway tells a node that it is behind.
    BehindTold,
    /// A node has fetched everything in a joint view.
    Fetched,
    /// The newest view is the new ring, everyone in it has installed it, and every script finished.
    NewRingServes,
    /// An acknowledged write is lost: what clients saw cannot be explained.
    WriteLost,
    /// A joint view was given up for the old ring, and every script finished.
    OldRingServes,
}

/// The members that the model begins with.
fn first_members<M: Mechanisms>(model: &RingModel<M>) -> BTreeSet<Id> {
    let first = model.stores().iter().flatten().find_map(installed);
    first.map(|view| view.new.members()).unwrap_or_default()
}

impl Reached {
    /// This, as a property.
    pub fn property<M: Mechanisms>(self) -> Property<RingModel<M>> {
        match self {
            Reached::AllReturned => Property::sometimes(
                "every operation returned",
                |model: &RingModel<M>, state: &State<M>| {
                    finished(model, state) && state.system.history.unknown().is_empty()
                },
            ),
            Reached::ReadFound => {
                Property::sometimes("a read found a value", |_, state: &State<M>| {
                    messages(&state.system)
                        .any(|envelope| matches!(envelope.msg, Msg::Vote { value: Some(_), .. }))
                })
            }
            Reached::ReadCompletes => {
                Property::sometimes("a read completes what it found", |_, state: &State<M>| {
                    pending(&state.system).any(|(_, pending)| {
                        pending.op.is_read() && matches!(pending.phase, Phase::Accepting { .. })
                    })
                })
            }
            Reached::Contended => Property::sometimes("a second attempt", |_, state: &State<M>| {
                pending(&state.system).any(|(_, pending)| pending.attempts == 2)
            }),
            Reached::ContendedTwice => {
                Property::sometimes("a third attempt", |_, state: &State<M>| {
                    pending(&state.system).any(|(_, pending)| pending.attempts == 3)
                })
            }
            Reached::FoundBuiltUpon => {
                Property::sometimes("a retry is found, built upon", |_, state: &State<M>| {
                    pending(&state.system).any(|(id, pending)| match &pending.phase {
                        Phase::Accepting { content, .. } => {
                            content.outcome(&id).is_some()
                                && content.recent.last().is_some_and(|(last, _)| *last != id)
                        }
                        _ => false,
                    })
                })
            }
            Reached::RefusalProposed => {
                Property::sometimes("a refusal is made sure of", |_, state: &State<M>| {
                    pending(&state.system).any(|(_, pending)| match &pending.phase {
                        Phase::Accepting { outcome, .. } => {
                            !pending.op.is_read() && matches!(outcome, Outcome::Refused(_))
                        }
                        _ => false,
                    })
                })
            }
            Reached::UnknownByVersion => {
                Property::sometimes("the versions do not tell", |_, state: &State<M>| {
                    state.crashes == 0 && !state.system.history.unknown().is_empty()
                })
            }
            Reached::RecoveredAndServed => Property::sometimes(
                "the recovered have served",
                |model: &RingModel<M>, state: &State<M>| {
                    state.crashes > 0
                        && state.system.crashed.iter().all(|crashed| !crashed)
                        && finished(model, state)
                },
            ),
            Reached::GivenUp => {
                Property::sometimes("a start gave up an operation", |_, state: &State<M>| {
                    state.crashes > 0 && !state.system.history.unknown().is_empty()
                })
            }
            Reached::UnknownTookEffect => {
                Property::sometimes("an unknown operation took effect", |_, state: &State<M>| {
                    let nodes = nodes(&state.system);
                    let registers = || nodes.iter().flat_map(|node| node.registers.values());
                    let unknown = state.system.history.unknown();
                    unknown.iter().any(|id| {
                        registers().filter(|r| r.content.outcome(id).is_some()).count() > 1
                    })
                })
            }
            Reached::Purged => {
                Property::sometimes("a tombstone is purged", |_, state: &State<M>| {
                    nodes(&state.system).iter().any(|node| node.floors.ballot > Ballot::default())
                })
            }
            Reached::PurgedByAll => Property::sometimes(
                "all purged, all finished",
                |model: &RingModel<M>, state: &State<M>| {
                    let nodes = nodes(&state.system);
                    nodes.iter().all(|node| node.floors.ballot > Ballot::default())
                        && finished(model, state)
                },
            ),
            Reached::CopyHeld => Property::sometimes("a copy is no vote", |_, state: &State<M>| {
                let nodes = nodes(&state.system);
                let mut registers = nodes.iter().flat_map(|node| node.registers.values());
                registers.any(|register| !register.voted)
            }),
            Reached::Repaired => {
                Property::sometimes("what was missed is copied", |_, state: &State<M>| {
                    let nodes = nodes(&state.system);
                    let Some(first) = nodes[0].registers.values().next() else { return false };
                    let is_same = |r: &Register| {
                        r.accepted == first.accepted && r.accepted > Ballot::default()
                    };
                    nodes.iter().all(|node| node.registers.values().any(is_same))
                        && nodes.iter().any(|node| node.registers.values().any(|r| !r.voted))
                })
            }
            Reached::GivenUpByVote => {
                Property::sometimes("a majority gives up who is gone", |_, state: &State<M>| {
                    nodes(&state.system).iter().any(|node| !node.view.lost.is_empty())
                })
            }
            Reached::BehindTold => {
                Property::sometimes("a read tells who is behind", |_, state: &State<M>| {
                    messages(&state.system).any(|it| matches!(it.msg, Msg::Behind { .. }))
                })
            }
            Reached::Fetched => {
                Property::sometimes("a newcomer has fetched", |_, state: &State<M>| {
                    nodes(&state.system).iter().any(|node| {
                        !node.fetching
                            && !node.view.is_stable()
                            && node.view.newcomers().contains(&node.id)
                    })
                })
            }
            Reached::NewRingServes => Property::sometimes(
                "the new ring serves",
                |model: &RingModel<M>, state: &State<M>| {
                    let nodes = nodes(&state.system);
                    let Some(view) = newest_view(&nodes) else { return false };
                    let members = view.new.members();
                    let newest = nodes.iter().filter(|node| members.contains(&node.id));
                    view.epoch > 2
                        && view.is_stable()
                        && newest.map(|node| node.view.epoch).all(|epoch| epoch == view.epoch)
                        && finished(model, state)
                        && first_members(model) != members
                },
            ),
            Reached::WriteLost => {
                Property::sometimes("an acknowledged write is lost", |_, state: &State<M>| {
                    !state.system.history.is_linearizable()
                })
            }
            Reached::OldRingServes => Property::sometimes(
                "the old ring serves again",
                |model: &RingModel<M>, state: &State<M>| {
                    let nodes = nodes(&state.system);
                    let Some(view) = newest_view(&nodes) else { return false };
                    view.epoch > 2
                        && view.is_stable()
                        && view.new.members().iter().all(|id| usize::from(*id) < 3)
                        && finished(model, state)
                },
            ),
        }
    }
}
