//! The models by name: what `chainring check` runs.

use crate::checker::crash_points::Order;
use crate::checker::entry;
use crate::checker::explore::serve;
use crate::checker::graph;
use crate::checker::liveness;
use crate::checker::model::Checked;
use crate::checker::reduce::Pruning;
use crate::checker::run::{Options, Report, run};
use crate::checker::schedule::{self, Followed, follow};
use crate::checker::state::{CheckedState, Internable};
use crate::claim::Claim;
use crate::history::Recorder;
use crate::{chain, coordinators, membership, ring};
use chainring_model::prune::Prune;
use chainring_model::{Intact, Mechanism, Mechanisms, Without};
use stateright::Model;
use std::collections::BTreeSet;
use std::hash::Hash;
use std::net::SocketAddr;

pub use crate::checker::entry::{Effort, Steps};

/// A model of any protocol.
pub type Entry = entry::Entry<Subject>;

/// What is checked.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A chain.
    Chain(chain::Setup),
    /// A ring.
    Ring(ring::Setup),
    /// Coordinators by themselves.
    Coordinators(coordinators::Setup),
    /// Members by themselves.
    Membership(membership::Setup),
}

impl Entry {
    /// Explores this configuration, of the protocol as it is, or without a mechanism.
    pub fn run(&self, lacks: Option<Mechanism>, options: &Options) -> Report {
        match lacks {
            None => self.run_with(&Intact, options),
            Some(mechanism) => self.run_with(&Without(mechanism), options),
        }
    }

    /// Asks of this configuration whether all ends, with or without a mechanism.
    pub fn endings(&self, lacks: Option<Mechanism>, options: &Options) -> liveness::Report {
        match lacks {
            None => self.endings_with(&Intact, options),
            Some(mechanism) => self.endings_with(&Without(mechanism), options),
        }
    }

    fn endings_with<M: Mechanisms>(&self, mechanisms: &M, options: &Options) -> liveness::Report {
        let report = match &self.subject {
            Subject::Chain(setup) => {
                let (model, fair) = setup.fair(mechanisms);
                liveness::run(&model, &fair, &chain::names(model.actors()), options)
            }
            Subject::Ring(setup) => {
                let (model, fair) = setup.fair(mechanisms);
                liveness::run(&model, &fair, &ring::names(model.actors()), options)
            }
            Subject::Coordinators(setup) => {
                let (model, fair) = setup.fair(mechanisms);
                liveness::run(&model, &fair, &numbered('c', setup.coordinators), options)
            }
            Subject::Membership(setup) => {
                let (model, fair) = setup.fair(mechanisms);
                liveness::run(&model, &fair, &numbered('m', setup.periods.len()), options)
            }
        };
        let (name, configuration) = (self.name.to_string(), self.configuration());
        liveness::Report { name, configuration, ..report }
    }

    /// The graph in which that is asked, for another checker.
    pub fn export(&self, lacks: Option<Mechanism>) -> liveness::Exported {
        match lacks {
            None => self.export_with(&Intact),
            Some(mechanism) => self.export_with(&Without(mechanism)),
        }
    }

    fn export_with<M: Mechanisms>(&self, mechanisms: &M) -> liveness::Exported {
        fn export<A, H>((model, fair): (Checked<A, H>, liveness::Fair<A, H>)) -> liveness::Exported
        where
            A: Prune + Internable<Timer: Hash, Random = ()>,
            H: Recorder<A::Msg>,
        {
            liveness::export(&model, &fair)
        }
        match &self.subject {
            Subject::Chain(setup) => export(setup.fair(mechanisms)),
            Subject::Ring(setup) => export(setup.fair(mechanisms)),
            Subject::Coordinators(setup) => export(setup.fair(mechanisms)),
            Subject::Membership(setup) => export(setup.fair(mechanisms)),
        }
    }

    fn run_with<M: Mechanisms>(&self, mechanisms: &M, options: &Options) -> Report {
        if self.steps == Steps::Fair {
            return self.endings_with(mechanisms, options).as_checked();
        }
        let report = match &self.subject {
            Subject::Chain(setup) => {
                let finished = |model: &_, state: &_| setup.is_finished(model, state);
                self.run_model(|pruning| setup.model(mechanisms, pruning), finished, options)
            }
            Subject::Ring(setup) => {
                self.run_model(|pruning| setup.model(mechanisms, pruning), ring::finished, options)
            }
            Subject::Coordinators(setup) => {
                let finished = |_: &_, state: &_| setup.is_finished(state);
                self.run_model(|pruning| setup.model(mechanisms, pruning), finished, options)
            }
            Subject::Membership(setup) => {
                let finished = |_: &_, state: &_| membership::agree(state);
                self.run_model(|pruning| setup.model(mechanisms, pruning), finished, options)
            }
        };
        Report { name: self.name.to_string(), configuration: self.configuration(), ..report }
    }

    /// Explores a model as this says that steps are interpreted.
    fn run_model<A, H>(
        &self,
        model: impl Fn(Pruning) -> Checked<A, H>,
        finished: impl Fn(&Checked<A, H>, &CheckedState<A, H>) -> bool,
        options: &Options,
    ) -> Report
    where
        A: Prune + Internable + Send + Sync,
        H: Recorder<A::Msg> + Send + Sync + 'static,
    {
        match self.steps {
            Steps::Whole | Steps::Fair => run(|| model(Pruning::On), options),
            Steps::Graph => graph::run(&model(Pruning::On), finished),
            Steps::CrashPoints(_) => run(|| self.interpreted(model(Pruning::Off)), options),
        }
    }

    /// A model whose steps have crash points, if these have.
    fn interpreted<A, H>(&self, model: Checked<A, H>) -> Checked<A, H>
    where
        A: Prune + Internable,
        H: Recorder<A::Msg>,
    {
        match self.steps {
            Steps::Whole | Steps::Graph | Steps::Fair => model,
            Steps::CrashPoints(order) => model.crash_points(order),
        }
    }

    /// What is claimed of it, and what must be reachable, by name.
    pub fn claims(&self) -> Vec<&'static str> {
        fn names<W: Model>(model: &W) -> Vec<&'static str> {
            model.properties().iter().map(|property| property.name).collect()
        }
        if self.steps == Steps::Fair {
            return match &self.subject {
                Subject::Chain(setup) => setup.fair(&Intact).1.claims(),
                Subject::Ring(setup) => setup.fair(&Intact).1.claims(),
                Subject::Coordinators(setup) => setup.fair(&Intact).1.claims(),
                Subject::Membership(setup) => setup.fair(&Intact).1.claims(),
            };
        }
        let mut claims = match &self.subject {
            Subject::Chain(setup) => names(&setup.model(&Intact, Pruning::On)),
            Subject::Ring(setup) => names(&setup.model(&Intact, Pruning::On)),
            Subject::Coordinators(setup) => names(&setup.model(&Intact, Pruning::On)),
            Subject::Membership(setup) => names(&setup.model(&Intact, Pruning::On)),
        };
        if self.steps == Steps::Graph {
            claims.push(Claim::CanFinish.name());
        }
        claims
    }

    /// Takes this configuration through a schedule, of the protocol as it is or without a
    /// mechanism, until a property falls; see [`schedule`].
    pub fn follow(&self, lacks: Option<Mechanism>, schedule: &str, until: &str) -> Followed {
        match lacks {
            None => self.follow_with(&Intact, schedule, until),
            Some(mechanism) => self.follow_with(&Without(mechanism), schedule, until),
        }
    }

    fn follow_with<M: Mechanisms>(&self, mechanisms: &M, schedule: &str, until: &str) -> Followed {
        match &self.subject {
            Subject::Chain(setup) => {
                let model = self.interpreted(setup.model(mechanisms, Pruning::Steps));
                follow(&model, &chain::names(model.actors()), schedule, until)
            }
            Subject::Ring(setup) => {
                let model = self.interpreted(setup.model(mechanisms, Pruning::Steps));
                follow(&model, &ring::names(model.actors()), schedule, until)
            }
            Subject::Coordinators(setup) => {
                let model = self.interpreted(setup.model(mechanisms, Pruning::Steps));
                follow(&model, &numbered('c', setup.coordinators), schedule, until)
            }
            Subject::Membership(setup) => {
                let model = self.interpreted(setup.model(mechanisms, Pruning::Steps));
                follow(&model, &numbered('m', setup.periods.len()), schedule, until)
            }
        }
    }

    /// Opens this configuration in stateright's Explorer, of the protocol as it is or without a
    /// mechanism, until the process ends: see [`serve`].
    ///
    /// With [`Pruning::Steps`] every step is one. A path that a check has printed counts steps as
    /// the check takes them: with [`Pruning::On`], unless a schedule was followed.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn explore(
        &self,
        lacks: Option<Mechanism>,
        pruning: Pruning,
        addr: SocketAddr,
        announce: impl FnOnce(),
    ) -> Result<(), std::io::Error> {
        match lacks {
            None => self.explore_with(&Intact, pruning, addr, announce),
            Some(mechanism) => self.explore_with(&Without(mechanism), pruning, addr, announce),
        }
    }

    fn explore_with<M: Mechanisms>(
        &self,
        mechanisms: &M,
        pruning: Pruning,
        addr: SocketAddr,
        announce: impl FnOnce(),
    ) -> Result<(), std::io::Error> {
        if self.steps == Steps::Fair {
            return match &self.subject {
                Subject::Chain(setup) => serve(setup.fair(mechanisms).0, addr, announce),
                Subject::Ring(setup) => serve(setup.fair(mechanisms).0, addr, announce),
                Subject::Coordinators(setup) => serve(setup.fair(mechanisms).0, addr, announce),
                Subject::Membership(setup) => serve(setup.fair(mechanisms).0, addr, announce),
            };
        }
        match &self.subject {
            Subject::Chain(setup) => {
                serve(self.interpreted(setup.model(mechanisms, pruning)), addr, announce)
            }
            Subject::Ring(setup) => {
                serve(self.interpreted(setup.model(mechanisms, pruning)), addr, announce)
            }
            Subject::Coordinators(setup) => {
                serve(self.interpreted(setup.model(mechanisms, pruning)), addr, announce)
            }
            Subject::Membership(setup) => {
                serve(self.interpreted(setup.model(mechanisms, pruning)), addr, announce)
            }
        }
    }

    /// The configuration in words.
    pub fn configuration(&self) -> String {
        let torn = match self.steps {
            Steps::Whole | Steps::Graph | Steps::Fair => "",
            Steps::CrashPoints(Order::SaveFirst) => ", torn steps, saves first",
            Steps::CrashPoints(Order::SendFirst) => ", torn steps, sends first",
        };
        match &self.subject {
            Subject::Chain(setup) => format!("{setup}{torn}"),
            Subject::Ring(setup) => format!("{setup}{torn}"),
            Subject::Coordinators(setup) => format!("{setup}{torn}"),
            Subject::Membership(setup) => format!("{setup}{torn}"),
        }
    }
}

/// The models that these patterns name: all of them for no pattern. A pattern is a model's name and
/// means that one only; or, where no model has that name, the first part of names (`chain` means
/// all that begin with `chain-`); or it ends in a star, and means all that begin with what is
/// before that.
///
/// # Errors
/// When a pattern names nothing: a sentence with the names nearest to it.
pub fn select(patterns: &[String], effort: Effort) -> Result<Vec<Entry>, String> {
    let mut all = all();
    if !patterns.is_empty() {
        all.extend(endings());
    }
    select_of(all, patterns, effort)
}

/// The same of the models in which it is asked whether all ends.
///
/// # Errors
/// As of [`select`].
pub fn select_endings(patterns: &[String], effort: Effort) -> Result<Vec<Entry>, String> {
    select_of(endings(), patterns, effort)
}

fn select_of(all: Vec<Entry>, patterns: &[String], effort: Effort) -> Result<Vec<Entry>, String> {
    let is_name = |pattern: &str| all.iter().any(|entry| entry.name == pattern);
    let family = |name: &str, pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => {
            !is_name(pattern) && name.strip_prefix(pattern).is_some_and(|it| it.starts_with('-'))
        }
    };
    for pattern in patterns {
        if !is_name(pattern) && !all.iter().any(|entry| family(entry.name, pattern)) {
            return Err(unknown(pattern));
        }
    }
    let wanted = |entry: &Entry| {
        let named = patterns.iter().any(|pattern| pattern == entry.name);
        let family = patterns.iter().any(|pattern| family(entry.name, pattern));
        named || ((family || patterns.is_empty()) && entry.effort <= effort)
    };
    let chosen: Vec<_> = all.iter().filter(|entry| wanted(entry)).cloned().collect();
    if chosen.is_empty() {
        return Err(format!(
            "`{}` names models that take minutes each only: add --deep, or write a name whole",
            patterns.join(" ")
        ));
    }
    Ok(chosen)
}

/// Why a name is refused, with those that it may have been meant to be.
pub fn unknown(name: &str) -> String {
    let all = all();
    let families = all.iter().filter_map(|entry| Some(entry.name.split_once('-')?.0));
    let families: BTreeSet<_> = families.collect();
    let names = families.into_iter().chain(all.iter().map(|entry| entry.name));
    format!(
        "there is no model `{name}`. Near to it are {}; `chainring check --list` shows all {}",
        nearest(name, names),
        all.len()
    )
}

/// The three names that are nearest to a mistyped one, in words.
pub fn nearest<'a>(mistyped: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<_> =
        names.into_iter().map(|name| (strsim::jaro_winkler(mistyped, name), name)).collect();
    names.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let named: Vec<_> = names.iter().take(3).map(|(_, name)| format!("`{name}`")).collect();
    named.join(", ")
}

/// The model of this name.
pub fn find(name: &str) -> Option<Entry> {
    all().into_iter().chain(endings()).find(|entry| entry.name == name)
}

/// Actors of one kind, by their numbers.
fn numbered(letter: char, count: usize) -> Vec<String> {
    schedule::numbered(std::iter::repeat_n(letter, count))
}

/// Every model in which it is asked whether all ends.
pub fn endings() -> Vec<Entry> {
    let mut all = Vec::new();
    let councils = coordinators::liveness::models().into_iter();
    all.extend(councils.map(|it| it.map(Subject::Coordinators)));
    all.extend(membership::liveness::models().into_iter().map(|it| it.map(Subject::Membership)));
    all.extend(chain::liveness::models().into_iter().map(|it| it.map(Subject::Chain)));
    all.extend(ring::liveness::models().into_iter().map(|it| it.map(Subject::Ring)));
    all
}

/// Every model.
pub fn all() -> Vec<Entry> {
    let mut all = Vec::new();
    all.extend(coordinators::models::all().into_iter().map(|it| it.map(Subject::Coordinators)));
    all.extend(membership::models::all().into_iter().map(|it| it.map(Subject::Membership)));
    all.extend(chain::models::all().into_iter().map(|it| it.map(Subject::Chain)));
    all.extend(ring::models::all().into_iter().map(|it| it.map(Subject::Ring)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pattern: &str, effort: Effort) -> Vec<&'static str> {
        let chosen = select(&[pattern.to_string()], effort).expect("it names models");
        chosen.iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn a_whole_name_is_one_model_and_a_first_part_is_a_family() {
        assert_eq!(names("chain-reads", Effort::Default), ["chain-reads"]);
        assert_eq!(names("chain-reads*", Effort::Default), ["chain-reads", "chain-reads-tail"]);
        assert_eq!(names("ring-recent", Effort::Default).len(), 4);
        assert_eq!(names("coordinators", Effort::Default), ["coordinators"]);
        let (family, star) = (names("chain", Effort::Default), names("chain-*", Effort::Default));
        assert!(family.len() > 20 && family == star, "{family:?}");
        // A model that takes minutes is explored when it is named, and not with its family.
        assert_eq!(names("chain-four", Effort::Default), ["chain-four"]);
        assert!(!family.contains(&"chain-four"));
        assert!(names("chain", Effort::Deep).contains(&"chain-four"));
    }

    #[test]
    fn a_mistyped_name_gets_the_nearest_ones() {
        for (mistyped, meant) in
            [("chian", "`chain`"), ("chain-raeds", "`chain-reads`"), ("ring-mvoe", "`ring-move`")]
        {
            let said = select(&[mistyped.to_string()], Effort::Default).expect_err(mistyped);
            assert!(said.starts_with(&format!("there is no model `{mistyped}`")), "{said}");
            assert!(said.contains(meant) && said.len() < 200, "{said}");
        }
    }
}
