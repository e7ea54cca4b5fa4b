//! Random walks: that they pass, that they are worth something, and that a seed is a run.

use chainring_model::Mechanism;
use chainring_proofs::simulate::{Options, Simulation};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A few seeds stand, and in them happens what a simulation is for.
#[test]
fn seeds_pass_and_see_what_matters() {
    let report = Simulation::Chain.run(0..20, None, &Options::default());
    assert!(report.stands(), "{report}");
    for what in [
        "crashes",
        "gateways restarted",
        "learners appended",
        "messages lost",
        "operations unknown",
        "partitions",
        "pauses",
        "reads by others",
        "reads forwarded",
        "retries suppressed",
        "views decided",
    ] {
        assert!(report.figures.of(what) > 0, "no {what}: {report}");
    }
    assert!(report.figures.of("operations returned") > 2000, "{report}");
}

/// The controls: a simulation that cannot fail is worthless. `chainring check --simulate chain --mutants` has all.
#[test]
fn mutants_are_found_by_a_few_seeds() {
    use Mechanism::*;
    let options = Options { threads: 1, until_failure: true, ..Options::default() };
    for (lacks, property) in [
        (Deduplication, "at most once"),
        (IncarnationGrows, "incarnations grow"),
        (DirtyForwarded, "linearizable"),
        (LogRecovery, "durable"),
        (ResendOnInstall, "did not finish"),
        (TailCommitsLog, "durable"),
        (LeaseForReads, "linearizable"),
        (LearnerEmptied, "agreement"),
        (LanesTransferred, "agreement"),
        (HandoverEnds, "handover"),
    ] {
        let report = Simulation::Chain.run(0..200, Some(lacks), &options);
        let fell = report.failures.iter().any(|failure| failure.property == property);
        assert!(fell, "`{}` escaped `{property}`: {report}", lacks.mutant());
    }
}

/// The same of rings.
#[test]
fn seeds_of_rings_pass_and_see_what_matters() {
    let report = Simulation::Ring.run(0..20, None, &Options::default());
    assert!(report.stands(), "{report}");
    for what in [
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
        "suspicions told",
        "tombstones purged",
        "views decided",
    ] {
        assert!(report.figures.of(what) > 0, "no {what}: {report}");
    }
    assert!(report.figures.of("operations returned") > 2000, "{report}");
}

/// Their controls. `chainring check --simulate ring --mutants` has all.
#[test]
fn mutants_of_rings_are_found_by_a_few_seeds() {
    use Mechanism::*;
    let options = Options { threads: 1, until_failure: true, ..Options::default() };
    for (lacks, property) in [
        (QuorumMajority, "held"),
        (PromiseKept, "one lineage"),
        (BallotPerAttempt, "one value per ballot"),
        (Recent, "at most once"),
        (RefusalAccepted, "linearizable"),
        (PurgeAll, "held"),
        (FetchThenVote, "held"),
        (FetchMajority, "held"),
        (FetchForgets, "held"),
    ] {
        let report = Simulation::Ring.run(0..200, Some(lacks), &options);
        let fell = report.failures.iter().any(|failure| failure.property == property);
        assert!(fell, "`{}` escaped `{property}`: {report}", lacks.mutant());
    }
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
