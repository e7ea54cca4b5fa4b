//! The controls: every mutant is caught by the property that names it.

use chainring_model::Mechanism;
use chainring_proofs::catalogue::{self, Entry, Steps};
use chainring_proofs::checker::crash_points::Order;
use chainring_proofs::checker::run::{Options, Search};
use chainring_proofs::claim::Claim;
use chainring_proofs::mutants;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[test]
fn every_mutant_is_caught_by_the_property_that_names_it() {
    for mutant in mutants::all() {
        let catch = mutant.hunt();
        let stuck = catch.stuck.unwrap_or_default();
        let (name, property, report) = (catch.mutant, catch.property, catch.report);
        assert!(catch.caught, "{name} escaped `{property}`: {report}{stuck}");
        assert!(catch.length > 0, "{name} is caught without a step");
    }
}

/// The same configuration and property, of the protocol that lacks nothing, holds: what falls in a
/// mutant falls because of what it lacks. The run that a schedule describes is not possible there,
/// or breaks nothing.
#[test]
fn the_intact_protocol_passes_where_its_mutants_fail() {
    for mutant in mutants::all().into_iter().filter(|m| m.lacks != Mechanism::SaveThenSend) {
        if let Some(schedule) = mutant.schedule {
            let driven = mutant.entry.follow(None, schedule, mutant.falls.name());
            assert!(driven.fell.is_none(), "{}: {:?}", mutant.lacks.mutant(), driven.trace.steps);
            continue;
        }
        let options = Options { search: Search::Depth, ..Options::default() };
        let report = mutant.entry.run(None, &options);
        assert!(report.stands(), "{report}");
    }
}

/// Persist, then speak: the same models with crash points pass in the one order and fail in the
/// other, of the chain and of the ring.
#[test]
fn torn_steps_pass_save_first_and_fail_send_first() {
    let all = catalogue::all().into_iter();
    let torn = all.filter(|entry| matches!(entry.steps, Steps::CrashPoints(_)));
    let mut names = Vec::new();
    for entry in torn {
        let explored = |order| {
            let entry = Entry { steps: Steps::CrashPoints(order), ..entry.clone() };
            entry.run(None, &Options::default())
        };
        let (save_first, send_first) = (explored(Order::SaveFirst), explored(Order::SendFirst));
        assert!(save_first.stands(), "{save_first}");
        assert!(!send_first.stands(), "{send_first}");
        names.push(entry.name);
    }
    assert_eq!(names, ["chain-torn", "ring-torn"]);
}

/// A listing is a read, and needs what reads need; each of them has another model, in which a
/// listing shows it.
#[test]
fn a_listing_needs_what_a_read_needs() {
    for (lacks, model) in [
        (Mechanism::DirtyForwarded, "chain-list"),
        (Mechanism::StretchClean, "chain-list-size"),
        (Mechanism::LeaseForReads, "chain-list-lease"),
        (Mechanism::LearnerSilent, "grow-list"),
        (Mechanism::HandedOverWaits, "grow-list"),
    ] {
        let entry = catalogue::find(model).expect("a model of the catalogue");
        let options = Options { until: Some(Claim::Linearizable.name()), ..Options::default() };
        let report = entry.run(Some(lacks), &options);
        let verdict = report.verdict(Claim::Linearizable).expect("every chain claims it");
        assert!(!verdict.stands, "{model} stands although it has {}", lacks.mutant());
    }
}
