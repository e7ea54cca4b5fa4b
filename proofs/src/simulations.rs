//! The systems that are simulated by name, and what comes of seeds: what `chainring check
//! --simulate` runs.

use crate::checker::run::grouped;
use crate::claim::Claim;
use crate::simulate::dice::Dice;
use crate::simulate::engine::{Engine, Run};
use crate::simulate::scene::{Figures, Subject};
use crate::simulate::weather;
use crate::{chain, mutants, ring};
use chainring_model::{Intact, Mechanism, Mechanisms, Without};
use serde::Serialize;
use std::fmt::{self, Display, Formatter};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What can be simulated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Simulation {
    /// A chain.
    Chain,
    /// A ring.
    Ring,
}

/// How to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    /// On how many threads.
    pub threads: usize,
    /// Stop at the first seed that fails.
    pub until_failure: bool,
    /// Called about once a second.
    pub progress: Option<fn(&Progress)>,
}

/// How far a simulation is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Seeds done.
    pub done: u64,
    /// Of how many.
    pub seeds: u64,
    /// How many of them failed.
    pub failed: u64,
    /// Since when.
    pub elapsed: Duration,
}

/// What came of a simulation.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was simulated.
    pub subject: &'static str,
    /// The mechanism that it lacks, as a mutant's name.
    pub mutant: Option<&'static str>,
    /// How many seeds were tried.
    pub seeds: u64,
    /// How many handlers ran.
    pub steps: u64,
    /// What happened, and how often.
    pub figures: Figures,
    /// The seeds that failed, in order.
    pub failures: Vec<Failure>,
    /// How long it took.
    pub seconds: f64,
}

/// A seed that failed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The property that fell.
    pub property: String,
    /// After how many steps.
    pub steps: u64,
    /// When, in virtual milliseconds.
    pub milliseconds: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { threads: 2, until_failure: false, progress: None }
    }
}

impl Simulation {
    /// All of them.
    pub const ALL: [Simulation; 2] = [Simulation::Chain, Simulation::Ring];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Simulation::Chain => "chain",
            Simulation::Ring => "ring",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// The mechanisms whose lack this could show: whatever the models that show it are made of is
    /// in it.
    pub fn mechanisms(self) -> Vec<Mechanism> {
        let of_model = |lacks: Mechanism| mutants::of(lacks).entry.name;
        let is_here = |lacks: &Mechanism| match of_model(*lacks) {
            model if model.starts_with("members") || model.starts_with("ends") => false,
            "coordinators" => true,
            model => model.starts_with("ring") == (self == Simulation::Ring),
        };
        Mechanism::ALL.iter().copied().filter(is_here).collect()
    }

    /// Simulates this, as it is or without a mechanism, for each of these seeds.
    pub fn run(self, seeds: Range<u64>, lacks: Option<Mechanism>, options: &Options) -> Report {
        simulate(self, seeds, lacks, options)
    }

    /// One run, told in words.
    pub fn tell(self, seed: u64, lacks: Option<Mechanism>) -> Run {
        self.once(seed, lacks, true)
    }

    fn once(self, seed: u64, lacks: Option<Mechanism>, is_told: bool) -> Run {
        match lacks {
            None => self.walk(seed, &Intact, is_told),
            Some(mechanism) => self.walk(seed, &Without(mechanism), is_told),
        }
    }

    fn walk<M: Mechanisms>(self, seed: u64, mechanisms: &M, is_told: bool) -> Run {
        let mut dice = Dice::new(seed);
        match self {
            Simulation::Chain => {
                walk(&chain::simulate::Simulated::draw(mechanisms, &mut dice), dice, is_told)
            }
            Simulation::Ring => {
                walk(&ring::simulate::Simulated::draw(mechanisms, &mut dice), dice, is_told)
            }
        }
    }
}

fn simulate(
    simulation: Simulation,
    seeds: Range<u64>,
    lacks: Option<Mechanism>,
    options: &Options,
) -> Report {
    let start = Instant::now();
    let all = seeds.end.saturating_sub(seeds.start);
    let (next, is_over) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let (subject, mutant) = (simulation.name(), lacks.map(Mechanism::mutant));
    let (figures, failures) = (Figures::default(), Vec::new());
    let report =
        Mutex::new(Report { subject, mutant, seeds: 0, steps: 0, figures, failures, seconds: 0.0 });
    // A thread that panics between two changes of a report leaves it whole.
    let report_of = || report.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        let work = || {
            while !is_over.load(Ordering::Relaxed) {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return;
                }
                let (run, failure) = attempt(simulation, seed, lacks);
                let mut report = report_of();
                report.seeds += 1;
                report.steps += run.steps;
                report.figures.merge(&run.figures);
                report.failures.extend(failure);
                if options.until_failure && !report.failures.is_empty() {
                    is_over.store(true, Ordering::Relaxed);
                }
            }
        };
        let workers: Vec<_> = (0..options.threads.max(1)).map(|_| scope.spawn(work)).collect();
        let mut told = Instant::now();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(Duration::from_millis(5));
            if let Some(progress) = options.progress
                && told.elapsed() >= Duration::from_secs(1)
            {
                told = Instant::now();
                let report = report_of();
                let (done, failed) = (report.seeds, report.failures.len() as u64);
                drop(report);
                progress(&Progress { done, seeds: all, failed, elapsed: start.elapsed() });
            }
        }
    });
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.failures.sort_by_key(|failure| failure.seed);
    report.seconds = start.elapsed().as_secs_f64();
    report
}

/// One run, and how it failed, if it did. A handler that panics is a failure, too.
fn attempt(simulation: Simulation, seed: u64, lacks: Option<Mechanism>) -> (Run, Option<Failure>) {
    let run = catch_unwind(AssertUnwindSafe(|| simulation.once(seed, lacks, false)));
    let run = run.unwrap_or_else(|_| Run {
        fell: Some((Claim::NoPanic.name(), 0)),
        steps: 0,
        figures: Figures::default(),
        trace: Vec::new(),
    });
    let failure = run.fell.map(|(property, at)| Failure {
        seed,
        property: property.to_string(),
        steps: run.steps,
        milliseconds: at / weather::MS,
    });
    (run, failure)
}

fn walk<S: Subject>(subject: &S, dice: Dice, is_told: bool) -> Run {
    let mut run = Engine::new(subject, dice, is_told).run();
    for what in subject.shown() {
        run.figures.add(what, 0);
    }
    run
}

impl Report {
    /// Whether no seed failed.
    pub fn stands(&self) -> bool {
        self.failures.is_empty()
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Report { subject, seeds, steps, seconds, .. } = self;
        let mutant = self.mutant.map_or(String::new(), |mutant| format!(" ({mutant})"));
        let s = if *seeds == 1 { "" } else { "s" };
        writeln!(f, "{subject}{mutant}: {seeds} seed{s} in {seconds:.1} s")?;
        writeln!(f, "  {:24} {:>12}", "steps", grouped(*steps))?;
        for (what, times) in self.figures.iter() {
            writeln!(f, "  {what:24} {:>12}", grouped(times))?;
        }
        for Failure { seed, property, steps, milliseconds } in &self.failures {
            writeln!(
                f,
                "  FAIL  seed {seed}: `{property}` after {steps} steps, {milliseconds} ms"
            )?;
        }
        Ok(())
    }
}
