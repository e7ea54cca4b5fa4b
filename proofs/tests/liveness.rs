//! Whether all ends, where the world is fair; and the controls, which only stall.

use chainring_model::Mechanism;
use chainring_proofs::catalogue::{self, Effort, Entry, Steps};
use chainring_proofs::checker::run::{Expectation, Options};
use chainring_proofs::claim::Claim;
use chainring_proofs::mutants;
use std::io::Write;
use std::process::{Command, Stdio};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Every model in which it is asked, but for those that take a minute: its name, its states, and
/// the steps between them.
const MODELS: &str = "\
ends-council 51656 303700
ends-council-crash 225896 1363036
ends-members 4351 39730
ends-members-crash 104229 1174038
ends-chain 1463 11640
ends-chain-three 231 1413
ends-chain-full 31 180
ends-chain-views 1548 10421
ends-chain-gone 11816 97774
ends-chain-told 14344 153438
ends-grow 21094 150573
ends-grow-join 3789 27458
ends-return 32172 235975
ends-ring 160 781
ends-ring-three 355 2540
ends-ring-read 600 5320
ends-ring-rivals 17537 280152
ends-ring-joint 37608 559992
ends-ring-joint-crash 9001 66799
ends-ring-join 88520 1540688
ends-ring-leave 678 7092
";

/// What only stalls without them, where, and what falls there. Those that need no model of their
/// own also fall in models of states.
const CONTROLS: &[(Mechanism, &str, Claim)] = &[
    (Mechanism::Retry, "ends-chain", Claim::OperationsEnd),
    (Mechanism::Retransmission, "ends-chain", Claim::OperationsEnd),
    (Mechanism::RecordedOutcome, "ends-chain", Claim::OperationsEnd),
    (Mechanism::ResumeAfterRestart, "ends-chain", Claim::OperationsEnd),
    (Mechanism::ResendOnInstall, "ends-chain-gone", Claim::OperationsEnd),
    (Mechanism::TailCommitsLog, "ends-chain-gone", Claim::OperationsEnd),
    (Mechanism::RetainedRecovered, "ends-grow", Claim::LearnersJoin),
    (Mechanism::DeadSought, "ends-members", Claim::TablesAgree),
];

/// How long the way to the cycle, and the cycle, are without these: first the controls above, then
/// the mutants of the models in which it is asked whether all ends.
const LASSOS: &str = "\
no retry: 2 + 0 in ends-chain, 3614 states
no retransmission: 2 + 2 in ends-chain, 1463 states
no recorded outcome: 5 + 2 in ends-chain, 1374 states
no resend after a restart: 4 + 2 in ends-chain, 1579 states
no resend on install: 8 + 1 in ends-chain-gone, 10766 states
a tail does not commit its log on install: 9 + 3 in ends-chain-gone, 11979 states
retained entries forgotten in a crash: 7 + 1 in ends-grow, 21146 states
no exchange with those held dead: 3 + 0 in ends-members, 4197 states
a gateway does not ask for views: 18 + 2 in ends-chain-told, 28688 states
a heartbeat of an older epoch gets no answer: 9 + 1 in ends-chain-told, 14344 states
a replica asks to join once: 2 + 0 in ends-grow-join, 999 states
a learner asks once: 4 + 0 in ends-grow, 28745 states
a coordinator proposes once: 9 + 0 in ends-council, 31432 states
an undecided vote is left undecided: 13 + 0 in ends-council-crash, 222364 states
a gateway of a ring asks once: 1 + 0 in ends-ring, 224 states
a read waits for every replica: 5 + 1 in ends-ring-read, 125 states
a refused attempt is the last: 15 + 0 in ends-ring-rivals, 3021 states
a newcomer fetches once: 6 + 3 in ends-ring-joint-crash, 6361 states
a node asks for views once: 9 + 1 in ends-ring-join, 88520 states
";

fn find(name: &str) -> Entry {
    catalogue::find(name).expect("a model of the catalogue")
}

/// Every claim holds, and none of them because nothing is ever open, or nothing ever closed.
#[test]
fn all_that_is_claimed_ends() {
    let mut table = String::new();
    for entry in catalogue::select_endings(&[], Effort::Default).expect("models") {
        let report = entry.endings(None, &Options::default());
        assert!(report.holds(), "{report}");
        for verdict in &report.verdicts {
            assert!((1..report.states).contains(&verdict.open), "{report}");
        }
        table += &format!("{} {} {}\n", entry.name, report.states, report.edges);
    }
    assert!(table == MODELS, "what is pinned should be\n{table}");
}

/// Without one mechanism something stalls, and the run that shows it is as long as it was.
#[test]
fn what_only_stalls_is_caught() {
    let of_mutant = |mutant: mutants::Mutant| (mutant.lacks, mutant.entry.name, mutant.falls);
    let own = mutants::all().into_iter().filter(|mutant| mutant.entry.steps == Steps::Fair);
    let mut table = String::new();
    for (lacks, model, claim) in CONTROLS.iter().copied().chain(own.map(of_mutant)) {
        let report = find(model).endings(Some(lacks), &Options::default());
        let verdict = report.verdict(claim).expect("the model claims it");
        let name = lacks.mutant();
        let Some(lasso) = &verdict.lasso else { panic!("{name} escapes `{claim}`: {report}") };
        let (stem, cycle) = (lasso.stem.len(), lasso.cycle.len());
        // Questions are steps of their own there.
        assert!(lasso.path.split('/').count() > stem, "{name}: {}", lasso.path);
        table += &format!("{name}: {stem} + {cycle} in {model}, {} states\n", report.states);
    }
    assert!(table == LASSOS, "what is pinned should be\n{table}");
}

/// What is needed for an end alone is needed for nothing else: without it all that is claimed of
/// states holds.
#[test]
fn what_only_stalls_breaks_nothing_else() {
    let stalling = [Claim::NoDeadEnd.name(), Claim::CanFinish.name()];
    for mutant in mutants::all().iter().filter(|mutant| mutant.entry.steps == Steps::Fair) {
        let models: &[&str] = match mutant.entry.name {
            name if name.starts_with("ends-ring") => &["ring-read", "ring-pair-leave"],
            name if name.starts_with("ends-council") => &["coordinators"],
            _ => &["chain-views-crash", "grow-crash"],
        };
        for model in models {
            let until = Some(Claim::Durable.name());
            let options = Options { until, ..Options::default() };
            let report = find(model).run(Some(mutant.lacks), &options);
            assert!(report.exhaustive, "{}: {report}", mutant.lacks.mutant());
            let always = report.properties.iter().filter(|verdict| {
                verdict.expectation != Expectation::Sometimes
                    && !stalling.contains(&verdict.property)
            });
            for verdict in always {
                assert!(verdict.stands, "{}: {report}", mutant.lacks.mutant());
            }
        }
    }
}

/// Another program, with another algorithm, says the same of the same graphs: of protocols that are
/// whole, and of some that are not.
#[test]
fn another_checker_says_the_same() {
    let python = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
    if !python.is_ok_and(|status| status.success()) {
        let needed = std::env::var_os("CHAINRING_ALL_TOOLS").is_some();
        assert!(!needed, "python3 is not installed");
        // Past the capture of outputs.
        let _ = writeln!(std::io::stderr(), "NOT TESTED: python3 is not installed");
        return;
    }
    for (model, lacks) in [
        ("ends-chain", None),
        ("ends-chain", Some(Mechanism::Retry)),
        ("ends-chain", Some(Mechanism::RecordedOutcome)),
        ("ends-chain-views", None),
        ("ends-ring-read", None),
        ("ends-ring-read", Some(Mechanism::ReadsComplete)),
        ("ends-members", None),
        ("ends-members", Some(Mechanism::DeadSought)),
        ("ends-grow-join", None),
        ("ends-grow-join", Some(Mechanism::JoinsAgain)),
    ] {
        let entry = find(model);
        let mut said: Vec<_> = (entry.endings(lacks, &Options::default()).verdicts.iter())
            .map(|verdict| (verdict.claim.to_string(), verdict.lasso.is_none()))
            .collect();
        let mut other = judged_by_another(&entry, lacks);
        said.sort();
        other.sort();
        assert_eq!(said, other, "{model} without {lacks:?}");
    }
}

/// What the other checker says of each claim: whether it holds.
fn judged_by_another(entry: &Entry, lacks: Option<Mechanism>) -> Vec<(String, bool)> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("graph.json");
    let graph = serde_json::to_string(&entry.export(lacks)).expect("numbers and names");
    std::fs::write(&file, graph).expect("a file that can be written");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/fair.py");
    let output = Command::new("python3").arg(script).arg(&file).output().expect("python3 runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let judged = text.lines().map(|line| {
        let mut parts = line.rsplit(": ");
        let (verdict, claim) = (parts.next(), parts.next().expect("a claim before its verdict"));
        (claim.to_string(), verdict == Some("holds"))
    });
    judged.collect()
}
