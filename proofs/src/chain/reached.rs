//! What must be reachable, so that no property holds because nothing happened.

use crate::chain::world::FIRST_EPOCH;
use crate::chain::world::{
    Member, Sight, World, chain, finished, members, messages, newest, teachings,
};
use chainring_model::chain::msg::{Changes, Reply, Request, Resumed, Scanned};
use chainring_model::chain::{ChainActor, ChainState, Msg, View};
use chainring_model::kv::Outcome;
use stateright::Property;
use stateright::actor::Id;
use std::rc::Rc;

/// Things that happen in some run of a model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reached {
    /// Every script finished, and every outcome is known.
    AllReturned,
    /// A read found a value.
    ReadFound,
    /// A successor lacks an update that its predecessor has.
    SuccessorLags,
    /// Updates are on their way at two links at once.
    TwoLinksBusy,
    /// A member's stable store lags behind its successor's.
    StableLags,
    /// All members hold the same data, and some.
    AllAgree,
    /// An update is acknowledged.
    Acknowledged,
    /// The head answered a duplicate with the recorded outcome.
    DuplicateAnswered,
    /// A replica forwarded a read of a dirty key.
    DirtyForwarded,
    /// A replica forwarded a listing of a stretch with a dirty key.
    ListingForwarded,
    /// A listing showed a key.
    Listed,
    /// An actor crashed, everything is up again, and every script finished.
    RecoveredAndServed,
    /// A gateway's start gave up an operation that its last one had under way.
    GivenUp,
    /// A gateway followed a redirect, and every script finished.
    Redirected,
    /// A log holds as much as its replica's window may.
    WindowFull,
    /// An operation's outcome is unknown to its client, and yet it took effect.
    UnknownTookEffect,
    /// The head was removed, and every script finished.
    HeadLost,
    /// A member that was neither head nor tail was removed, and every script finished.
    MiddleLost,
    /// The tail was removed, and every script finished.
    TailLost,
    /// Every script finished, and a member that is removed does not know it.
    RemovedUnaware,
    /// A replica has no lease, but is in the view.
    LeaseLapsed,
    /// A replica has installed a view with entries in its log.
    InstalledBusy,
    /// A coordinator waits for a grant to end before it votes.
    VoteWaits,
    /// A learner became the tail, and every script finished.
    Appended,
    /// A member that was removed is one again, and every script finished.
    Returned,
    /// A learner was dropped, and every script finished.
    LearnerDropped,
    /// A tail that has handed over has entries that its learner has committed, and it has not.
    HandedOver,
    /// A learner lacks what its tail has committed while teaching.
    LearnerLags,
    /// A tail lets a learner go on where it was.
    GoesOn,
    /// A tail lets a learner begin anew.
    BeginsAnew,
    /// A learner knows a key to be deleted that its scan has not come to.
    Buried,
    /// A tail sends its learner what several entries touched in one message.
    ChangesTogether,
    /// An update was denied, since it was never sent.
    Denied,
    /// A member is suspected, and stays, for too few would be left without it.
    KeptForCopies,
    /// When every script has finished, and the chain was begun anew.
    BegunAnew,
}

/// The view that the model begins with.
fn first_view<W: World>(world: &W) -> Option<View> {
    world.actors().iter().find_map(|actor| match actor {
        ChainActor::Gateway(gateway) => Some(gateway.view().clone()),
        ChainActor::Replica(_) | ChainActor::Coordinator(_) | ChainActor::Script(_) => None,
    })
}

/// Whether every script finished after the member at the place that `which` picks was removed.
fn lost<W: World>(world: &W, state: &W::State, which: fn(&View, Id) -> bool) -> bool {
    let system = W::system(state);
    let newest = newest(system).unwrap_or_else(|| View::new(0, Vec::new()));
    finished(world, state)
        && first_view(world).is_some_and(|first| {
            let mut members = first.chain.iter();
            members.any(|member| !newest.chain.contains(member) && which(&first, *member))
        })
}

impl Reached {
    /// What it is called, wherever it is named.
    pub fn name(self) -> &'static str {
        match self {
            Reached::AllReturned => "every operation returned",
            Reached::ReadFound => "a read found a value",
            Reached::SuccessorLags => "a successor lags",
            Reached::TwoLinksBusy => "two links are busy",
            Reached::StableLags => "a stable store lags",
            Reached::AllAgree => "all members hold the same",
            Reached::Acknowledged => "an update is acknowledged",
            Reached::DuplicateAnswered => "a duplicate is answered by the head",
            Reached::DirtyForwarded => "a dirty read is forwarded",
            Reached::ListingForwarded => "a listing is forwarded",
            Reached::Listed => "a listing showed a key",
            Reached::RecoveredAndServed => "the recovered have served",
            Reached::GivenUp => "a start gave up an operation",
            Reached::Redirected => "a redirect was followed",
            Reached::WindowFull => "a window is full",
            Reached::UnknownTookEffect => "an unknown operation took effect",
            Reached::HeadLost => "the head was lost",
            Reached::MiddleLost => "the middle was lost",
            Reached::TailLost => "the tail was lost",
            Reached::RemovedUnaware => "a removed member is unaware",
            Reached::LeaseLapsed => "a lease has lapsed",
            Reached::InstalledBusy => "a view is installed under way",
            Reached::Appended => "a learner was appended",
            Reached::Returned => "a member has returned",
            Reached::LearnerDropped => "a learner was dropped",
            Reached::HandedOver => "a tail lags its learner",
            Reached::LearnerLags => "a learner lags its tail",
            Reached::GoesOn => "a learner goes on",
            Reached::BeginsAnew => "a learner begins anew",
            Reached::Buried => "a learner holds a tombstone",
            Reached::ChangesTogether => "two changes in one message",
            Reached::Denied => "an update was denied",
            Reached::KeptForCopies => "a suspect is kept for its copy",
            Reached::BegunAnew => "begun anew",
            Reached::VoteWaits => "a vote waits for a grant",
        }
    }

    /// This, as a property.
    pub fn property<W: World>(self) -> Property<W> {
        let holds: fn(&W, &W::State) -> bool = match self {
            Reached::AllReturned => all_returned,
            Reached::ReadFound => read_found,
            Reached::SuccessorLags => successor_lags,
            Reached::TwoLinksBusy => two_links_busy,
            Reached::StableLags => stable_lags,
            Reached::AllAgree => all_agree,
            Reached::Acknowledged => acknowledged,
            Reached::DuplicateAnswered => duplicate_answered,
            Reached::DirtyForwarded => dirty_forwarded,
            Reached::ListingForwarded => listing_forwarded,
            Reached::Listed => listed,
            Reached::RecoveredAndServed => recovered_and_served,
            Reached::GivenUp => given_up,
            Reached::Redirected => redirected,
            Reached::WindowFull => window_full,
            Reached::UnknownTookEffect => unknown_took_effect,
            Reached::HeadLost => head_lost,
            Reached::MiddleLost => middle_lost,
            Reached::TailLost => tail_lost,
            Reached::RemovedUnaware => removed_unaware,
            Reached::LeaseLapsed => lease_lapsed,
            Reached::InstalledBusy => installed_busy,
            Reached::Appended => appended,
            Reached::Returned => returned,
            Reached::LearnerDropped => learner_dropped,
            Reached::HandedOver => handed_over,
            Reached::LearnerLags => learner_lags,
            Reached::GoesOn => goes_on,
            Reached::BeginsAnew => begins_anew,
            Reached::Buried => buried,
            Reached::ChangesTogether => changes_together,
            Reached::Denied => denied,
            Reached::KeptForCopies => kept_for_copies,
            Reached::BegunAnew => begun_anew,
            Reached::VoteWaits => vote_waits,
        };
        Property::sometimes(self.name(), holds)
    }
}

/// [`Reached::AllReturned`].
fn all_returned<W: World>(world: &W, state: &W::State) -> bool {
    finished(world, state) && W::system(state).history().unknown().is_empty()
}

/// [`Reached::ReadFound`].
fn read_found<W: World>(_: &W, state: &W::State) -> bool {
    messages(W::system(state)).any(|envelope| {
        matches!(envelope.msg, Msg::Reply(Reply { outcome: Outcome::Value(_), .. }))
    })
}

/// [`Reached::SuccessorLags`].
fn successor_lags<W: World>(_: &W, state: &W::State) -> bool {
    chain(W::system(state)).windows(2).any(|pair| pair[1].last() < pair[0].last())
}

/// [`Reached::TwoLinksBusy`].
fn two_links_busy<W: World>(_: &W, state: &W::State) -> bool {
    let chain = chain(W::system(state));
    let busy = chain.windows(2).filter(|pair| pair[1].last() < pair[0].last());
    busy.count() >= 2
}

/// [`Reached::StableLags`].
fn stable_lags<W: World>(_: &W, state: &W::State) -> bool {
    let chain = chain(W::system(state));
    chain.windows(2).any(|pair| pair[0].committed < pair[1].committed)
}

/// [`Reached::AllAgree`].
fn all_agree<W: World>(_: &W, state: &W::State) -> bool {
    let chain = chain(W::system(state));
    chain.windows(2).all(|pair| pair[0].data == pair[1].data)
        && chain.first().is_some_and(|head| !head.data.is_empty())
}

/// [`Reached::Acknowledged`].
fn acknowledged<W: World>(_: &W, state: &W::State) -> bool {
    !W::system(state).history().acknowledged().is_empty()
}

/// [`Reached::DuplicateAnswered`].
fn duplicate_answered<W: World>(_: &W, state: &W::State) -> bool {
    let system = W::system(state);
    let heads: Vec<_> = (members(system).iter())
        .filter(|member| member.view.chain.len() > 1)
        .filter_map(|member| member.view.head())
        .collect();
    messages(system).any(|envelope| match envelope.msg {
        Msg::Reply(Reply { outcome, .. }) => {
            heads.contains(&envelope.src)
                && !matches!(outcome, Outcome::Value(_) | Outcome::Refused(_))
        }
        Msg::Opened(_)
        | Msg::Invoke(_)
        | Msg::Return(_)
        | Msg::Request(_)
        | Msg::Redirect(_)
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
        | Msg::Resumed(_) => false,
    })
}

/// [`Reached::DirtyForwarded`].
fn dirty_forwarded<W: World>(_: &W, state: &W::State) -> bool {
    messages(W::system(state)).any(|envelope| match envelope.msg {
        Msg::Request(Request { id, .. }) => id.gateway != envelope.src,
        Msg::Opened(_)
        | Msg::Invoke(_)
        | Msg::Return(_)
        | Msg::Reply(_)
        | Msg::Redirect(_)
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
        | Msg::Resumed(_) => false,
    })
}

/// [`Reached::ListingForwarded`].
fn listing_forwarded<W: World>(_: &W, state: &W::State) -> bool {
    let mut messages = messages(W::system(state));
    messages.any(|envelope| matches!(envelope.msg, Msg::ScanFor(_)))
}

/// [`Reached::Listed`].
fn listed<W: World>(_: &W, state: &W::State) -> bool {
    messages(W::system(state)).any(|envelope| match envelope.msg {
        Msg::Scanned(Scanned { keys, total, .. }) => !keys.is_empty() || *total > 0,
        Msg::Opened(_)
        | Msg::Invoke(_)
        | Msg::Return(_)
        | Msg::Request(_)
        | Msg::Reply(_)
        | Msg::Redirect(_)
        | Msg::Update(_)
        | Msg::Missing(_)
        | Msg::Ack(_)
        | Msg::Scan(_)
        | Msg::Fetch(_)
        | Msg::Rows(_)
        | Msg::Caught(_)
        | Msg::Changes(_)
        | Msg::Views(_)
        | Msg::ScanFor(_)
        | Msg::Resume(_)
        | Msg::Resumed(_) => false,
    })
}

/// [`Reached::RecoveredAndServed`].
fn recovered_and_served<W: World>(world: &W, state: &W::State) -> bool {
    W::crashes(state) > 0 && !W::system(state).is_anyone_down() && finished(world, state)
}

/// [`Reached::GivenUp`].
fn given_up<W: World>(_: &W, state: &W::State) -> bool {
    W::crashes(state) > 0 && !W::system(state).history().unknown().is_empty()
}

/// [`Reached::Redirected`].
fn redirected<W: World>(world: &W, state: &W::State) -> bool {
    let actors = world.actors().iter().zip(W::system(state).states());
    let mut gateways = actors.filter_map(|(actor, state)| match (actor, state) {
        (ChainActor::Gateway(gateway), ChainState::Gateway(state)) => {
            Some((gateway.view().epoch, state.view.epoch))
        }
        _ => None,
    });
    finished(world, state) && gateways.any(|(first, now)| now > first)
}

/// [`Reached::WindowFull`].
fn window_full<W: World>(world: &W, state: &W::State) -> bool {
    members(W::system(state)).iter().any(|member| match &world.actors()[usize::from(member.id)] {
        ChainActor::Replica(replica) => member.log.len() == replica.window_bound(),
        ChainActor::Gateway(_) | ChainActor::Coordinator(_) | ChainActor::Script(_) => false,
    })
}

/// [`Reached::UnknownTookEffect`].
fn unknown_took_effect<W: World>(_: &W, state: &W::State) -> bool {
    let system = W::system(state);
    let unknown = system.history().unknown();
    let members = members(system);
    unknown.iter().any(|id| members.iter().any(|member| member.is_newest(id)))
}

/// [`Reached::HeadLost`].
fn head_lost<W: World>(world: &W, state: &W::State) -> bool {
    lost(world, state, |first, member| first.head() == Some(member))
}

/// [`Reached::MiddleLost`].
fn middle_lost<W: World>(world: &W, state: &W::State) -> bool {
    let inner = |first: &View, member| first.head() != Some(member) && first.tail() != Some(member);
    lost(world, state, inner)
}

/// [`Reached::TailLost`].
fn tail_lost<W: World>(world: &W, state: &W::State) -> bool {
    lost(world, state, |first, member| first.tail() == Some(member))
}

/// [`Reached::RemovedUnaware`].
fn removed_unaware<W: World>(world: &W, state: &W::State) -> bool {
    let system = W::system(state);
    let newest = newest(system).map_or(Vec::new(), |newest| newest.chain);
    let unaware = |member: &Rc<Member>| {
        !newest.contains(&member.id) && member.view.chain.contains(&member.id)
    };
    finished(world, state) && members(system).iter().any(unaware)
}

/// [`Reached::LeaseLapsed`].
fn lease_lapsed<W: World>(_: &W, state: &W::State) -> bool {
    let states = W::system(state).states();
    let mut leases = states.filter_map(|state| match state {
        ChainState::Replica(state) => Some(&state.lease),
        ChainState::Stopped
        | ChainState::Gateway(_)
        | ChainState::Coordinator(_)
        | ChainState::Script(_) => None,
    });
    leases.any(|lease| lease.counted().next().is_none())
}

/// [`Reached::InstalledBusy`].
fn installed_busy<W: World>(_: &W, state: &W::State) -> bool {
    let members = members(W::system(state));
    let mut busy = members.iter().filter(|member| !member.log.is_empty());
    busy.any(|member| member.view.epoch > FIRST_EPOCH)
}

/// [`Reached::Appended`].
fn appended<W: World>(world: &W, state: &W::State) -> bool {
    let system = W::system(state);
    let tail = newest(system).and_then(|newest| newest.tail());
    let first = first_view(world)
        .is_some_and(|first| tail.is_some_and(|tail| !first.chain.contains(&tail)));
    let knows = |member: &Rc<Member>| Some(member.id) == member.view.tail();
    finished(world, state)
        && first
        && members(system).iter().any(|member| Some(member.id) == tail && knows(member))
}

/// [`Reached::Returned`].
fn returned<W: World>(world: &W, state: &W::State) -> bool {
    let newest = newest(W::system(state));
    let first = first_view(world);
    finished(world, state)
        && newest.zip(first).is_some_and(|(newest, first)| {
            newest.chain.len() == first.chain.len() && newest.epoch >= first.epoch + 3
        })
}

/// [`Reached::LearnerDropped`].
fn learner_dropped<W: World>(world: &W, state: &W::State) -> bool {
    let newest = newest(W::system(state));
    let learned = |member: &Rc<Member>| member.transfer.is_some() && member.learns().is_none();
    finished(world, state)
        && newest.is_some_and(|newest| newest.learner.is_none())
        && members(W::system(state)).iter().any(learned)
}

/// [`Reached::HandedOver`].
fn handed_over<W: World>(_: &W, state: &W::State) -> bool {
    let teachings = teachings(W::system(state));
    teachings
        .iter()
        .any(|(tail, learner)| tail.has_handed_over() && tail.committed < learner.committed)
}

/// [`Reached::LearnerLags`].
fn learner_lags<W: World>(_: &W, state: &W::State) -> bool {
    let teachings = teachings(W::system(state));
    teachings.iter().any(|(tail, _)| !tail.retained.is_empty())
}

/// [`Reached::GoesOn`].
fn goes_on<W: World>(_: &W, state: &W::State) -> bool {
    let mut messages = messages(W::system(state));
    messages.any(|it| matches!(it.msg, Msg::Resumed(Resumed { goes_on: true, .. })))
}

/// [`Reached::BeginsAnew`].
fn begins_anew<W: World>(_: &W, state: &W::State) -> bool {
    let mut messages = messages(W::system(state));
    messages.any(|it| matches!(it.msg, Msg::Resumed(Resumed { goes_on: false, .. })))
}

/// [`Reached::Buried`].
fn buried<W: World>(_: &W, state: &W::State) -> bool {
    members(W::system(state)).iter().any(|member| !member.tombstones.is_empty())
}

/// [`Reached::ChangesTogether`].
fn changes_together<W: World>(_: &W, state: &W::State) -> bool {
    let mut messages = messages(W::system(state));
    messages.any(|it| matches!(it.msg, Msg::Changes(Changes { changes, .. }) if changes.len() > 1))
}

/// [`Reached::Denied`].
fn denied<W: World>(_: &W, state: &W::State) -> bool {
    !W::system(state).history().denied().is_empty()
}

/// [`Reached::BegunAnew`].
fn begun_anew<W: World>(world: &W, state: &W::State) -> bool {
    let newest = newest(W::system(state));
    finished(world, state) && newest.is_some_and(|view| view.is_begun_anew())
}

/// [`Reached::KeptForCopies`].
fn kept_for_copies<W: World>(world: &W, state: &W::State) -> bool {
    let mut states = W::system(state).states();
    let is_smaller =
        |view: &View| first_view(world).is_some_and(|first| view.chain.len() < first.chain.len());
    states.any(|state| match state {
        ChainState::Coordinator(state) => {
            let mut members = state.decided.chain.iter();
            is_smaller(&state.decided)
                && state.proposal.is_none()
                && members.any(|member| state.suspects.contains(member))
        }
        ChainState::Stopped
        | ChainState::Replica(_)
        | ChainState::Gateway(_)
        | ChainState::Script(_) => false,
    })
}

/// [`Reached::VoteWaits`].
fn vote_waits<W: World>(_: &W, state: &W::State) -> bool {
    W::system(state).states().any(|state| match state {
        ChainState::Coordinator(state) => {
            let proposal = state.proposal.as_ref();
            proposal.is_some_and(|this| this.view.is_some() && this.votes.is_empty())
        }
        ChainState::Stopped
        | ChainState::Replica(_)
        | ChainState::Gateway(_)
        | ChainState::Script(_) => false,
    })
}
