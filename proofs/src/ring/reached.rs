//! What must be reachable, so that no property holds because nothing happened.

use super::invariants::newest_view;
use super::world::{RingModel, State};
use super::world::{finished, installed, messages, nodes, pending};
use chainring_model::Mechanisms;
use chainring_model::kv::Outcome;
use chainring_model::ring::msg::Vote;
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
    /// The versions do not tell whether an operation happened: its client is told that it is
    /// unknown.
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
    /// Coordinators have given up nodes that are gone.
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
    /// What it is called, wherever it is named.
    pub fn name(self) -> &'static str {
        match self {
            Reached::AllReturned => "every operation returned",
            Reached::ReadFound => "a read found a value",
            Reached::ReadCompletes => "a read completes what it found",
            Reached::Contended => "a second attempt",
            Reached::ContendedTwice => "a third attempt",
            Reached::FoundBuiltUpon => "a retry is found, built upon",
            Reached::RefusalProposed => "a refusal is made sure of",
            Reached::UnknownByVersion => "the versions do not tell",
            Reached::RecoveredAndServed => "the recovered have served",
            Reached::GivenUp => "a start gave up an operation",
            Reached::UnknownTookEffect => "an unknown operation took effect",
            Reached::Purged => "a tombstone is purged",
            Reached::PurgedByAll => "all purged, all finished",
            Reached::CopyHeld => "a copy is no vote",
            Reached::Repaired => "what was missed is copied",
            Reached::GivenUpByVote => "a majority gives up who is gone",
            Reached::BehindTold => "a read tells who is behind",
            Reached::Fetched => "a newcomer has fetched",
            Reached::NewRingServes => "the new ring serves",
            Reached::WriteLost => "an acknowledged write is lost",
            Reached::OldRingServes => "the old ring serves again",
        }
    }

    /// This, as a property.
    pub fn property<M: Mechanisms>(self) -> Property<RingModel<M>> {
        let holds: fn(&RingModel<M>, &State<M>) -> bool = match self {
            Reached::AllReturned => all_returned,
            Reached::ReadFound => read_found,
            Reached::ReadCompletes => read_completes,
            Reached::Contended => contended,
            Reached::ContendedTwice => contended_twice,
            Reached::FoundBuiltUpon => found_built_upon,
            Reached::RefusalProposed => refusal_proposed,
            Reached::UnknownByVersion => unknown_by_version,
            Reached::RecoveredAndServed => recovered_and_served,
            Reached::GivenUp => given_up,
            Reached::UnknownTookEffect => unknown_took_effect,
            Reached::Purged => purged,
            Reached::PurgedByAll => purged_by_all,
            Reached::CopyHeld => copy_held,
            Reached::Repaired => repaired,
            Reached::GivenUpByVote => given_up_by_vote,
            Reached::BehindTold => behind_told,
            Reached::Fetched => fetched,
            Reached::NewRingServes => new_ring_serves,
            Reached::WriteLost => write_lost,
            Reached::OldRingServes => old_ring_serves,
        };
        Property::sometimes(self.name(), holds)
    }
}

/// [`Reached::AllReturned`].
fn all_returned<M: Mechanisms>(model: &RingModel<M>, state: &State<M>) -> bool {
    finished(model, state) && state.system.history.unknown().is_empty()
}

/// [`Reached::ReadFound`].
fn read_found<M: Mechanisms>(_: &RingModel<M>, state: &State<M>) -> bool {
    messages(&state.system)
        .any(|envelope| matches!(envelope.msg, Msg::Vote(Vote { value: Some(_), .. })))
}

/// [`Reached::ReadCompletes`].
fn read_completes<M: Mechanisms>(_: &RingModel<M>, state: &State<M>) -> bool {
    pending(&state.system).any(|(_, pending)| {
        pending.op.is_read() && matches!(pending.phase, Phase::Accepting { .. })
    })
}

/// [`Reached::Contended`].
fn contended<M: Mechanisms>(_: &RingModel<M>, state: &State<M>) -> bool {
    pending(&state.system).any(|(_, pending)| pending.attempts == 2)
}

/// [`Reached::ContendedTwice`].
fn contended_twice<M: Mechanisms>(_: &RingModel<M>, state: &State<M>) -> bool {
    pending(&state.system).any(|(_, pending)| pending.attempts == 3)
}

/// [`Reached::FoundBuiltUpon`].
fn found_built_upon<M: Mechanisms>(_: &RingModel<M>, state: &State<M>) -> bool {
    pending(&state.system).any(|(id, pending)| match &pending.phase {
        Phase::Accepting { content, .. } => {
            content.outcome(&id).is_some()
                && content.recent.last().is_some_and(|(last, _)| *last != id)
        }
        Phase::Reading { .. } | Phase::Preparing { .. } | Phase::Waiting => false,
    })
}

/// [`Reached::RefusalProposed`].
fn refusal_proposed<M: Mechanisms>(_: &RingModel<M>, state: &State<M>) -> bool {
    pending(&state.system).any(|(_, pending)| match &pending.phase {
        Phase::Accepting { outcome, .. } => {
            !pending.op.is_read() && matches!(outcome, Outcome::Refused(_))
        }
        Phase::Reading { .. } | Phase::Preparing { .. } | Phase::Waiting => false,
    })
}

/// [`Reached::UnknownByVersion`].
fn unknown_by_version<M: Mechanisms>(_: &RingModel<M>, state: &State<M>) -> bool {
    state.crashes == 0 && !state.system.history.unknown().is_empty()
}

/// [`Reached::RecoveredAndServed`].
fn recovered_and_served<M: Mechanisms>(model: &RingModel<M>, state: &State<M>) -> bool {
    state.crashes > 0
        && state.system.crashed.iter().all(|crashed| !crashed)
        && finished(model, state)
}

/// [`Reached::GivenUp`].
fn given_up<M: Mechanisms>(_: &RingModel<M>, state: &State<M>) -> bool {
    state.crashes > 0 && !state.system.history.unknown().is_empty()
}

/// [`Reached::UnknownTookEffect`].
fn unknown_took_effect<M: Mechanisms>(_: &RingModel<M>, state: &State<M>) -> bool {
    let nodes = nodes(&state.system);
    let registers = || nodes.iter().flat_map(|node| node.registers.values());
    let unknown = state.system.history.unknown();
    unknown.iter().any(|id| registers().filter(|r| r.content.outcome(id).is_some()).count() > 1)
}

/// [`Reached::Purged`].
fn purged<M: Mechanisms>(_: &RingModel<M>, state: &State<M>) -> bool {
    nodes(&state.system).iter().any(|node| node.floors.ballot > Ballot::default())
}

/// [`Reached::PurgedByAll`].
fn purged_by_all<M: Mechanisms>(model: &RingModel<M>, state: &State<M>) -> bool {
    let nodes = nodes(&state.system);
    nodes.iter().all(|node| node.floors.ballot > Ballot::default()) && finished(model, state)
}

/// [`Reached::CopyHeld`].
fn copy_held<M: Mechanisms>(_: &RingModel<M>, state: &State<M>) -> bool {
    let nodes = nodes(&state.system);
    let mut registers = nodes.iter().flat_map(|node| node.registers.values());
    registers.any(|register| !register.voted)
}

/// [`Reached::Repaired`].
fn repaired<M: Mechanisms>(_: &RingModel<M>, state: &State<M>) -> bool {
    let nodes = nodes(&state.system);
    let Some(first) = nodes[0].registers.values().next() else { return false };
    let is_same = |r: &Register| r.accepted == first.accepted && r.accepted > Ballot::default();
    nodes.iter().all(|node| node.registers.values().any(is_same))
        && nodes.iter().any(|node| node.registers.values().any(|r| !r.voted))
}

/// [`Reached::GivenUpByVote`].
fn given_up_by_vote<M: Mechanisms>(_: &RingModel<M>, state: &State<M>) -> bool {
    nodes(&state.system).iter().any(|node| !node.view.lost.is_empty())
}

/// [`Reached::BehindTold`].
fn behind_told<M: Mechanisms>(_: &RingModel<M>, state: &State<M>) -> bool {
    messages(&state.system).any(|it| matches!(it.msg, Msg::Behind(_)))
}

/// [`Reached::Fetched`].
fn fetched<M: Mechanisms>(_: &RingModel<M>, state: &State<M>) -> bool {
    nodes(&state.system).iter().any(|node| {
        !node.fetching && !node.view.is_stable() && node.view.newcomers().contains(&node.id)
    })
}

/// [`Reached::NewRingServes`].
fn new_ring_serves<M: Mechanisms>(model: &RingModel<M>, state: &State<M>) -> bool {
    let nodes = nodes(&state.system);
    let Some(view) = newest_view(&nodes) else { return false };
    let members = view.new.members();
    let newest = nodes.iter().filter(|node| members.contains(&node.id));
    view.epoch > 2
        && view.is_stable()
        && newest.map(|node| node.view.epoch).all(|epoch| epoch == view.epoch)
        && finished(model, state)
        && first_members(model) != members
}

/// [`Reached::WriteLost`].
fn write_lost<M: Mechanisms>(_: &RingModel<M>, state: &State<M>) -> bool {
    !state.system.history.is_linearizable()
}

/// [`Reached::OldRingServes`].
fn old_ring_serves<M: Mechanisms>(model: &RingModel<M>, state: &State<M>) -> bool {
    let nodes = nodes(&state.system);
    let Some(view) = newest_view(&nodes) else { return false };
    view.epoch > 2
        && view.is_stable()
        && view.new.members().iter().all(|id| usize::from(*id) < 3)
        && finished(model, state)
}
