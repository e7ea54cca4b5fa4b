//! `chainring check` and `chainring explore`.

mod endings;
mod known;
mod lines;

use crate::cli::mutant::mechanism;
use crate::cli::print_json;
use crate::cli::simulate::{SimulateArgs, simulate};
use chainring_proofs::catalogue::{self, Effort, Entry, Steps};

use chainring_proofs::checker::CAPTION;
use chainring_proofs::checker::reduce::Pruning;
use chainring_proofs::checker::run::{Options, Report, Watcher, grouped};
use chainring_proofs::mutants::{self, Catch, Mutant};
use clap::Args;
use known::Known;
use lines::{Colours, Numbered};
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// What to check, and how to print it.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Models by name, or by the first part of names (`chain` means all whose names begin with
    /// `chain-`, and `chain-reads*` all that begin with that); the whole default set if none. Those
    /// that are explored in part only have to be named whole.
    models: Vec<String>,
    /// List the models, with the states and seconds of their last run on record, and stop.
    #[arg(long)]
    list: bool,
    /// Print every property of every model, and what models are made of.
    #[arg(short, long)]
    verbose: bool,
    /// Run those too that take minutes each.
    #[arg(long)]
    deep: bool,
    /// Run every mutant instead (of the models that are named, if any): protocols that lack one
    /// mechanism, each of which must fail.
    #[arg(long)]
    mutants: bool,
    /// Ask of the models whose names begin with `ends-` whether all ends: operations, transfers,
    /// suspicions, view changes. A run on which something never does is printed as a way to a
    /// cycle.
    #[arg(long)]
    liveness: bool,
    /// With --liveness: ask it of the protocol without a mechanism, the name of a mutant, and print
    /// the run on which something never ends.
    #[arg(long, value_name = "MUTANT", requires = "liveness", conflicts_with = "mutants")]
    mutant: Option<String>,
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
    /// Open this run, as a failed check prints it. Its steps are those of the check, which does at
    /// once what changes nothing but what is under way.
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
    let entries = if args.liveness {
        catalogue::select_endings(&args.models, effort)?
    } else {
        catalogue::select(&args.models, effort)?
    };
    let known = known::known();
    let record = |entry: &Entry| known.get(entry.name).copied();
    if args.list {
        list(args, &entries, record);
        return Ok(ExitCode::SUCCESS);
    }
    if args.mutants {
        return Ok(check_mutants(args, &entries));
    }
    if args.liveness {
        return check_endings(args, &entries);
    }
    let screen = Screen::of(args);
    let width = entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    let mut reports = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let place = Numbered { number: index + 1, of: entries.len() };
        let progress = Some(screen.watch(place, entry.name, record(entry)));
        let report = entry.run(None, &Options { progress, ..Options::default() });
        screen.clear();
        if !args.json {
            print(&report, args.verbose, width, screen.colours);
        }
        reports.push(report);
    }
    let failed = reports.iter().filter(|report| !report.stands()).count();
    if args.json {
        print_json(&reports);
    } else {
        if reports.len() > 1 {
            say!("\n{}", lines::matrix(&reports));
        }
        summarize(&reports, failed);
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks whether all ends.
fn check_endings(args: &CheckArgs, entries: &[Entry]) -> Result<ExitCode, String> {
    let lacks = args.mutant.as_deref().map(mechanism).transpose()?;
    let (screen, of) = (Screen::of(args), entries.len());
    let (verbose, json, colours) = (args.verbose, args.json, screen.colours);
    let print = endings::Print { lacks, verbose, json, colours };
    let watch = |number, name| screen.watch(Numbered { number, of }, name, None);
    Ok(endings::check(entries, print, watch, || screen.clear()))
}

/// The models, and what is on record of them.
fn list(args: &CheckArgs, entries: &[Entry], record: impl Fn(&Entry) -> Option<Known>) {
    let effort = |entry: &Entry| match entry.effort {
        Effort::Default => "default",
        Effort::Deep => "deep",
        Effort::Partial => "in part",
    };
    if args.json {
        let entries = entries.iter().map(|entry| {
            let known = record(entry);
            serde_json::json!({
                "name": entry.name,
                "about": entry.about,
                "configuration": entry.configuration(),
                "effort": effort(entry),
                "unique_states": known.map(|known| known.states),
                "seconds": known.map(|known| known.seconds),
            })
        });
        print_json(&entries.collect::<Vec<_>>());
        return;
    }
    let width = entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    say!("{:width$} {:>11} {:>8}  {:7}  what it is", "model", "states", "seconds", "run");
    for entry in entries {
        let known = record(entry);
        let states = known.map_or("-".to_string(), |known| grouped(known.states));
        let seconds = known.map_or("-".to_string(), |known| format!("{:.1}", known.seconds));
        let (name, about, effort) = (entry.name, entry.about, effort(entry));
        say!("{name:width$} {states:>11} {seconds:>8}  {effort:7}  {about}");
        if args.verbose {
            say!("{:width$} {}", "", entry.configuration());
        }
    }
    say!(
        "States and seconds are of the last run on record (RESULTS.md). `deep` ones run with --deep, or by name;"
    );
    say!(
        "what is explored `in part` is no claim, and never explored to the end. -v says what models are made of."
    );
}

/// A model that was checked.
fn print(report: &Report, verbose: bool, width: usize, colours: Colours) {
    say!("{}", lines::line(report, width, colours));
    if !verbose && report.stands() {
        return;
    }
    say!("{}", report.to_string().trim_end());
    for verdict in report.properties.iter().filter(|verdict| !verdict.stands) {
        print_trace(report, verdict.property, None);
    }
    say!();
}

fn summarize(reports: &[Report], failed: usize) {
    if failed > 0 {
        let names = reports.iter().filter(|report| !report.stands());
        let names: Vec<_> = names.map(|report| report.name.as_str()).collect();
        say!("{failed} of {} models FAILED: {}", reports.len(), names.join(", "));
        return;
    }
    let states: usize = reports.iter().map(|report| report.unique_states).sum();
    let seconds: f64 = reports.iter().map(|report| report.seconds).sum();
    let models = match reports.len() {
        1 => "1 model holds".to_string(),
        several => format!("{several} models hold"),
    };
    say!("{models}, exhaustively: {} unique states in {seconds:.1} s", grouped(states));
}

/// Where progress is shown: on a line of its own at a terminal, or else now and then.
#[derive(Clone, Copy)]
pub struct Screen {
    terminal: bool,
    /// Whether what is printed is coloured.
    pub colours: Colours,
}

impl Screen {
    fn of(args: &CheckArgs) -> Self {
        let plain = args.json || std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
        Screen {
            terminal: std::io::stderr().is_terminal() && !args.json,
            colours: Colours(std::io::stdout().is_terminal() && !plain),
        }
    }

    /// Shows how far a model is.
    fn watch(self, place: Numbered, name: &'static str, known: Option<Known>) -> Watcher {
        if self.terminal {
            let Numbered { number, of } = place;
            show!("\r\x1b[K[{number}/{of}] {name}");
        }
        Watcher::new(move |progress| {
            let said = lines::progress(place, name, known, progress);
            if self.terminal {
                show!("\r\x1b[K{said}");
            } else if is_due(progress.elapsed) {
                show!("{said}\n");
            }
        })
    }

    /// Removes the line.
    fn clear(self) {
        if self.terminal {
            show!("\r\x1b[K");
        }
    }
}

/// Whether a log, of which no line is wiped, is written to at this moment.
fn is_due(elapsed: Duration) -> bool {
    elapsed.as_secs().is_multiple_of(10)
}

fn check_mutants(args: &CheckArgs, entries: &[Entry]) -> ExitCode {
    let wanted = |mutant: &Mutant| {
        args.models.is_empty() && !args.liveness
            || entries.iter().any(|entry| entry.name == mutant.entry.name)
    };
    let screen = Screen::of(args);
    let all: Vec<_> = mutants::all().into_iter().filter(wanted).collect();
    let widest = |of: fn(&Mutant) -> usize| all.iter().map(of).max().unwrap_or(0).max(8);
    let names = widest(|mutant| mutant.lacks.mutant().len());
    let properties = widest(|mutant| mutant.falls.name().len()).max("property that fell".len());
    let models = widest(|mutant| mutant.entry.name.len());
    let row = |columns: [&str; 5]| {
        let [mutant, property, model, length, states] = columns;
        say!("{mutant:names$} {property:properties$} {model:models$} {length:>6} {states:>11}");
    };
    if !args.json {
        row(["mutant", "property that fell", "model", "length", "states"]);
    }
    let mut catches: Vec<Catch> = Vec::new();
    for (index, mutant) in all.iter().enumerate() {
        let place = Numbered { number: index + 1, of: all.len() };
        let catch = mutant.hunt_watched(Some(screen.watch(place, mutant.lacks.mutant(), None)));
        screen.clear();
        if !args.json {
            let Catch { mutant, model, property, length, states, .. } = catch;
            let property = if catch.caught { property } else { "NOT CAUGHT" };
            row([mutant, property, model, &length.to_string(), &grouped(states)]);
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
            say!("  {} explore {model} --mutant \"{mutant}\" --path {path}", crate::cli::me());
        }
    }
    if escaped == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Opens a model in the Explorer.
pub fn explore(args: &ExploreArgs) -> Result<ExitCode, String> {
    let unknown = || catalogue::unknown(&args.model);
    let url = |addr| format!("http://{addr}/#/steps/{}", args.path.as_deref().unwrap_or("0"));
    let announce = |entry: &Entry| {
        say!("{}: {}", entry.name, entry.configuration());
        say!("{}", url(args.addr));
        if args.path.is_some() {
            say!("{CAPTION}");
        }
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
                let pruning = if mutant.schedule.is_some() { Pruning::Steps } else { checked };
                (mutant.entry, Some(lacks), pruning)
            } else {
                (catalogue::find(&args.model).ok_or_else(unknown)?, Some(lacks), checked)
            }
        }
    };
    // The cycle of a run that never ends is one of single steps.
    let pruning = if entry.steps == Steps::Fair { Pruning::Senders } else { pruning };
    let served = entry.explore(lacks, pruning, args.addr, || announce(&entry));
    served.map_err(|error| {
        format!("cannot serve the Explorer at {}: {error}; choose another --addr", args.addr)
    })?;
    Ok(ExitCode::SUCCESS)
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
    say!(
        "  as a diagram: {} explore {}{mutant} --path {}",
        crate::cli::me(),
        report.name,
        trace.path
    );
    say!("  {CAPTION}");
}
