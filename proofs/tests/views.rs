//! View changes in small: what is pruned, and what the consensus of three decides.

use chainring_model::Intact;
use chainring_model::chain::Reads;
use chainring_model::kv::Op;
use chainring_proofs::chain::{Client, Mortal, Setup};
use chainring_proofs::checked::Pruning;
use chainring_proofs::council::Council;
use chainring_proofs::run::{Options, Report, run};
use stateright::Property;

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

/// With a crash and a view change: what was ever called obsolete stays a no-op, and dropping it changes no
/// verdict.
#[test]
fn obsolete_messages_stay_obsolete_across_views_and_crashes() {
    let options = Options { threads: 1, ..Options::default() };
    let pruned = run(|| small().model(&Intact, Pruning::On), &options);
    let audited = || {
        let audit = Property::always("audit", |model, state| {
            chainring_proofs::world::ChainModel::<Intact>::audit(model, state)
        });
        small().model(&Intact, Pruning::Audit).property(audit)
    };
    let audited = run(audited, &options);
    assert!(pruned.stands(), "{pruned}");
    assert!(audited.stands(), "{audited}");
    assert!(pruned.unique_states < audited.unique_states);
    assert!(verdicts(&audited).starts_with(&verdicts(&pruned)));
}

/// Pinned: a changed number means that the protocol changed.
#[test]
fn three_coordinators_decide_one_view() {
    let council = Council { coordinators: 3, proposers: 2, rounds: 1, crashes: 0 };
    let options = Options { threads: 1, ..Options::default() };
    let report = run(|| council.model(&Intact, Pruning::On), &options);
    let safe = report.properties.iter().filter(|verdict| verdict.property != RECOVERED);
    assert!(report.exhaustive && safe.clone().all(|verdict| verdict.stands), "{report}");
    assert_eq!(report.unique_states, 38_306);
}

/// Nobody crashes in the pinned configuration.
const RECOVERED: &str = "the recovered have decided";

/// The control of reads: the weak ones are weak, and are called so. Another client's read finds the update that
/// the first one knows to have happened missing.
#[test]
fn eventual_reads_are_not_linearizable() {
    let reads = |reads| {
        let setup =
            Setup::new(2, [Client::new([Op::Put("a".into()), Op::Get]).near(0).reading(reads)]);
        setup.check(None, Pruning::On, &Options { threads: 1, ..Options::default() })
    };
    assert!(reads(Reads::Any).stands() && reads(Reads::Tail).stands());
    let weak = reads(Reads::Eventual);
    let verdict = weak.verdict("linearizable").expect("it is claimed");
    assert!(!verdict.stands, "{weak}");
    let steps = verdict.trace.as_ref().map(|trace| trace.steps.clone()).unwrap_or_default();
    assert!(steps.last().is_some_and(|step| step.contains("Refused(Absent)")), "{steps:#?}");
}
