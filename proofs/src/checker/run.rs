//! Exploring a model, and what came of it.

use serde::Serialize;
pub use stateright::Expectation;
use stateright::{Checker, HasDiscoveries, Model, Path};
use std::collections::BTreeSet;
use std::fmt::{self, Debug, Display, Formatter};
use std::hash::Hash;
use std::sync::Arc;
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
    pub progress: Option<Watcher>,
}

/// Is told how far a run is.
#[derive(Clone)]
pub struct Watcher(Arc<dyn Fn(&Progress) + Send + Sync>);

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
    /// What that means: a search that stops at the first failure has not judged the other
    /// properties.
    pub finding: Finding,
    /// The run that shows it: a counterexample, or an example.
    pub trace: Option<Trace>,
}

/// What a search has found out about a property.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub enum Finding {
    /// When every state was visited, and nothing speaks against it.
    #[serde(rename = "holds")]
    Holds,
    /// When a run shows that it can be.
    #[serde(rename = "reached")]
    Reached,
    /// When a run breaks it.
    #[serde(rename = "falls")]
    Falls,
    /// When every state was visited, and it is in none.
    #[serde(rename = "never reached")]
    Never,
    /// When the search stopped at a failure before it could be judged.
    #[serde(rename = "not judged (stopped)")]
    NotJudged,
    /// When the search stopped at a failure before it was reached.
    #[serde(rename = "not reached (stopped)")]
    NotReached,
}

/// A run of a model.
#[derive(Clone, Debug, Serialize)]
pub struct Trace {
    /// Its steps, in words.
    pub steps: Vec<String>,
    /// Its steps by their places among the actions of the model that was explored, to open it in
    /// the Explorer: see [`serve`](crate::checker::explore::serve).
    pub path: String,
}

impl Watcher {
    /// Tells this function.
    pub fn new(told: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        Watcher(Arc::new(told))
    }

    /// Tells how far a run is.
    pub(crate) fn tell(&self, progress: &Progress) {
        (self.0)(progress);
    }
}

impl Debug for Watcher {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
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
    pub fn verdict(&self, property: impl AsRef<str>) -> Option<&Verdict> {
        let property = property.as_ref();
        self.properties.iter().find(|verdict| verdict.property == property)
    }
}

impl Verdict {
    /// What is known of a property of which a run was found, or none, in all states or until the
    /// search stopped.
    pub fn new(
        property: &'static str,
        expectation: Expectation,
        trace: Option<Trace>,
        exhaustive: bool,
    ) -> Self {
        let is_failure = expectation.discovery_is_failure();
        let finding = match (is_failure, trace.is_some(), exhaustive) {
            (true, true, _) => Finding::Falls,
            (false, true, _) => Finding::Reached,
            (true, false, true) => Finding::Holds,
            (false, false, true) => Finding::Never,
            (true, false, false) => Finding::NotJudged,
            (false, false, false) => Finding::NotReached,
        };
        let stands = trace.is_none() == is_failure;
        Verdict { property, expectation, stands, finding, trace }
    }
}

/// Explores a model. A property that fails depth first is looked for again breadth first, so that
/// the trace is short.
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
        if let Some(Watcher(progress)) = &options.progress
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
    let discoveries = checker.discoveries();
    let is_found = |property: &str| discoveries.contains_key(property);
    let stopped = match options.until {
        Some(until) => is_found(until),
        None => {
            (properties.iter()).any(|it| it.expectation.discovery_is_failure() && is_found(it.name))
        }
    };
    let mut discoveries = discoveries;
    let verdicts = properties.iter().map(|property| {
        let path = discoveries.remove(property.name);
        let trace = path.map(|path| trace_of(checker.model(), path));
        Verdict::new(property.name, property.expectation.clone(), trace, !stopped)
    });
    let properties: Vec<_> = verdicts.collect();
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
        let Report { name, configuration, depth, seconds, .. } = self;
        let extent = if self.exhaustive { "exhaustive" } else { "stopped at a failure" };
        let [unique_states, states] = [self.unique_states, self.states].map(grouped);
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
        let Verdict { property, trace, .. } = self;
        let steps = trace.as_ref().map_or(0, |trace| trace.steps.len());
        match self.finding {
            Finding::Reached => write!(f, "ok    sometimes {property} (in {steps} steps)"),
            Finding::Never => write!(f, "FAIL  sometimes {property}: never"),
            Finding::NotReached => write!(f, "-     sometimes {property}: not reached (stopped)"),
            Finding::Holds => write!(f, "ok    always {property}"),
            Finding::Falls => write!(f, "FAIL  always {property}: not after {steps} steps"),
            Finding::NotJudged => write!(f, "-     always {property}: not judged (stopped)"),
        }
    }
}

/// A number as people read it: `141,276`.
pub fn grouped(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string(); // counts all fit
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let numbers = [0_usize, 999, 1_000, 141_276, 4_808_626];
        assert_eq!(numbers.map(grouped), ["0", "999", "1,000", "141,276", "4,808,626"]);
    }

    #[test]
    fn a_search_that_stopped_has_not_judged_what_it_has_not_found() {
        let finding = |expectation: &Expectation, exhaustive| {
            let verdict = Verdict::new("it", expectation.clone(), None, exhaustive);
            (verdict.finding, verdict.to_string())
        };
        let (always, sometimes) = (Expectation::Always, Expectation::Sometimes);
        assert_eq!(finding(&always, true), (Finding::Holds, "ok    always it".to_string()));
        assert_eq!(finding(&always, false).0, Finding::NotJudged);
        assert_eq!(finding(&sometimes, true).0, Finding::Never);
        let stopped = finding(&sometimes, false);
        assert_eq!(stopped.0, Finding::NotReached);
        assert!(stopped.1.ends_with("sometimes it: not reached (stopped)"), "{}", stopped.1);
        let json = serde_json::to_value(stopped.0).expect("words");
        assert_eq!(json, "not reached (stopped)");
    }
}
