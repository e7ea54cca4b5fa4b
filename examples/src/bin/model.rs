//! Start here: a system of your own choosing, checked in a few lines.
//!
//! Two replicas; one client increments and reads, another one deletes; any of them may crash once.
//! What is explored is every interleaving of messages, losses, duplicates, timers and crashes.

use chainring_model::Mechanism;
use chainring_model::kv::Op;
use chainring_proofs::chain::{Client, Mortal, Setup};
use chainring_proofs::checker::reduce::Pruning;
use chainring_proofs::checker::run::Options;

fn main() {
    let counter = Client::new([Op::Increment(1), Op::Get]).near(0);
    let deleter = Client::new([Op::Delete]);
    let setup = Setup::new(2, [counter, deleter]).crashes(1, Mortal::All);

    let report = setup.check(None, Pruning::On, &Options::default());
    println!("{setup}\n{report}");
    assert!(report.stands(), "the protocol holds");

    // The control: the same system without one mechanism.
    let lacks = Some(Mechanism::DirtyForwarded);
    let report = setup.check(lacks, Pruning::On, &Options::default());
    let verdict = report.verdict("linearizable").expect("it is one of the properties");
    let trace =
        verdict.trace.as_ref().expect("a replica that answers dirty keys is not linearizable");
    println!(
        "without forwarding dirty reads, `linearizable` falls in {} steps:",
        trace.steps.len()
    );
    for step in &trace.steps {
        println!("  {step}");
    }
}
