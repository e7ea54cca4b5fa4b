//! `chainring check --simulate`.

use chainring_model::Mechanism;
use chainring_proofs::checker::run::grouped;
use chainring_proofs::simulations::{Failure, Options, Progress, Report, Simulation};
use clap::Args;
use std::io::IsTerminal;
use std::ops::Range;
use std::process::ExitCode;

/// How many lines of a trace are printed where not all are asked for.
const TAIL: usize = 60;

/// What to simulate, and how to print it.
#[derive(Args, Debug)]
pub struct SimulateArgs {
    /// Simulate a larger system at random instead, in virtual time: `chain` or `ring`.
    #[arg(long, value_name = "SYSTEM")]
    pub simulate: Option<String>,
    /// The seeds to simulate: from the first up to, and without, the last; or a single one.
    #[arg(long, value_name = "A..B", requires = "simulate", value_parser = range, default_value = "0..1000")]
    seeds: Range<u64>,
    /// Simulate the protocol without a mechanism: the name of a mutant.
    #[arg(long, value_name = "MUTANT", requires = "simulate")]
    mutant: Option<String>,
    /// Print all that happened in the first seed that fails, or in the only one.
    #[arg(long, requires = "simulate")]
    trace: bool,
}

/// Reads `a..b`, or a number.
fn range(text: &str) -> Result<Range<u64>, String> {
    let number = |part: &str| {
        part.trim().parse::<u64>().map_err(|_| format!("`{part}` is not a number of a seed"))
    };
    let (start, end) = match text.split_once("..") {
        Some((start, end)) => (number(start)?, number(end)?),
        None => {
            let seed = number(text)?;
            (seed, seed.checked_add(1).ok_or("there is no seed after the last one")?)
        }
    };
    if start >= end {
        return Err(format!(
            "no seed is from {start} up to, and without, {end}; write the smaller one first"
        ));
    }
    Ok(start..end)
}

/// Simulates; success only if no seed fails.
pub fn simulate(args: &SimulateArgs, mutants: bool, json: bool) -> Result<ExitCode, String> {
    let system = args.simulate.as_deref().unwrap_or_default();
    let simulation = Simulation::named(system).ok_or_else(|| {
        let known = Simulation::ALL.map(Simulation::name).join(", ");
        format!("there is no system `{system}` to simulate; there are: {known}")
    })?;
    let terminal = std::io::stderr().is_terminal() && !json;
    let progress = Some(if terminal { progress_line } else { progress_log });
    let options = Options { progress, ..Options::default() };
    if mutants {
        return Ok(hunt(simulation, args, &options, terminal, json));
    }
    let lacks = args.mutant.as_deref().map(crate::cli::mutant::mechanism).transpose()?;
    let report = simulation.run(args.seeds.clone(), lacks, &options);
    clear(terminal);
    if json {
        crate::cli::print_json(&report);
    } else {
        say!("{}", report.to_string().trim_end());
        let only = (args.trace && report.seeds == 1).then_some(args.seeds.start);
        let failed = report.failures.first().map(|failure| failure.seed);
        if let Some(seed) = failed.or(only) {
            print_trace(simulation, seed, lacks, args.trace);
        }
        for Failure { seed, .. } in &report.failures {
            let mutant = report.mutant.map_or(String::new(), |it| format!(" --mutant \"{it}\""));
            say!(
                "again: {} check --simulate {system} --seeds {seed}{mutant} --trace",
                crate::cli::me()
            );
        }
        say!("{}", verdict(&report));
    }
    Ok(if report.stands() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What came of it, in a sentence.
fn verdict(Report { seeds, steps, failures, .. }: &Report) -> String {
    let s = if *seeds == 1 { "" } else { "s" };
    let (seeds, steps) = (grouped(*seeds), grouped(*steps));
    match &failures[..] {
        [] => format!("{seeds} seed{s}, {steps} steps: every property held"),
        failed => format!("{seeds} seed{s}, {steps} steps: {} FAILED", failed.len()),
    }
}

/// Which mutants are found, and by which seed.
fn hunt(
    simulation: Simulation,
    args: &SimulateArgs,
    options: &Options,
    terminal: bool,
    json: bool,
) -> ExitCode {
    let options = Options { until_failure: true, ..options.clone() };
    let mut reports: Vec<Report> = Vec::new();
    if !json {
        say!(
            "{:48} {:>6} {:20} {:>7} {:>9}",
            "mutant",
            "seed",
            "property that fell",
            "steps",
            "ms"
        );
    }
    for lacks in simulation.mechanisms() {
        let report = simulation.run(args.seeds.clone(), Some(lacks), &options);
        clear(terminal);
        if !json {
            let mutant = lacks.mutant();
            match report.failures.first() {
                Some(Failure { seed, property, steps, milliseconds }) => {
                    say!("{mutant:48} {seed:>6} {property:20} {steps:>7} {milliseconds:>9}");
                }
                None => say!("{mutant:48} {:>6} NOT FOUND", "-"),
            }
        }
        reports.push(report);
    }
    let found = reports.iter().filter(|report| !report.stands()).count();
    if json {
        crate::cli::print_json(&reports);
    } else {
        let Range { start, end } = args.seeds;
        say!("\n{found} of {} mutants found by seeds {start}..{end}", reports.len());
    }
    ExitCode::SUCCESS // what chance does not find, `check --mutants` does
}

fn print_trace(simulation: Simulation, seed: u64, lacks: Option<Mechanism>, whole: bool) {
    let trace = simulation.tell(seed, lacks).trace;
    let skipped = if whole { 0 } else { trace.len().saturating_sub(TAIL) };
    say!("\nseed {seed}:");
    if skipped > 0 {
        say!("  … {skipped} lines before these; --trace prints them");
    }
    for line in &trace[skipped..] {
        say!("{line}");
    }
}

fn clear(terminal: bool) {
    if terminal {
        show!("\r\x1b[K");
    }
}

fn progress_line(progress: &Progress) {
    show!("\r\x1b[K{}", spell(progress));
}

fn progress_log(progress: &Progress) {
    if progress.elapsed.as_secs().is_multiple_of(10) {
        show!("{}\n", spell(progress));
    }
}

fn spell(Progress { done, seeds, failed, elapsed }: &Progress) -> String {
    format!("… {done} of {seeds} seeds, {failed} failed, {} s", elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulation_ends_with_a_verdict() {
        let report = |seeds, failures| Report {
            subject: "chain",
            mutant: None,
            seeds,
            steps: 19_781,
            figures: Default::default(),
            failures,
            seconds: 0.1,
        };
        let fell = Failure { seed: 3, property: "held".into(), steps: 7, milliseconds: 8 };
        assert_eq!(verdict(&report(5, Vec::new())), "5 seeds, 19,781 steps: every property held");
        assert_eq!(verdict(&report(1, vec![fell])), "1 seed, 19,781 steps: 1 FAILED");
    }

    #[test]
    fn seeds_are_a_range_or_one() {
        assert_eq!(range("0..1000"), Ok(0..1000));
        assert_eq!(range("7"), Ok(7..8));
        for (text, why) in [
            ("5..5", "no seed is from 5 up to"),
            ("9..3", "write the smaller one first"),
            ("a..3", "`a` is not a number"),
            ("3..", "`` is not a number"),
            ("-1", "`-1` is not a number"),
            ("18446744073709551615", "no seed after the last"),
        ] {
            let said = range(text).expect_err(text);
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
