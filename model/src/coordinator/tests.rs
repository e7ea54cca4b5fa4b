//! What a coordinator does, step by step, where no model asks.

use super::suspicion::CALM;
use super::*;
use crate::chain::{Key as ChainKey, Nested, Report, Row as ChainRow, View as Chain};
use crate::coordinator::msg::{Accept, Heartbeat, Install};
use crate::store::MapStore;
use stateright::actor::Command;

/// Another coordinator has voted for a view without a member that is alive, so that nothing else
/// can be decided: this one's grants to that member end, and it votes. Where no proposer insists,
/// grants go on.
#[test]
fn a_vote_that_others_insist_on_ends_grants() {
    let (this, other, third) = (Id::from(0), Id::from(1), Id::from(2));
    let (stays, leaves) = (Id::from(3), Id::from(4));
    let coordinator = Coordinator::new(Vec::new(), Timeouts::default());
    let mut store = Nested(MapStore::<ChainKey, ChainRow>::default());
    let first = Chain::new(1, vec![stays, leaves]).decided_by(vec![this, other, third]);
    Coordinator::init(&mut store, first.clone());
    let started = coordinator.start(this, Some(store), &mut Out::new());
    let mut state = Cow::Owned(started.expect("it has a store"));
    type State<'a> = Cow<'a, StateOf<Chain, Nested<MapStore<ChainKey, ChainRow>>>>;
    let says = |state: &mut State<'_>, src, msg| {
        let mut out = Out::new();
        coordinator.receive(this, state, src, msg, &mut out);
        out
    };
    let is_granted = |state: &mut State<'_>, n| {
        let out = says(state, leaves, Msg::Heartbeat(Heartbeat { boot: 1, n, epoch: 1 }));
        out.iter().any(|command| matches!(command, Command::Send(_, Msg::Lease(_))))
    };
    let accept = |round| {
        let ballot = Ballot { round, proposer: other };
        let mut view = Chain { epoch: 2, ..first.clone() };
        view.chain.retain(|member| *member != leaves);
        Msg::Accept(Accept { ballot, view })
    };
    assert!(is_granted(&mut state, 1));
    says(&mut state, other, accept(1));
    assert!(state.accepted.is_none(), "its grant lives");
    assert!(!is_granted(&mut state, 2), "the grant is to end");
    coordinator.timeout(this, &mut state, &Timer::Drive, &mut Out::new());
    assert!(is_granted(&mut state, 3), "nobody insisted");
    says(&mut state, other, accept(2));
    coordinator.timeout(this, &mut state, &Timer::Expire(leaves), &mut Out::new());
    says(&mut state, other, accept(3));
    assert!(state.accepted.is_some() && !is_granted(&mut state, 4));
}

/// Joins again and again, and is dropped each time: it is named later each time, and at once again
/// when it has become a member.
#[test]
fn who_keeps_failing_is_named_after_a_growing_pause() {
    let (this, member, newcomer) = (Id::from(0), Id::from(1), Id::from(2));
    let timeouts = Timeouts { pause: 3, ..Timeouts::default() };
    let coordinator = Coordinator::new(Vec::new(), timeouts);
    let mut store = Nested(MapStore::<ChainKey, ChainRow>::default());
    Coordinator::init(&mut store, Chain::new(1, vec![member]).decided_by(vec![this]));
    let started = coordinator.start(this, Some(store), &mut Out::new());
    let mut state = Cow::Owned(started.expect("it has a store"));
    let out = &mut Out::new();
    let mut reports_until_named = |state: &mut Cow<'_, StateOf<Chain, _>>| {
        let named = |state: &StateOf<Chain, _>| state.decided.learner() == Some(newcomer);
        let mut reports = 0;
        while !named(state) && reports < 100 {
            reports += 1;
            let join = Msg::Report(Report::Join);
            coordinator.receive(this, state, newcomer, join, out);
        }
        reports
    };
    for expected in [1, 4, 7, 13] {
        assert_eq!(reports_until_named(&mut state), expected);
        coordinator.timeout(this, &mut state, &Timer::Suspect(newcomer), &mut Out::new());
        assert!(state.decided.learner().is_some(), "others may fall silent with it");
        coordinator.timeout(this, &mut state, &Timer::Drive, &mut Out::new());
        assert_eq!(state.decided.learner(), None, "it fell silent");
    }
    while state.decided.learner().is_none() {
        reports_until_named(&mut state);
    }
    let ready = Msg::Report(Report::Ready { since: state.decided.epoch });
    coordinator.receive(this, &mut state, member, ready, &mut Out::new());
    assert_eq!(state.decided.chain, [member, newcomer]);
    assert!(state.failed.is_empty());
}

/// Two have died, and one of them is left out: that is no sign of life of the other, which is found
/// out when it would have been.
#[test]
fn silence_goes_on_when_somebody_else_is_left_out() {
    let (this, other) = (Id::from(0), Id::from(1));
    let members: Vec<_> = (2..5).map(Id::from).collect();
    let coordinator = Coordinator::new(Vec::new(), Timeouts::default());
    let mut store = Nested(MapStore::<ChainKey, ChainRow>::default());
    let first = Chain::new(1, members.clone()).decided_by(vec![this, other]);
    Coordinator::init(&mut store, first.clone());
    let started = coordinator.start(this, Some(store), &mut Out::new());
    let mut state = Cow::Owned(started.expect("it has a store"));
    for member in &members {
        let alive = Msg::Heartbeat(Heartbeat { boot: 1, n: 1, epoch: 1 });
        coordinator.receive(this, &mut state, *member, alive, &mut Out::new());
    }
    let mut view = Chain { epoch: 2, ..first };
    view.chain.pop();
    let mut out: Out<Coordinator<Chain, Nested<MapStore<ChainKey, ChainRow>>>> = Out::new();
    coordinator.receive(this, &mut state, other, Msg::Install(Install { view }), &mut out);
    let touched = |member: Id| {
        out.iter().any(|command| match command {
            Command::SetTimer(timer, _) | Command::CancelTimer(timer) => {
                *timer == Timer::Suspect(member)
            }
            _ => false,
        })
    };
    assert_eq!(
        members.iter().map(|member| touched(*member)).collect::<Vec<_>>(),
        [false, false, true]
    );
}

/// Members fall silent and are heard again in the same start: silence may last twice as long each
/// time, eight times at the most, and shorter again as heartbeats come in time. One that starts
/// anew had died, and is no reason.
#[test]
fn false_suspicions_take_longer_each_time() {
    type Heard = Out<Coordinator<Chain, Nested<MapStore<ChainKey, ChainRow>>>>;
    let this = Id::from(0);
    let members: Vec<_> = (2..5).map(Id::from).collect();
    let coordinator = Coordinator::new(Vec::new(), Timeouts::default()).copies(2);
    let mut store = Nested(MapStore::<ChainKey, ChainRow>::default());
    let first = Chain::new(1, members.clone()).decided_by(vec![this]);
    Coordinator::init(&mut store, first);
    let started = coordinator.start(this, Some(store), &mut Out::new());
    let mut state = Cow::Owned(started.expect("it has a store"));
    let mut n = 0;
    let mut alive = |state: &mut Cow<'_, StateOf<Chain, _>>, member: Id, boot| {
        n += 1;
        let epoch = state.decided.epoch;
        let mut out: Heard = Out::new();
        let heartbeat = Msg::Heartbeat(Heartbeat { boot, n, epoch });
        coordinator.receive(this, state, member, heartbeat, &mut out);
        let silence = out.iter().find_map(|command| match command {
            Command::SetTimer(Timer::Suspect(_), silence) => Some(silence.start.as_millis()),
            _ => None,
        });
        silence.expect("it is awaited")
    };
    let suspect = |state: &mut Cow<'_, StateOf<Chain, _>>, member: Id| {
        coordinator.timeout(this, state, &Timer::Suspect(member), &mut Out::new());
    };
    for member in &members {
        assert_eq!(alive(&mut state, *member, 1), 300);
    }
    for expected in [600, 1200, 2400, 2400] {
        suspect(&mut state, members[1]);
        assert_eq!(alive(&mut state, members[1], 1), expected);
    }
    assert_eq!(state.doubt.wrong, 4);
    suspect(&mut state, members[1]);
    assert_eq!(alive(&mut state, members[1], 2), 2400, "it had died");
    assert_eq!(state.doubt.wrong, 4);
    let heartbeats = (0..CALM).flat_map(|_| members.iter());
    let silences: Vec<_> = heartbeats.map(|member| alive(&mut state, *member, 2)).collect();
    assert_eq!(silences.last(), Some(&1200));

    // It is left out, and returns as it was.
    state.to_mut().doubt.level = 0;
    suspect(&mut state, members[2]);
    for timer in [Timer::Drive, Timer::Expire(members[2])] {
        coordinator.timeout(this, &mut state, &timer, &mut Out::new());
    }
    assert_eq!(state.decided.chain, members[..2]);
    let join = Msg::Report(Report::Join);
    coordinator.receive(this, &mut state, members[2], join, &mut Out::new());
    alive(&mut state, members[2], 2);
    assert_eq!((state.doubt.level, state.doubt.wrong), (1, 5));
}

/// A coordinator that was late itself finds everyone silent, and then hears them one after the
/// other: it waits for as long as it would have waited for one.
#[test]
fn who_suspects_most_waits_again() {
    type Told = Out<Coordinator<Chain, Nested<MapStore<ChainKey, ChainRow>>>>;
    let this = Id::from(0);
    let members: Vec<_> = (2..5).map(Id::from).collect();
    let coordinator = Coordinator::new(Vec::new(), Timeouts::default());
    let mut store = Nested(MapStore::<ChainKey, ChainRow>::default());
    Coordinator::init(&mut store, Chain::new(1, members.clone()).decided_by(vec![this]));
    let started = coordinator.start(this, Some(store), &mut Out::new());
    let mut state = Cow::Owned(started.expect("it has a store"));
    let mut waits = |member: Id| {
        let mut out: Told = Out::new();
        coordinator.timeout(this, &mut state, &Timer::Suspect(member), &mut out);
        out.iter().find_map(|command| match command {
            Command::SetTimer(Timer::Drive, wait) => Some(wait.start.as_millis()),
            _ => None,
        })
    };
    assert_eq!(
        members.iter().map(|it| waits(*it)).collect::<Vec<_>>(),
        [Some(30), Some(300), None]
    );
}
