//! The controls: protocols that lack one mechanism, and the property that falls.

use crate::catalogue::{self, Entry, Steps, System};
use crate::checked::Pruning;
use crate::drive::drive;
use crate::graph::CAN_FINISH;
use crate::ring;
use crate::run::{Options, Report, Search};
use crate::torn::Order;
use chainring_model::{Mechanism, Without};
use serde::Serialize;
use std::time::Instant;

/// A protocol that lacks one mechanism, where that shows, and how.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// What it lacks.
    pub lacks: Mechanism,
    /// The configuration that shows it.
    pub entry: Entry,
    /// The property that must fall.
    pub property: &'static str,
    /// The run that shows it, where it is driven there rather than searched for.
    pub script: Option<String>,
}

/// How a mutant was caught.
#[derive(Clone, Debug, Serialize)]
pub struct Catch {
    /// The mutant's name.
    pub mutant: &'static str,
    /// The model that shows it.
    pub model: &'static str,
    /// The property that had to fall.
    pub property: &'static str,
    /// Whether it fell.
    pub caught: bool,
    /// The step of its script that was not possible.
    pub stuck: Option<String>,
    /// How many steps the shortest counterexample has.
    pub length: usize,
    /// How many unique states had been found by then.
    pub states: usize,
    /// The counterexample.
    pub report: Report,
}

impl Mutant {
    /// Looks for the property's shortest counterexample.
    pub fn hunt(&self) -> Catch {
        if let Some(script) = &self.script
            && let System::Ring(setup) = &self.entry.system
        {
            return self.drive(setup, script);
        }
        let options = Options {
            search: Search::Breadth,
            threads: 1, // so that lengths and counts are the same every time
            until: Some(self.property),
            progress: None,
        };
        let report = self.entry.run(&Without(self.lacks), &options);
        let verdict = report.verdict(self.property);
        let trace = verdict.and_then(|verdict| verdict.trace.as_ref());
        Catch {
            mutant: self.lacks.mutant(),
            model: self.entry.name,
            property: self.property,
            caught: verdict.is_some_and(|verdict| !verdict.stands),
            stuck: None,
            length: trace.map_or(0, |trace| trace.steps.len()),
            states: report.unique_states,
            report,
        }
    }

    /// Takes the steps of a script.
    fn drive(&self, setup: &ring::Setup, script: &str) -> Catch {
        let start = Instant::now();
        let driven = drive(&setup.model(&Without(self.lacks), Pruning::On), script, self.property);
        let length = driven.steps.len();
        let caught = driven.fell.is_some();
        let report = Report {
            name: self.entry.name.to_string(),
            configuration: self.entry.configuration(),
            exhaustive: false,
            unique_states: length,
            states: length,
            depth: length,
            seconds: start.elapsed().as_secs_f64(),
            properties: driven.fell.into_iter().collect(),
        };
        Catch {
            mutant: self.lacks.mutant(),
            model: self.entry.name,
            property: self.property,
            caught,
            stuck: driven.stuck,
            length,
            states: length,
            report,
        }
    }
}

/// Every mutant, in the order of the protocol's text.
pub fn all() -> Vec<Mutant> {
    Mechanism::ALL.iter().map(|lacks| of(*lacks)).collect()
}

/// The mutant that lacks this mechanism.
pub fn of(lacks: Mechanism) -> Mutant {
    use Mechanism::*;
    let (model, property) = match lacks {
        Deduplication => ("chain-count", "linearizable"),
        LogAdmission => ("chain-crash", "at most once"),
        IncarnationCheck => ("chain-count", "linearizable"),
        IncarnationGrows => ("chain-count", "incarnations grow"),
        FifoCheck => ("chain-crash", "in-process requests"),
        TailReplies => ("chain-crash", "held"),
        DirtyForwarded => ("chain-reads", "linearizable"),
        ApplyThenAcknowledge => ("chain-reads", "stable"),
        OwnAcknowledgement => ("chain-reads", "stable"),
        SaveThenSend => ("chain-torn", "in-process requests"),
        LogRecovery => ("chain-crash", "durable"),
        Retransmission => ("chain-lossy", CAN_FINISH),
        Retry => ("chain-lossy", CAN_FINISH),
        RecordedOutcome => ("chain-lossy", CAN_FINISH),
        of_ring => ring::mutant(of_ring),
    };
    let mut entry = catalogue::find(model).expect("the table above names models of the catalogue");
    if lacks == SaveThenSend {
        entry.steps = Steps::Torn(Order::SendFirst);
    }
    Mutant { lacks, entry, property, script: ring::script(lacks) }
}
