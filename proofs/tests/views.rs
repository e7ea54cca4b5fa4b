//! View changes in small: what is pruned, and what the consensus of three decides.

use chainring_model::Intact;
use chainring_model::chain::Reads;
use chainring_model::kv::Op;
use chainring_proofs::chain::world::ProofActor;
use chainring_proofs::chain::{Client, Mortal, Setup};
use chainring_proofs::checker::crash_points::Order;
use chainring_proofs::checker::graph::Graph;
use chainring_proofs::checker::reduce::Pruning;
use chainring_proofs::checker::run::{Options, Report, run};
use chainring_proofs::checker::state::CheckedState;
use chainring_proofs::checker::state::System;
use chainring_proofs::claim::Claim;
use chainring_proofs::coordinators;
use chainring_proofs::history::History;
use stateright::Property;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn small() -> Setup {
    Setup::new(2, [Client::new([Op::Increment(1)])])
        .views(1, 1)
        .suspects([1])
        .crashes(1, Mortal::Members)
}

fn verdicts(report: &Report) -> Vec<(&'static str, bool)> {
    report.properties.iter().map(|verdict| (verdict.property, verdict.stands)).collect()
}

/// All that a model's states say, but for what is under way.
fn reachable(setup: &Setup, pruning: Pruning) -> BTreeSet<u64> {
    let graph = Graph::of(&setup.model(&Intact, pruning));
    let digest = |state: &CheckedState<ProofActor, History>| {
        let System { actor_states, timers_set, crashed, history, actor_storages, .. } =
            &state.system;
        let mut hasher = DefaultHasher::new();
        (actor_states, timers_set, crashed, history, actor_storages).hash(&mut hasher);
        state.crashes.hash(&mut hasher);
        hasher.finish()
    };
    graph.states().map(digest).collect()
}

/// Pruning loses nothing and adds nothing: the same states of actors, disks, timers and histories
/// are reached, and the same dead ends found, without crash and view change and with them.
#[test]
fn whatever_is_pruned_the_same_is_reached() {
    let put = |value: &str| Op::Put(value.into());
    let reader = || Client::new([put("a"), Op::Get]).near(0);
    for setup in [
        Setup::new(2, [reader(), Client::new([Op::Increment(1)])]),
        Setup::new(2, [reader()]).crashes(1, Mortal::All),
        Setup::new(2, [reader()]).views(1, 1),
        small(),
        Setup::new(3, [reader()]).views(1, 1),
        Setup::new(2, [Client::new([put("a")]), Client::new([Op::Increment(1)])]).views(1, 1),
        Setup::new(2, [Client::new([Op::Increment(1)])]).views(3, 1).suspects([1]),
        Setup::new(2, [Client::new([put("a"), Op::Get]).near(1)])
            .views(1, 1)
            .suspects([1])
            .slow_leases(0)
            .crashes(1, Mortal::Members),
        Setup::new(2, [reader()]).views(1, 2).crashes(1, Mortal::All),
    ] {
        let (all, steps) = (reachable(&setup, Pruning::On), reachable(&setup, Pruning::Steps));
        assert_eq!(all, steps, "{setup}");
        assert!(all.len() > 20, "{} states in {setup}", all.len());
    }
}

/// Where a chain grows, and where a head may be removed: what was ever called obsolete stays a
/// no-op.
#[test]
fn obsolete_messages_stay_obsolete_where_chains_grow() {
    let increments = || Client::new([Op::Increment(1), Op::Increment(1)]);
    let increment = || Client::new([Op::Increment(1)]);
    for setup in [
        Setup::new(1, [increment()]).teaching(1).views(1, 3).suspects([1]),
        Setup::new(2, [increments()]).views(1, 1).suspects([0]),
        Setup::new(2, [increment()]).views(1, 2).suspects([0, 1]),
        Setup { complaints: true, ..Setup::new(1, [increment()]) }
            .teaching(1)
            .views(1, 1)
            .suspects([9]),
    ] {
        let model = setup.model(&Intact, Pruning::Audit);
        let graph = Graph::of(&model);
        assert!(graph.states().all(|state| model.audit(state)), "{setup}");
        assert!(graph.states().any(|state| !state.retired.is_empty()), "{setup}");
    }
}

/// With a crash and a view change: what was ever called obsolete stays a no-op, and dropping it
/// changes no verdict.
#[test]
fn obsolete_messages_stay_obsolete_across_views_and_crashes() {
    let options = Options { threads: 1, ..Options::default() };
    let pruned = run(|| small().model(&Intact, Pruning::On), &options);
    let audited = || {
        let audit = Property::always("audit", |model, state| {
            chainring_proofs::chain::world::ChainModel::<Intact>::audit(model, state)
        });
        small().model(&Intact, Pruning::Audit).property(audit)
    };
    let audited = run(audited, &options);
    assert!(pruned.stands(), "{pruned}");
    assert!(audited.stands(), "{audited}");
    assert!(pruned.unique_states < audited.unique_states);
    let graph = Graph::of(&small().model(&Intact, Pruning::Audit));
    assert!(graph.states().any(|state| !state.retired.is_empty()));
    assert!(verdicts(&audited).starts_with(&verdicts(&pruned)));
}

/// Pinned: a changed number means that the protocol changed.
#[test]
fn three_coordinators_decide_one_view() {
    let council =
        coordinators::Setup { coordinators: 3, proposers: 2, epochs: 2, rounds: 1, crashes: 0 };
    let options = Options { threads: 1, ..Options::default() };
    let report = run(|| council.model(&Intact, Pruning::On), &options);
    assert!(report.stands(), "{report}");
    assert_eq!(report.unique_states, 68_534);
}

/// What a coordinator promises and votes for, it has saved before it says so: a crash between any
/// two of its commands breaks nothing. Pinned.
#[test]
fn coordinators_keep_their_word_across_crash_points() {
    let setup =
        coordinators::Setup { coordinators: 3, proposers: 1, epochs: 1, rounds: 1, crashes: 1 };
    let model = || setup.model(&Intact, Pruning::Off).crash_points(Order::SaveFirst);
    let report = run(model, &Options { threads: 1, ..Options::default() });
    for claim in [Claim::OneView, Claim::EpochsAdvance, Claim::Durable] {
        assert!(report.verdict(claim).is_some_and(|verdict| verdict.stands), "{report}");
    }
    assert!(report.exhaustive);
    assert_eq!(report.unique_states, 93_852);
}

/// What replicas, gateways and clients believe and have saved, and what was decided: all of a state
/// but the coordinators' own business.
fn beside_coordinators(setup: &Setup) -> BTreeSet<u64> {
    let graph = Graph::of(&setup.model(&Intact, Pruning::On));
    let digest = |state: &CheckedState<ProofActor, History>| {
        let System { actor_states, history, actor_storages, .. } = &state.system;
        let others = actor_states.len() - setup.coordinators;
        let mut hasher = DefaultHasher::new();
        (&actor_states[..others], history, &actor_storages[..others]).hash(&mut hasher);
        hasher.finish()
    };
    graph.states().map(digest).collect()
}

/// Suspicions and ballots of a coordinator whose own proposal is under way can as well come after
/// it: with them, no replica, gateway or client comes to be in another state than without them.
#[test]
fn coordinators_that_wait_for_their_proposals_stand_for_those_that_do_not() {
    let put = |value: &str| Op::Put(value.into());
    let increment = || Client::new([Op::Increment(1)]);
    for setup in [
        Setup::new(2, [increment()]).views(1, 1),
        Setup::new(3, [increment()]).views(1, 1),
        Setup::new(2, [Client::new([put("a"), Op::Get]).near(0)]).views(1, 2),
    ] {
        let impatient = setup.clone().impatient();
        let report = impatient.check(None, Pruning::On, &Options::default());
        assert!(report.stands(), "{report}");
        let (patient, all) = (beside_coordinators(&setup), beside_coordinators(&impatient));
        assert_eq!(patient, all, "{setup}");
        assert!(patient.len() > 50, "{} in {setup}", patient.len());
    }
}

/// The control of reads: the weak ones are weak, and are called so. Another client's read finds the
/// update that the first one knows to have happened missing.
#[test]
fn eventual_reads_are_not_linearizable() {
    let reads = |reads| {
        let setup =
            Setup::new(2, [Client::new([Op::Put("a".into()), Op::Get]).near(0).reading(reads)]);
        setup.check(None, Pruning::On, &Options { threads: 1, ..Options::default() })
    };
    assert!(reads(Reads::Any).stands() && reads(Reads::Tail).stands());
    let weak = reads(Reads::Eventual);
    let verdict = weak.verdict(Claim::Linearizable).expect("it is claimed");
    assert!(!verdict.stands, "{weak}");
    assert!(verdict.trace.is_some());
}
