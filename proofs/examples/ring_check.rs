//! Checks models of the ring: `ring_check [NAME]...`, or mutants: `ring_check --mutants [MECHANISM]...`.

use chainring_proofs::run::{Options, Progress, Search};
use chainring_proofs::{catalogue, mutants};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    let flag = |names: &mut Vec<String>, flag: &str| {
        let place = names.iter().position(|name| name == flag);
        place.map(|place| names.remove(place)).is_some()
    };
    let (hunt, verbose) = (flag(&mut names, "--mutants"), flag(&mut names, "--trace"));
    let breadth = flag(&mut names, "--bfs");
    let mut failed = false;
    if hunt {
        for mutant in mutants::all() {
            let name = format!("{:?}", mutant.lacks);
            if !mutant.entry.name.starts_with("ring")
                || !(names.is_empty() || names.contains(&name))
            {
                continue;
            }
            let catch = mutant.hunt();
            failed |= !catch.caught;
            let caught = if catch.caught { catch.property } else { "NOT CAUGHT" };
            println!(
                "{:40} {:22} {:18} {:>4} {:>9} {:>6.1} s",
                catch.mutant, caught, catch.model, catch.length, catch.states, catch.report.seconds
            );
            if let Some(stuck) = &catch.stuck {
                println!("    {stuck}");
            }
            if verbose
                && let Some(trace) =
                    catch.report.verdict(catch.property).and_then(|verdict| verdict.trace.as_ref())
            {
                trace.steps.iter().for_each(|step| println!("    {step}"));
            }
        }
    } else {
        let patterns = if names.is_empty() { vec!["ring".to_string()] } else { names };
        let entries = catalogue::select(&patterns, false).expect("names of models");
        let search = if breadth { Search::Breadth } else { Search::Depth };
        for entry in entries {
            let report = catalogue::check(
                &entry,
                &Options { search, progress: Some(progress), ..Options::default() },
            );
            println!("{report}");
            failed |= !report.stands();
            for verdict in report.properties.iter().filter(|verdict| !verdict.stands) {
                for step in verdict.trace.iter().flat_map(|trace| &trace.steps) {
                    println!("    {step}");
                }
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn progress(progress: &Progress) {
    if progress.elapsed.as_secs().is_multiple_of(10) {
        eprintln!("{} unique states, depth {}", progress.unique_states, progress.depth);
    }
}
