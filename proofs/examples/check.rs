//! Runs models and mutants by name, without the rest of the workspace.
//!
//! `cargo run --release -p chainring-proofs --example check -- chain-reads`, or `-- --mutant "no
//! retry"`, or, to write a schedule (see `chainring_proofs::checker::schedule`), `-- --drive MODEL
//! PROPERTY FILE MUTANT`.

use chainring_model::Mechanism;
use chainring_proofs::checker::run::{Options, Progress, Search, Watcher};
use chainring_proofs::{catalogue, mutants};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut options = Options { threads: 1, ..Options::default() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--progress" => {
                options.progress = Some(Watcher::new(|progress| {
                    let Progress { unique_states, depth, elapsed, .. } = progress;
                    eprintln!("{unique_states} unique states, depth {depth}, {elapsed:.0?}");
                }));
            }
            "--threads" => {
                let count = arguments.next().and_then(|count| count.parse().ok());
                options.threads = count.expect("a number of threads");
            }
            "--breadth" => options.search = Search::Breadth,
            "--trace" => {
                let name = arguments.next().expect("a model's name");
                let entry = catalogue::find(&name).expect("a model of the catalogue");
                let report = entry.run(None, &options);
                println!("{report}");
                for verdict in report.properties.iter().filter(|verdict| !verdict.stands) {
                    println!("{}:", verdict.property);
                    for step in verdict.trace.iter().flat_map(|trace| &trace.steps) {
                        println!("    {step}");
                    }
                }
            }
            "--drive" => {
                let mut next = || arguments.next().unwrap_or_default();
                let entry = catalogue::find(&next()).expect("a model of the catalogue");
                let (property, file, name) = (next(), next(), next());
                let schedule = std::fs::read_to_string(file).expect("a file with a schedule");
                let lacks = Mechanism::ALL.iter().find(|lacks| lacks.mutant() == name);
                let driven = entry.follow(lacks.copied(), &schedule, &property);
                for (number, step) in driven.trace.steps.iter().enumerate() {
                    println!("{:>3}. {step}", number + 1);
                }
                match (driven.fell, driven.stuck) {
                    (Some(_), _) => println!("`{property}` falls"),
                    (None, Some(stuck)) => println!("{stuck}"),
                    (None, None) => println!("`{property}` holds to the end"),
                }
            }
            "--in" => {
                // A mutant in a model: which property falls first?
                let entry = catalogue::find(&arguments.next().unwrap_or_default());
                let entry = entry.expect("a model of the catalogue");
                let name = arguments.next().unwrap_or_default();
                let lacks = Mechanism::ALL.iter().find(|lacks| lacks.mutant() == name);
                let report = entry.run(lacks.copied(), &options);
                let fallen = report
                    .properties
                    .iter()
                    .filter(|verdict| !verdict.stands && verdict.trace.is_some());
                println!("{name} in {}: {} states", entry.name, report.unique_states);
                for verdict in fallen {
                    println!("  {}:", verdict.property);
                    for step in verdict.trace.iter().flat_map(|trace| &trace.steps) {
                        println!("    {step}");
                    }
                }
            }
            "--until" => {
                // Does this property fall in a model without a mechanism, whatever falls before it?
                let mut next = || arguments.next().unwrap_or_default();
                let entry = catalogue::find(&next()).expect("a model of the catalogue");
                let (name, property) = (next(), next());
                let lacks = Mechanism::ALL.iter().find(|lacks| lacks.mutant() == name);
                let (search, until) = (Search::Breadth, Some(&*property.leak()));
                let options = Options { search, until, ..options.clone() };
                println!("{}", entry.run(lacks.copied(), &options));
            }
            "--ends" | "--ends-graph" => ends(&argument, &mut arguments, &options),
            "--mutant" => {
                let name = arguments.next().expect("a mutant's name");
                let wanted = Mechanism::ALL.iter().filter(|lacks| lacks.mutant().contains(&name));
                for lacks in wanted {
                    let catch = mutants::of(*lacks).hunt();
                    println!(
                        "{:<45} {:<22} {:<20} {} length {} states {} ({:.1} s)",
                        catch.mutant,
                        catch.model,
                        catch.property,
                        if catch.caught { "caught" } else { "MISSED" },
                        catch.length,
                        catch.states,
                        catch.report.seconds
                    );
                    if let Some(stuck) = &catch.stuck {
                        println!("{stuck}");
                    }
                    if options.search == Search::Breadth {
                        println!("{}", catch.report);
                        let verdict = catch.report.verdict(catch.property);
                        let trace = verdict.and_then(|verdict| verdict.trace.as_ref());
                        for step in trace.iter().flat_map(|trace| &trace.steps) {
                            println!("    {step}");
                        }
                    }
                }
            }
            name => {
                let entry = catalogue::find(name).expect("a model of the catalogue");
                println!("{}", entry.run(None, &options));
            }
        }
    }
}

/// Whether all ends, in a model and perhaps without a mechanism; or the graph in which that is
/// asked, for another checker: see `fair.py`.
fn ends(what: &str, arguments: &mut impl Iterator<Item = String>, options: &Options) {
    let mut next = || arguments.next().unwrap_or_default();
    let entry = catalogue::find(&next()).expect("a model of the catalogue");
    let mutant = next();
    let lacks = Mechanism::ALL.iter().copied().find(|lacks| lacks.mutant() == mutant);
    if what == "--ends-graph" {
        let graph = serde_json::to_string(&entry.export(lacks)).expect("numbers and names");
        println!("{graph}");
    } else {
        println!("{}", entry.endings(lacks, options));
    }
}
