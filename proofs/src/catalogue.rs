//! The models by name: what `chainring check` runs.

use crate::chain::{Client, Mortal, Setup};
use crate::checked::Pruning;
use crate::graph;
use crate::invariants::Reached;
use crate::run::{Options, Report, run};
use crate::torn::Order;
use chainring_model::kv::{Op, Value};
use chainring_model::{Intact, Mechanism, Mechanisms, Without};

/// A configuration under a name.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What the command line calls it; begins with the protocol's name.
    pub name: &'static str,
    /// What it is for, in a line.
    pub about: &'static str,
    /// Whether it is left out unless asked for, because it takes long.
    pub deep: bool,
    /// What is checked.
    pub setup: Setup,
    /// How the steps are interpreted.
    pub steps: Steps,
}

/// How the steps of actors are interpreted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Steps {
    /// One after the other, whole.
    Whole,
    /// Command by command, with crashes in between.
    Torn(Order),
    /// One after the other, whole, keeping the graph, to ask whether all can always finish.
    Graph,
}

impl Entry {
    fn new(name: &'static str, about: &'static str, setup: Setup) -> Self {
        Entry { name, about, deep: false, setup, steps: Steps::Whole }
    }

    fn deep(mut self) -> Self {
        self.deep = true;
        self
    }

    /// Explores this configuration, of the protocol as it is, or without a mechanism.
    pub fn run(&self, lacks: Option<Mechanism>, options: &Options) -> Report {
        match lacks {
            None => self.run_with(&Intact, options),
            Some(mechanism) => self.run_with(&Without(mechanism), options),
        }
    }

    fn run_with<M: Mechanisms>(&self, mechanisms: &M, options: &Options) -> Report {
        let report = match self.steps {
            Steps::Whole => run(|| self.setup.model(mechanisms, Pruning::On), options),
            Steps::Graph => graph::run(&self.setup.model(mechanisms, Pruning::On)),
            Steps::Torn(order) => run(|| self.setup.torn(mechanisms, order), options),
        };
        Report { name: self.name.to_string(), configuration: self.configuration(), ..report }
    }

    /// The configuration in words.
    pub fn configuration(&self) -> String {
        let torn = match self.steps {
            Steps::Whole | Steps::Graph => "",
            Steps::Torn(Order::SaveFirst) => ", torn steps, saves first",
            Steps::Torn(Order::SendFirst) => ", torn steps, sends first",
        };
        format!("{}{torn}", self.setup)
    }
}

/// The models whose names are `pattern` or begin with it and a dash; all of them for no pattern.
pub fn select(patterns: &[String], deep: bool) -> Result<Vec<Entry>, String> {
    let all = all();
    let family = |name: &str, pattern: &str| {
        name.strip_prefix(pattern).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    for pattern in patterns {
        if !all.iter().any(|entry| family(entry.name, pattern)) {
            let names: Vec<_> = all.iter().map(|entry| entry.name).collect();
            return Err(format!(
                "there is no model `{pattern}`; `chainring check --list` shows all: {}",
                names.join(", ")
            ));
        }
    }
    let wanted = |entry: &Entry| {
        let named = patterns.iter().any(|pattern| pattern == entry.name);
        let family = patterns.iter().any(|pattern| family(entry.name, pattern));
        named || ((family || patterns.is_empty()) && (deep || !entry.deep))
    };
    Ok(all.into_iter().filter(wanted).collect())
}

/// The model of this name.
pub fn find(name: &str) -> Option<Entry> {
    all().into_iter().find(|entry| entry.name == name)
}

fn put(value: &str) -> Op {
    Op::Put(value.into())
}

fn swap(expected: &str, new: &str) -> Op {
    Op::CompareAndSwap { expected: expected.into(), new: Value::from(new) }
}

/// Every model.
pub fn all() -> Vec<Entry> {
    use Reached::*;
    vec![
        Entry::new(
            "chain-one",
            "a chain of one commits on receipt",
            Setup::new(1, [Client::new([Op::Increment(1), Op::Get]), Client::new([put("a")])])
                .crashes(1, Mortal::All)
                .reached([ReadFound, Acknowledged, RecoveredAndServed, GivenUp]),
        ),
        Entry::new(
            "chain-reads",
            "clean reads at every replica, dirty reads through the tail",
            Setup::new(
                3,
                [Client::new([put("a"), Op::Get]).near(0), Client::new([Op::Get, Op::Get]).near(1)],
            )
            .reached([ReadFound, DirtyForwarded, SuccessorLags, StableLags, AllAgree]),
        ),
        Entry::new(
            "chain-crash",
            "two writers who read, and a crash of any replica or gateway at any moment",
            Setup::new(
                3,
                [Client::new([put("a"), Op::Get]).near(0), Client::new([put("b"), Op::Get])],
            )
            .crashes(1, Mortal::All)
            .reached([
                ReadFound,
                DirtyForwarded,
                SuccessorLags,
                TwoLinksBusy,
                StableLags,
                AllAgree,
                Acknowledged,
                DuplicateAnswered,
                RecoveredAndServed,
                GivenUp,
                UnknownTookEffect,
            ]),
        ),
        Entry::new(
            "chain-keys",
            "two keys, whose histories are judged one by one",
            Setup::new(
                3,
                [
                    Client::new([put("a"), Op::Get]).near(1),
                    Client::new([put("b"), Op::Get]).on(0, "y").near(0),
                ],
            )
            .reached([ReadFound, TwoLinksBusy, AllAgree, DuplicateAnswered]),
        ),
        Entry::new(
            "chain-compete",
            "create, compare-and-swap and delete compete",
            Setup::new(
                3,
                [
                    Client::new([Op::Create("1".into()), swap("1", "5")]),
                    Client::new([Op::Delete, Op::Get]).near(0),
                ],
            )
            .reached([
                ReadFound,
                AllAgree,
                Acknowledged,
                DuplicateAnswered,
                TwoLinksBusy,
            ]),
        ),
        Entry::new(
            "chain-count",
            "increments and updates compete: an outcome shows what was applied twice",
            Setup::new(
                2,
                [
                    Client::new([Op::Increment(1), Op::Update("7".into())]),
                    Client::new([Op::Increment(1), Op::Get]).near(0),
                ],
            )
            .crashes(1, Mortal::All)
            .reached([ReadFound, Acknowledged, DuplicateAnswered, RecoveredAndServed]),
        ),
        Entry::new(
            "chain-lanes",
            "two lanes of one gateway side by side, and a crash of any actor",
            Setup::new(
                2,
                [Client::new([Op::Increment(1), Op::Get]).beside(Client::new([Op::Increment(1)]))],
            )
            .crashes(1, Mortal::All)
            .reached([
                ReadFound,
                AllAgree,
                DuplicateAnswered,
                RecoveredAndServed,
                GivenUp,
            ]),
        ),
        Entry::new(
            "chain-unknown",
            "deadlines pass at any moment, and clients go on",
            Setup {
                deadlines: true,
                ..Setup::new(
                    2,
                    [
                        Client::new([Op::Increment(1), Op::Increment(1), Op::Get]),
                        Client::new([put("7")]),
                    ],
                )
            }
            .reached([ReadFound, UnknownTookEffect, DuplicateAnswered]),
        ),
        Entry::new(
            "chain-redirect",
            "gateways begin with an older view and are redirected",
            Setup {
                stale_gateways: true,
                ..Setup::new(2, [Client::new([put("a"), Op::Get]).near(0), Client::new([put("b")])])
            }
            .crashes(1, Mortal::Gateways)
            .reached([ReadFound, Redirected, RecoveredAndServed]),
        ),
        Entry {
            steps: Steps::Graph,
            ..Entry::new(
                "chain-lossy",
                "any message may be lost for good: what is sent again keeps things going",
                Setup { lossy: true, ..Setup::new(2, [Client::new([Op::Increment(1), Op::Get])]) }
                    .reached([ReadFound, Acknowledged, DuplicateAnswered]),
            )
        },
        Entry {
            steps: Steps::Graph,
            ..Entry::new(
                "chain-resume",
                "any message may be lost for good, and any actor may crash",
                Setup { lossy: true, ..Setup::new(2, [Client::new([Op::Increment(1)])]) }
                    .crashes(1, Mortal::All)
                    .reached([Acknowledged, RecoveredAndServed]),
            )
        },
        Entry {
            steps: Steps::Graph,
            ..Entry::new(
                "chain-full",
                "windows of one entry: what does not fit waits, and is logged later",
                Setup {
                    lossy: true,
                    window: Some(1),
                    ..Setup::new(
                        2,
                        [Client::new([Op::Increment(1)]), Client::new([Op::Increment(1)])],
                    )
                }
                .reached([Acknowledged, AllAgree, WindowFull]),
            )
        },
        Entry {
            steps: Steps::Torn(Order::SaveFirst),
            ..Entry::new(
                "chain-torn",
                "crashes between any two commands of a step: persist, then speak",
                Setup::new(2, [Client::new([put("a"), Op::Get]).near(0)])
                    .crashes(1, Mortal::All)
                    .reached([ReadFound, RecoveredAndServed, GivenUp]),
            )
        },
        Entry::new(
            "chain-crash-twice",
            "as chain-crash, with two crashes",
            Setup::new(
                3,
                [Client::new([put("a"), Op::Get]).near(0), Client::new([put("b"), Op::Get])],
            )
            .crashes(2, Mortal::All)
            .reached([
                ReadFound,
                DirtyForwarded,
                RecoveredAndServed,
                GivenUp,
                UnknownTookEffect,
            ]),
        )
        .deep(),
        Entry::new(
            "chain-four",
            "four replicas and three clients",
            Setup::new(
                4,
                [
                    Client::new([Op::Increment(1), Op::Get]).near(1),
                    Client::new([Op::Increment(2), Op::Get]).near(2),
                    Client::new([Op::Delete]),
                ],
            )
            .reached([ReadFound, DirtyForwarded, TwoLinksBusy, AllAgree]),
        )
        .deep(),
    ]
}
