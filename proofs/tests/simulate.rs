//! Random walks: that they pass, that they are worth something, and that a seed is a run.

use chainring_model::Mechanism;
use chainring_proofs::claim::Claim;
use chainring_proofs::simulations::{Options, Simulation};
use std::collections::BTreeSet;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Twenty seeds stand, and in them happens what a simulation is for.
fn passes_and_sees(simulation: Simulation, matters: &[&str]) {
    let report = simulation.run(0..20, None, &Options::default());
    assert!(report.stands(), "{report}");
    for what in matters {
        assert!(report.figures.of(what) > 0, "no {what}: {report}");
    }
    assert!(report.figures.of("operations returned") > 2000, "{report}");
}

/// One of two hundred seeds finds each mutant by this property, before any other one falls in it.
fn finds(simulation: Simulation, mutants: &[(Mechanism, Claim)]) {
    let options = Options { threads: 1, until_failure: true, ..Options::default() };
    for (lacks, property) in mutants {
        let mut others = BTreeSet::new();
        let fell = (0..200).any(|seed| {
            let failures = simulation.run(seed..seed + 1, Some(*lacks), &options).failures;
            others.extend(failures.iter().map(|failure| failure.property.clone()));
            failures.iter().any(|failure| failure.property == property.name())
        });
        assert!(fell, "`{}` escaped `{property}`; what fell is {others:?}", lacks.mutant());
    }
}

#[test]
fn seeds_pass_and_see_what_matters() {
    passes_and_sees(
        Simulation::Chain,
        &[
            "crashes",
            "gateways restarted",
            "learners appended",
            "learners let go on",
            "learners refused to go on",
            "messages lost",
            "operations unknown",
            "partitions",
            "pauses",
            "reads by others",
            "reads forwarded",
            "retries suppressed",
            "views decided",
        ],
    );
}

/// The controls: a simulation that cannot fail is worthless. `chainring check --simulate chain
/// --mutants` has all.
#[test]
fn mutants_are_found_by_a_few_seeds() {
    use Mechanism::*;
    finds(
        Simulation::Chain,
        &[
            (Deduplication, Claim::AtMostOnce),
            (IncarnationGrows, Claim::IncarnationsGrow),
            (DirtyForwarded, Claim::Linearizable),
            (LogRecovery, Claim::Durable),
            (ResendOnInstall, Claim::DidNotFinish),
            (TailCommitsLog, Claim::Held),
            (LeaseForReads, Claim::Linearizable),
            (LearnerEmptied, Claim::Agreement),
            (LanesTransferred, Claim::Agreement),
            (HandoverEnds, Claim::Handover),
            (LogDropped, Claim::Durable),
        ],
    );
}

/// The same of rings.
#[test]
fn seeds_of_rings_pass_and_see_what_matters() {
    passes_and_sees(
        Simulation::Ring,
        &[
            "attempts refused",
            "clients told of a restart",
            "copies given",
            "crashes",
            "members joined",
            "members removed",
            "messages lost",
            "operations unavailable",
            "operations unknown",
            "orders given",
            "partitions",
            "pauses",
            "registers repaired",
            "suspicions told",
            "tombstones purged",
            "views decided",
        ],
    );
}

/// Their controls. `chainring check --simulate ring --mutants` has all.
#[test]
fn mutants_of_rings_are_found_by_a_few_seeds() {
    use Mechanism::*;
    finds(
        Simulation::Ring,
        &[
            (QuorumMajority, Claim::Held),
            (PromiseKept, Claim::OneLineage),
            (BallotPerAttempt, Claim::OneValuePerBallot),
            (Recent, Claim::AtMostOnce),
            (RefusalAccepted, Claim::Linearizable),
            (PurgeAll, Claim::Held),
            (FetchThenVote, Claim::Held),
            (FetchMajority, Claim::Held),
            (FetchForgets, Claim::Held),
        ],
    );
}

/// The same seed is the same run, to the last word.
#[test]
fn a_seed_is_a_run() {
    for simulation in Simulation::ALL {
        let (one, again) = (simulation.tell(3, None), simulation.tell(3, None));
        assert!(one.trace == again.trace && one.figures == again.figures);
        assert!(one.trace.len() > 1000);
        let untold = simulation.run(3..4, None, &Options::default());
        assert_eq!(untold.steps, one.steps, "telling changes nothing");
        assert_ne!(simulation.tell(4, None).trace, one.trace);
    }
}
