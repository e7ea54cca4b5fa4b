//! `chainring check --liveness`: whether all ends, where the world is fair.

use super::lines::Colours;
use crate::cli::print_json;
use chainring_model::Mechanism;
use chainring_proofs::catalogue::Entry;
use chainring_proofs::checker::liveness::{Report, Verdict};
use chainring_proofs::checker::run::{Options, Watcher, grouped};
use std::process::ExitCode;

/// Of which protocol it is asked, and how the answer is printed.
#[derive(Clone, Copy)]
pub(super) struct Print {
    /// What the protocol lacks.
    pub(super) lacks: Option<Mechanism>,
    /// Every claim of every model.
    pub(super) verbose: bool,
    /// JSON.
    pub(super) json: bool,
    /// Whether words are coloured.
    pub(super) colours: Colours,
}

/// Asks it of these models, each watched until it is done; success only if every claim holds in
/// each.
pub(super) fn check(
    entries: &[Entry],
    print: Print,
    watch: impl Fn(usize, &'static str) -> Watcher,
    clear: impl Fn(),
) -> ExitCode {
    let width = entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    let mut reports = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let progress = Some(watch(index + 1, entry.name));
        let report = entry.endings(print.lacks, &Options { progress, ..Options::default() });
        clear();
        if !print.json {
            say!("{}", line(&report, width, print.colours));
            if print.verbose || !report.holds() {
                say!("{}", report.to_string().trim_end());
                report
                    .verdicts
                    .iter()
                    .for_each(|verdict| how_to_open(&report, verdict, print.lacks));
            }
        }
        reports.push(report);
    }
    let failed: Vec<_> = reports.iter().filter(|report| !report.holds()).collect();
    if print.json {
        print_json(&reports);
    } else if failed.is_empty() {
        let states: usize = reports.iter().map(|report| report.states).sum();
        let seconds: f64 = reports.iter().map(|report| report.seconds).sum();
        let (count, states) = (reports.len(), grouped(states));
        say!("all that is claimed ends in {count} models: {states} states in {seconds:.1} s");
    } else {
        let names: Vec<_> = failed.iter().map(|report| report.name.as_str()).collect();
        say!("{} of {} models FAILED: {}", failed.len(), reports.len(), names.join(", "));
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A model in a line.
fn line(report: &Report, width: usize, colours: Colours) -> String {
    let claims: Vec<_> = report.verdicts.iter().map(|verdict| verdict.claim).collect();
    format!(
        "{}  {:width$}  {:>9} states, {:>10} steps, {:>5.1} s: {}",
        colours.mark(report.holds()),
        report.name,
        grouped(report.states),
        grouped(report.edges),
        report.seconds,
        claims.join("; "),
    )
}

fn how_to_open(report: &Report, verdict: &Verdict, lacks: Option<Mechanism>) {
    if let Some(lasso) = &verdict.lasso {
        let (me, name, path) = (crate::cli::me(), &report.name, &lasso.path);
        let mutant = lacks.map_or(String::new(), |it| format!(" --mutant \"{}\"", it.mutant()));
        say!("  `{}`, as a diagram, to where the cycle begins:", verdict.claim);
        say!("    {me} explore {name}{mutant} --path {path}");
    }
}
