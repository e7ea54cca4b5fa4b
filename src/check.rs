//! `chainring check` and `chainring explore`.

use crate::simulate::{SimulateArgs, simulate};
use chainring_model::Mechanism;
use chainring_proofs::catalogue::{self, Effort, Entry};
use chainring_proofs::checked::Pruning;
use chainring_proofs::explore;
use chainring_proofs::mutants::{self, Catch, Mutant};
use chainring_proofs::run::{Options, Progress, Report};
use clap::Args;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

/// What to check, and how to print it.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Models by name, or by the first part of it (`chain` means all whose names begin with `chain-`); the
    /// whole default set if none. Those that are explored in part only have to be named whole.
    models: Vec<String>,
    /// List the models and stop.
    #[arg(long)]
    list: bool,
    /// Run those too that take minutes each.
    #[arg(long)]
    deep: bool,
    /// Run every mutant instead (of the models that are named, if any): protocols that lack one mechanism, each of
    /// which must fail.
    #[arg(long)]
    mutants: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    simulate: SimulateArgs,
}

/// What to open.
#[derive(Args, Debug)]
pub struct ExploreArgs {
    /// The model's name, as `chainring check --list` prints it.
    model: String,
    /// Where to serve the Explorer.
    #[arg(long, default_value = "127.0.0.1:3000")]
    addr: SocketAddr,
    /// Explore the protocol without a mechanism: the name of a mutant.
    #[arg(long, value_name = "MUTANT")]
    mutant: Option<String>,
    /// Open this run, as a failed check prints it. Its steps are those of the check, which does at once what
    /// changes nothing but what is under way.
    #[arg(long)]
    path: Option<String>,
}

/// Runs the models; success only if every one was explored whole and every property stands.
pub fn check(args: &CheckArgs) -> Result<ExitCode, String> {
    if args.simulate.simulate.is_some() {
        if let Some(model) = args.models.first() {
            return Err(format!("`{model}` is not simulated: --simulate names the system itself"));
        }
        return simulate(&args.simulate, args.mutants, args.json);
    }
    let effort = match (args.list || args.mutants, args.deep) {
        (true, _) => Effort::Partial,
        (false, true) => Effort::Deep,
        (false, false) => Effort::Default,
    };
    let entries = catalogue::select(&args.models, effort)?;
    if args.list {
        for entry in entries {
            let effort = match entry.effort {
                Effort::Default => "",
                Effort::Deep => " (deep)",
                Effort::Partial => " (in part only: never explored to the end)",
            };
            say!("{:20} {}{effort}\n{:20} {}", entry.name, entry.about, "", entry.configuration());
        }
        return Ok(ExitCode::SUCCESS);
    }
    if args.mutants {
        return Ok(check_mutants(args, &entries));
    }
    let terminal = std::io::stderr().is_terminal() && !args.json;
    let options = Options {
        progress: Some(if terminal { progress_line } else { progress_log }),
        ..Options::default()
    };
    let mut reports = Vec::new();
    for entry in &entries {
        let report = entry.run(None, &options);
        if terminal {
            show!("\r\x1b[K");
        }
        if !args.json {
            say!("{}", report.to_string().trim_end());
            for verdict in report.properties.iter().filter(|verdict| !verdict.stands) {
                print_trace(&report, verdict.property, None);
            }
            say!();
        }
        reports.push(report);
    }
    let failed: Vec<_> = reports.iter().filter(|report| !report.stands()).collect();
    if args.json {
        print_json(&reports);
    } else if failed.is_empty() {
        let states: usize = reports.iter().map(|report| report.unique_states).sum();
        let seconds: f64 = reports.iter().map(|report| report.seconds).sum();
        let models = reports.len();
        say!("{models} models hold, exhaustively: {states} unique states in {seconds:.1} s");
    } else {
        say!("{} of {} models FAILED", failed.len(), reports.len());
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check_mutants(args: &CheckArgs, entries: &[Entry]) -> ExitCode {
    let wanted = |mutant: &Mutant| {
        args.models.is_empty() || entries.iter().any(|entry| entry.name == mutant.entry.name)
    };
    let mut catches: Vec<Catch> = Vec::new();
    if !args.json {
        say!(
            "{:36} {:20} {:15} {:>6} {:>9}",
            "mutant",
            "property that fell",
            "model",
            "length",
            "states"
        );
    }
    for mutant in mutants::all().iter().filter(|mutant| wanted(mutant)) {
        let catch = mutant.hunt();
        if !args.json {
            let Catch { mutant, model, property, length, states, .. } = catch;
            let property = if catch.caught { property } else { "NOT CAUGHT" };
            say!("{mutant:36} {property:20} {model:15} {length:>6} {states:>9}");
            if let Some(stuck) = &catch.stuck {
                say!("  {stuck}");
            }
        }
        catches.push(catch);
    }
    let escaped = catches.iter().filter(|catch| !catch.caught).count();
    if args.json {
        print_json(&catches);
    } else {
        say!("\n{} of {} mutants caught", catches.len() - escaped, catches.len());
        if let Some(Catch { mutant, model, report, property, .. }) = catches.first() {
            say!("a counterexample as a diagram, for instance of `{mutant}`:");
            let path = report.verdict(property).and_then(|verdict| verdict.trace.as_ref());
            let path = path.map_or("0", |trace| trace.path.as_str());
            say!("  chainring explore {model} --mutant \"{mutant}\" --path {path}");
        }
    }
    if escaped == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Opens a model in the Explorer.
pub fn explore(args: &ExploreArgs) -> Result<ExitCode, String> {
    let unknown = || {
        format!("there is no model `{}`; `chainring check --list` shows all of them", args.model)
    };
    let url = |addr| format!("http://{addr}/#/steps/{}", args.path.as_deref().unwrap_or("0"));
    let announce = |entry: &Entry| {
        say!("{}: {}", entry.name, entry.configuration());
        say!("{}", url(args.addr));
        say!("Ctrl-C ends it.");
        let _ = std::io::stdout().flush();
    };
    let checked = if args.path.is_some() { Pruning::On } else { Pruning::Steps };
    let (entry, lacks, pruning) = match &args.mutant {
        None => (catalogue::find(&args.model).ok_or_else(unknown)?, None, checked),
        Some(name) => {
            let lacks = mechanism(name)?;
            let mutant = mutants::of(lacks);
            if args.model == mutant.entry.name {
                let pruning = if mutant.script.is_some() { Pruning::Steps } else { checked };
                (mutant.entry, Some(lacks), pruning)
            } else {
                (catalogue::find(&args.model).ok_or_else(unknown)?, Some(lacks), checked)
            }
        }
    };
    let served = explore::serve(&entry, lacks, pruning, args.addr, || announce(&entry));
    served.map_err(|error| {
        format!("cannot serve the Explorer at {}: {error}; choose another --addr", args.addr)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The mechanism that a mutant lacks.
pub fn mechanism(mutant: &str) -> Result<Mechanism, String> {
    let lacks = Mechanism::ALL.iter().find(|lacks| lacks.mutant() == mutant);
    lacks.copied().ok_or_else(|| {
        let names: Vec<_> = Mechanism::ALL.iter().map(|lacks| lacks.mutant()).collect();
        format!("there is no mutant `{mutant}`; there are: {}", names.join(", "))
    })
}

fn print_trace(report: &Report, property: &str, mutant: Option<&str>) {
    let Some(trace) = report.verdict(property).and_then(|verdict| verdict.trace.as_ref()) else {
        return;
    };
    say!("\n  how `{property}` falls, in {} steps:", trace.steps.len());
    for (number, step) in trace.steps.iter().enumerate() {
        say!("  {:>3}. {step}", number + 1);
    }
    let mutant = mutant.map_or(String::new(), |mutant| format!(" --mutant \"{mutant}\""));
    say!("  as a diagram: chainring explore {}{mutant} --path {}", report.name, trace.path);
}

/// Prints a value as JSON.
pub fn print_json(value: &impl serde::Serialize) {
    // Reports hold strings and numbers only, which always have a JSON form.
    say!("{}", serde_json::to_string_pretty(value).unwrap_or_default());
}

fn progress_line(progress: &Progress) {
    show!("\r\x1b[K{}", spell(progress));
}

fn progress_log(progress: &Progress) {
    if progress.elapsed.as_secs().is_multiple_of(10) {
        show!("{}\n", spell(progress));
    }
}

fn spell(progress: &Progress) -> String {
    let Progress { unique_states, states, depth, elapsed } = progress;
    let seconds = elapsed.as_secs();
    format!("… {unique_states} unique states, {states} states, depth {depth}, {seconds} s")
}
