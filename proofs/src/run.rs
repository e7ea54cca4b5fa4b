//! Exploring a model, and what came of it.

use serde::Serialize;
use stateright::{Checker, Expectation, HasDiscoveries, Model, Path};
use std::collections::BTreeSet;
use std::fmt::{self, Debug, Display, Formatter};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How to explore.
#[derive(Clone, Debug)]
pub struct Options {
    /// In which order states are visited.
    pub search: Search,
    /// On how many threads.
    pub threads: usize,
    /// Stop when this property has failed (or was reached), rather than when all is explored.
    pub until: Option<&'static str>,
    /// Called about once a second.
    pub progress: Option<fn(&Progress)>,
}

/// In which order states are visited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Search {
    /// Breadth first: shortest traces, more memory.
    Breadth,
    /// Depth first: a few bytes a state, traces that ramble.
    Depth,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Different states found.
    pub unique_states: usize,
    /// States generated, the same ones counted again.
    pub states: usize,
    /// Steps of the longest path so far.
    pub depth: usize,
    /// Since when.
    pub elapsed: Duration,
}

/// What came of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The model's name.
    pub name: String,
    /// What it consists of.
    pub configuration: String,
    /// Whether every state was visited.
    pub exhaustive: bool,
    /// Different states found.
    pub unique_states: usize,
    /// States generated, the same ones counted again.
    pub states: usize,
    /// Steps of the longest path.
    pub depth: usize,
    /// How long it took.
    pub seconds: f64,
    /// What is known of each property.
    pub properties: Vec<Verdict>,
}

/// What is known of a property.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The property's name.
    pub property: &'static str,
    /// Whether it has to hold always, sometimes, or at every dead end.
    pub expectation: Expectation,
    /// Whether it stands: nothing found against an `always`, something found for a `sometimes`.
    pub stands: bool,
    /// The run that shows it: a counterexample, or an example.
    pub trace: Option<Trace>,
}

/// A run of a model.
#[derive(Clone, Debug, Serialize)]
pub struct Trace {
    /// Its steps, in words.
    pub steps: Vec<String>,
    /// Its steps by their places among the actions of the model that was explored, to open it in the
    /// Explorer: see [`serve`](crate::explore::serve).
    pub path: String,
}

impl Default for Options {
    fn default() -> Self {
        Options { search: Search::Depth, threads: 2, until: None, progress: None }
    }
}

impl Report {
    /// Whether all was explored and every property stands.
    pub fn stands(&self) -> bool {
        self.exhaustive && self.properties.iter().all(|verdict| verdict.stands)
    }

    /// What is known of the property of this name.
    pub fn verdict(&self, property: &str) -> Option<&Verdict> {
        self.properties.iter().find(|verdict| verdict.property == property)
    }
}

/// Explores a model. A property that fails depth first is looked for again breadth first, so that the
/// trace is short.
pub fn run<W>(model: impl Fn() -> W, options: &Options) -> Report
where
    W: Model + Send + Sync + 'static,
    W::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    W::Action: Clone + Debug + PartialEq + Send + Sync,
{
    let mut report = match options.search {
        Search::Breadth => explore(model(), options, |builder| builder.spawn_bfs()),
        Search::Depth => explore(model(), options, |builder| builder.spawn_dfs()),
    };
    if options.search == Search::Depth {
        let failed = report.properties.iter_mut();
        let failed = failed.filter(|verdict| {
            verdict.expectation == Expectation::Always && verdict.trace.is_some()
        });
        for verdict in failed {
            let until = Some(verdict.property);
            let options = Options { until, search: Search::Breadth, ..options.clone() };
            let again = explore(model(), &options, |builder| builder.spawn_bfs());
            let shorter = again.verdict(verdict.property).and_then(|again| again.trace.clone());
            verdict.trace = shorter.or(verdict.trace.take());
        }
    }
    report
}

fn explore<W, C>(
    model: W,
    options: &Options,
    spawn: impl FnOnce(stateright::CheckerBuilder<W>) -> C,
) -> Report
where
    W: Model + Send + Sync + 'static,
    W::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    W::Action: Clone + Debug + PartialEq + Send + Sync,
    C: Checker<W>,
{
    let start = Instant::now();
    let properties = model.properties();
    let finish = match options.until {
        Some(property) => HasDiscoveries::AnyOf(BTreeSet::from([property])),
        None => HasDiscoveries::AnyFailures,
    };
    let mut checker = spawn(model.checker().threads(options.threads).finish_when(finish));
    let handles = checker.handles();
    let mut reported = Instant::now();
    while handles.iter().any(|handle| !handle.is_finished()) {
        std::thread::sleep(Duration::from_millis(2));
        if let Some(progress) = options.progress
            && reported.elapsed() >= Duration::from_secs(1)
        {
            reported = Instant::now();
            progress(&Progress {
                unique_states: checker.unique_state_count(),
                states: checker.state_count(),
                depth: checker.max_depth(),
                elapsed: start.elapsed(),
            });
        }
    }
    let mut panicked = false;
    for handle in handles {
        panicked |= handle.join().is_err();
    }
    assert!(!panicked, "a checker thread panicked: see the message above");
    let seconds = start.elapsed().as_secs_f64();
    let mut discoveries = checker.discoveries();
    let verdicts = properties.iter().map(|property| {
        let path = discoveries.remove(property.name);
        let trace = path.map(|path| trace_of(checker.model(), path));
        let stands = trace.is_none() == property.expectation.discovery_is_failure();
        Verdict {
            property: property.name,
            expectation: property.expectation.clone(),
            stands,
            trace,
        }
    });
    let properties: Vec<_> = verdicts.collect();
    let failed = |verdict: &Verdict| verdict.expectation.discovery_is_failure() && !verdict.stands;
    let stopped = match options.until {
        Some(until) => properties.iter().any(|v| v.property == until && v.trace.is_some()),
        None => properties.iter().any(failed),
    };
    Report {
        name: String::new(),
        configuration: String::new(),
        exhaustive: !stopped,
        unique_states: checker.unique_state_count(),
        states: checker.state_count(),
        depth: checker.max_depth(),
        seconds,
        properties,
    }
}

fn trace_of<W>(model: &W, path: Path<W::State, W::Action>) -> Trace
where
    W: Model,
    W::State: Clone + PartialEq,
    W::Action: Clone + Debug + PartialEq,
{
    let encoded = path.encode(model);
    let steps = path.into_actions().iter().map(|action| model.format_action(action)).collect();
    Trace { steps, path: encoded }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Report { name, configuration, unique_states, states, depth, seconds, .. } = self;
        let extent = if self.exhaustive { "exhaustive" } else { "stopped at a failure" };
        writeln!(f, "{name}: {configuration}")?;
        writeln!(
            f,
            "  {extent}; {unique_states} unique states, {states} states, depth {depth}, \
             {seconds:.1} s"
        )?;
        for verdict in &self.properties {
            writeln!(f, "  {verdict}")?;
        }
        Ok(())
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Verdict { property, expectation, stands, trace } = self;
        let steps = trace.as_ref().map_or(0, |trace| trace.steps.len());
        match (expectation, stands) {
            (Expectation::Sometimes, true) => {
                write!(f, "ok    sometimes {property} (in {steps} steps)")
            }
            (Expectation::Sometimes, false) => write!(f, "FAIL  sometimes {property}: never"),
            (_, true) => write!(f, "ok    always {property}"),
            (_, false) => write!(f, "FAIL  always {property}: not after {steps} steps"),
        }
    }
}
