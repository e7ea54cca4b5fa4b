//! The models by name: what `chainring check` runs.

use crate::chain::Reached;
use crate::chain::{Client, Mortal, Setup, Since, Stored};
use crate::checker::crash_points::Order;
use crate::checker::graph;
use crate::checker::model::Pruning;
use crate::checker::run::{Options, Report, run};
use crate::checker::schedule::{self, Followed, follow};
use crate::coordinators;
use crate::membership;
use crate::ring;
use chainring_model::chain::Reads;
use chainring_model::kv::{Op, Value};
use chainring_model::{Intact, Mechanism, Mechanisms, Without};
use std::collections::BTreeSet;

/// A configuration under a name.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What the command line calls it; begins with the protocol's name.
    pub name: &'static str,
    /// What it is for, in a line.
    pub about: &'static str,
    /// How much has to be asked for before it is explored.
    pub effort: Effort,
    /// What is checked.
    pub subject: Subject,
    /// How the steps are interpreted.
    pub steps: Steps,
}

/// How much work a model is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Effort {
    /// Explored to the end whenever models are checked.
    Default,
    /// Explored to the end, in minutes, when that is asked for.
    Deep,
    /// Too large to be explored to the end here, and so no claim: schedules of mutants lead through it, or a part
    /// of it is explored by its name.
    Partial,
}

/// What is checked.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A chain.
    Chain(Setup),
    /// A ring.
    Ring(ring::Setup),
    /// Coordinators by themselves.
    Coordinators(coordinators::Setup),
    /// Members by themselves.
    Membership(membership::Setup),
}

/// How the steps of actors are interpreted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Steps {
    /// One after the other, whole.
    Whole,
    /// Command by command, with crashes in between.
    CrashPoints(Order),
    /// One after the other, whole, keeping the graph, to ask whether all can always finish.
    Graph,
}

impl Entry {
    fn new(name: &'static str, about: &'static str, setup: Setup) -> Self {
        Self::of(name, about, Subject::Chain(setup))
    }

    pub(crate) fn of(name: &'static str, about: &'static str, subject: Subject) -> Self {
        Entry { name, about, effort: Effort::Default, subject, steps: Steps::Whole }
    }

    pub(crate) fn deep(self) -> Self {
        Entry { effort: Effort::Deep, ..self }
    }

    pub(crate) fn partial(self) -> Self {
        Entry { effort: Effort::Partial, ..self }
    }

    /// Explores this configuration, of the protocol as it is, or without a mechanism.
    pub fn run(&self, lacks: Option<Mechanism>, options: &Options) -> Report {
        match lacks {
            None => self.run_with(&Intact, options),
            Some(mechanism) => self.run_with(&Without(mechanism), options),
        }
    }

    fn run_with<M: Mechanisms>(&self, mechanisms: &M, options: &Options) -> Report {
        let report = match (&self.subject, self.steps) {
            (Subject::Chain(setup), Steps::Whole) => {
                run(|| setup.model(mechanisms, Pruning::On), options)
            }
            (Subject::Chain(setup), Steps::Graph) => {
                let model = setup.model(mechanisms, Pruning::On);
                graph::run(&model, |model, state| setup.is_finished(model, state))
            }
            (Subject::Chain(setup), Steps::CrashPoints(order)) => {
                run(|| setup.crash_points(mechanisms, order), options)
            }
            (Subject::Ring(setup), Steps::Graph) => {
                graph::run(&setup.model(mechanisms, Pruning::On), ring::finished)
            }
            (Subject::Ring(setup), _) => run(|| setup.model(mechanisms, Pruning::On), options),
            (Subject::Coordinators(council), _) => {
                run(|| council.model(mechanisms, Pruning::On), options)
            }
            (Subject::Membership(members), Steps::Graph) => {
                graph::run(&members.model(mechanisms, Pruning::On), |_, state| {
                    membership::agree(state)
                })
            }
            (Subject::Membership(members), _) => {
                run(|| members.model(mechanisms, Pruning::On), options)
            }
        };
        Report { name: self.name.to_string(), configuration: self.configuration(), ..report }
    }

    /// Takes this configuration through a schedule, of the protocol as it is or without a mechanism, until a
    /// property falls; see [`schedule`].
    pub fn follow(&self, lacks: Option<Mechanism>, schedule: &str, until: &str) -> Followed {
        match lacks {
            None => self.follow_with(&Intact, schedule, until),
            Some(mechanism) => self.follow_with(&Without(mechanism), schedule, until),
        }
    }

    fn follow_with<M: Mechanisms>(&self, mechanisms: &M, schedule: &str, until: &str) -> Followed {
        match &self.subject {
            Subject::Chain(setup) => {
                let model = setup.model(mechanisms, Pruning::Steps);
                follow(&model, &schedule::names(model.actors()), schedule, until)
            }
            Subject::Ring(setup) => {
                let model = setup.model(mechanisms, Pruning::Steps);
                follow(&model, &ring::names(model.actors()), schedule, until)
            }
            Subject::Coordinators(council) => {
                let names: Vec<_> = (0..council.coordinators).map(|c| format!("c{c}")).collect();
                follow(&council.model(mechanisms, Pruning::Steps), &names, schedule, until)
            }
            Subject::Membership(members) => {
                let count = members.periods.len();
                let names: Vec<_> = (0..count).map(|member| format!("m{member}")).collect();
                follow(&members.model(mechanisms, Pruning::Steps), &names, schedule, until)
            }
        }
    }

    /// The configuration in words.
    pub fn configuration(&self) -> String {
        let torn = match self.steps {
            Steps::Whole | Steps::Graph => "",
            Steps::CrashPoints(Order::SaveFirst) => ", torn steps, saves first",
            Steps::CrashPoints(Order::SendFirst) => ", torn steps, sends first",
        };
        match &self.subject {
            Subject::Chain(setup) => format!("{setup}{torn}"),
            Subject::Ring(setup) => setup.to_string(),
            Subject::Coordinators(council) => council.to_string(),
            Subject::Membership(members) => members.to_string(),
        }
    }
}

/// The models that these patterns name: all of them for no pattern. A pattern is a model's name and means that one
/// only; or, where no model has that name, the first part of names (`chain` means all that begin with `chain-`); or it
/// ends in a star, and means all that begin with what is before that.
///
/// # Errors
/// When a pattern names nothing: a sentence with the names nearest to it.
pub fn select(patterns: &[String], effort: Effort) -> Result<Vec<Entry>, String> {
    let all = all();
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
    all().into_iter().find(|entry| entry.name == name)
}

fn put(value: &str) -> Op {
    Op::Put(value.into())
}

fn swap(expected: &str, new: &str) -> Op {
    Op::CompareAndSwap { expected: expected.into(), new: Value::from(new) }
}

/// Two who put and get.
fn four() -> Setup {
    Setup::new(3, [Client::new([put("a"), Op::Get]).near(0), Client::new([put("b"), Op::Get])])
}

fn four_crash(name: &'static str, mortal: Mortal) -> Entry {
    use Reached::{HeadLost, MiddleLost, ReadFound, RecoveredAndServed, TailLost};
    let setup = four().views(1, 1).crashes(1, mortal);
    let setup = setup.reached([ReadFound, HeadLost, MiddleLost, TailLost, RecoveredAndServed]);
    Entry::new(name, "two who put and get, a view change, and a crash", setup).deep()
}

fn twice(name: &'static str, suspects: [usize; 2], lost: [Reached; 2]) -> Entry {
    let setup = four().views(1, 2).suspects(suspects);
    let setup = setup.reached(lost).reached([Reached::ReadFound, Reached::RemovedUnaware]);
    Entry::new(name, "two who put and get, and two view changes", setup).deep()
}

/// Every model.
pub fn all() -> Vec<Entry> {
    let mut all = of_chain();
    all.extend(ring::catalogue());
    all
}

/// The models of the chain, and of the coordinators by themselves.
fn of_chain() -> Vec<Entry> {
    use Reached::*;
    let members = Subject::Membership;
    let council = |coordinators, proposers, rounds, crashes| {
        Subject::Coordinators(coordinators::Setup { coordinators, proposers, rounds, crashes })
    };
    vec![
        Entry::of(
            "coordinators",
            "two proposers duel over two epochs, with a crash: one view an epoch",
            council(3, 2, 1, 1),
        ),
        Entry::of("coordinators-again", "the same with second ballots", council(3, 2, 2, 1))
            .partial(),
        Entry::of(
            "members-two",
            "two who ask each other, suspect, declare dead and refute, each at any moment",
            members(membership::Setup::new([3, 3]).reached([
                membership::Reached::WronglySuspected,
                membership::Reached::WronglyDead,
                membership::Reached::DeadToEachOther,
                membership::Reached::Refuted,
            ])),
        ),
        Entry::of(
            "members-crash",
            "two who ask each other, and a crash of either: a new life overrules a tombstone",
            members(membership::Setup::new([3, 1]).crashes(1, [0, 1]).reached([
                membership::Reached::Found,
                membership::Reached::StaleUnderWay,
                membership::Reached::Restarted,
                membership::Reached::Refuted,
            ])),
        ),
        Entry::of(
            "members-stale",
            "one is found dead, and a third one's table says that it lives",
            members(
                membership::Setup { cut_off: Some(2), ..membership::Setup::new([3, 0, 0]) }
                    .comparing([0])
                    .reached([membership::Reached::StaleUnderWay]),
            ),
        ),
        Entry::of(
            "members-confirm",
            "two find the same, and say so to each other",
            members(
                membership::Setup { cut_off: Some(2), ..membership::Setup::new([2, 2, 0]) }
                    .reached([membership::Reached::Confirmed, membership::Reached::StaleUnderWay]),
            ),
        ),
        Entry::of(
            "members-relay",
            "questions are asked again, with the help of others",
            members(membership::Setup { tries: 1, ..membership::Setup::new([2, 0, 0]) }.reached([membership::Reached::Relayed])),
        ),
        Entry::of(
            "members-leave",
            "one leaves, while both ask each other and compare tables",
            members(
                membership::Setup { leaver: Some(1), ..membership::Setup::new([2, 1]) }
                    .comparing([0])
                    .crashes(1, [1])
                    .reached([membership::Reached::Left, membership::Reached::Restarted, membership::Reached::StaleUnderWay]),
            ),
        ),
        Entry {
            steps: Steps::Graph,
            ..Entry::of(
                "members-join",
                "a newcomer who knows one; any message may be lost for good",
                members(
                    membership::Setup { newcomer: true, lossy: true, ..membership::Setup::new([0, 0, 0]) }
                        .comparing([2])
                        .reached([membership::Reached::Joined]),
                ),
            )
        },
        Entry {
            steps: Steps::Graph,
            ..Entry::of(
                "members-lossy",
                "any message may be lost for good: one who is held dead learns it, and tables converge",
                members(
                    membership::Setup { lossy: true, ..membership::Setup::new([3, 0]) }
                        .comparing([0])
                        .reached([membership::Reached::WronglyDead, membership::Reached::Refuted]),
                ),
            )
        },
        Entry {
            steps: Steps::Graph,
            ..Entry::of(
                "members-resume",
                "any message may be lost for good, and one crashes",
                members(
                    membership::Setup { lossy: true, ..membership::Setup::new([1, 1]) }
                        .comparing([0])
                        .crashes(1, [1])
                        .reached([membership::Reached::Restarted]),
                ),
            )
        },
        Entry::of(
            "members-three",
            "one asks two others, and one of them may crash",
            members(membership::Setup::new([3, 0, 0]).crashes(1, [2]).reached([
                membership::Reached::Found,
                membership::Reached::StaleUnderWay,
                membership::Reached::Restarted,
                membership::Reached::Refuted,
            ])),
        ),
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
            "chain-reads-tail",
            "reads at the tail alone, as the client asks",
            Setup::new(
                3,
                [
                    Client::new([put("a"), Op::Get]).near(0).reading(Reads::Tail),
                    Client::new([Op::Get, Op::Get]).near(1).reading(Reads::Tail),
                ],
            )
            .reached([ReadFound, SuccessorLags, AllAgree]),
        ),
        Entry::new(
            "chain-list",
            "two who write a key, and list all keys from any replica: what was acknowledged is there",
            Setup::new(
                3,
                [
                    Client::new([put("a"), Op::Get]).listing(8),
                    Client::new([put("b"), Op::Get]).on(0, "y").listing(8),
                ],
            )
            .reached([Listed, ListingForwarded, SuccessorLags, StableLags, AllAgree]),
        ),
        Entry::new(
            "chain-list-size",
            "one writes a key, another deletes it, and both count all keys",
            Setup::new(
                3,
                [
                    Client::new([put("a"), Op::Get]).listing(0),
                    Client::new([Op::Delete, Op::Get]).listing(0),
                ],
            )
            .reached([Listed, ListingForwarded, SuccessorLags, StableLags, AllAgree]),
        ),
        Entry::new(
            "chain-crash",
            "two writers who read, and a crash of any replica or gateway at any moment",
            four().crashes(1, Mortal::All).reached([
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
            steps: Steps::CrashPoints(Order::SaveFirst),
            ..Entry::new(
                "chain-torn",
                "crashes between any two commands of a step: persist, then speak",
                Setup::new(2, [Client::new([put("a"), Op::Get]).near(0)])
                    .crashes(1, Mortal::All)
                    .reached([ReadFound, RecoveredAndServed, GivenUp]),
            )
        },
        Entry::new(
            "chain-views",
            "head, middle or tail suspected at any moment, rightly or wrongly",
            Setup::new(3, [Client::new([put("a"), Op::Get]).near(0), Client::new([put("b")])])
                .views(1, 1)
                .reached([
                    ReadFound,
                    DirtyForwarded,
                    HeadLost,
                    MiddleLost,
                    TailLost,
                    RemovedUnaware,
                    LeaseLapsed,
                    InstalledBusy,
                    VoteWaits,
                ]),
        ),
        Entry::new(
            "chain-views-crash",
            "a view change, and a crash of any replica, gateway or coordinator",
            Setup::new(3, [Client::new([Op::Increment(1), Op::Get]).near(0)])
                .views(1, 1)
                .crashes(1, Mortal::All)
                .reached([ReadFound, HeadLost, MiddleLost, TailLost, RecoveredAndServed]),
        ),
        Entry::new(
            "chain-views-four",
            "two who put and get, and a view change",
            four().views(1, 1).reached([ReadFound, HeadLost, MiddleLost, TailLost]),
        )
        .deep(),
        // One crash is a replica's, a gateway's or a coordinator's: the three models together are one.
        four_crash("chain-views-four-crash-replica", Mortal::Replicas),
        four_crash("chain-views-four-crash-gateway", Mortal::Gateways),
        four_crash("chain-views-four-crash-coordinator", Mortal::Coordinators),
        Entry::new(
            "chain-lease",
            "a paused reader in a chain of two: its lease has lapsed before it is left out",
            Setup::new(
                2,
                [Client::new([put("a"), Op::Get]), Client::new([Op::Get, Op::Get]).near(1)],
            )
            .views(1, 1)
            .slow_leases(1)
            .reached([
                ReadFound,
                HeadLost,
                TailLost,
                RemovedUnaware,
                LeaseLapsed,
                VoteWaits,
            ]),
        ),
        Entry::new(
            "chain-list-lease",
            "a member that is left out, and does not know it, lists nothing any more",
            Setup::new(2, [Client::new([put("a"), Op::Get]).listing(8)])
                .views(1, 1)
                .slow_leases(0)
                .reached([
                    Listed,
                    ListingForwarded,
                    HeadLost,
                    TailLost,
                    RemovedUnaware,
                    LeaseLapsed,
                ]),
        ),
        Entry::new(
            "chain-lease-crash",
            "the same with a crash of a replica or of the coordinator",
            Setup::new(2, [Client::new([put("a")]), Client::new([Op::Get, Op::Get]).near(1)])
                .views(1, 1)
                .suspects([1])
                .slow_leases(0)
                .crashes(1, Mortal::Members)
                .reached([ReadFound, TailLost, RemovedUnaware, LeaseLapsed, RecoveredAndServed]),
        ),
        Entry::new(
            "chain-lease-council",
            "three coordinators, and a client that reads what it wrote at a paused replica",
            Setup::new(2, [Client::new([put("a"), Op::Get]).near(1)])
                .views(3, 1)
                .suspects([1])
                .slow_leases(0)
                .reached([ReadFound, TailLost, RemovedUnaware, LeaseLapsed, VoteWaits]),
        ),
        Entry::new(
            "chain-views-leases",
            "a member whose lease was granted in one view is left out by the next but one",
            Setup::new(3, [Client::new([put("a"), Op::Get]).near(1)])
                .views(1, 2)
                .suspects([1, 2])
                .reached([ReadFound, MiddleLost, TailLost, RemovedUnaware, VoteWaits]),
        ),
        Entry::new(
            "copies",
            "two copies are kept of three, whoever is suspected in two view changes",
            Setup::new(3, [Client::new([put("a"), Op::Get]).near(1)])
                .copies(2)
                .views(1, 2)
                .reached([ReadFound, HeadLost, MiddleLost, TailLost, KeptForCopies]),
        ),
        Entry::new(
            "copies-crash",
            "the same with a crash of any member or the coordinator, and one view change",
            Setup::new(3, [Client::new([put("a"), Op::Get]).near(0)])
                .copies(2)
                .views(1, 1)
                .crashes(1, Mortal::Members)
                .reached([ReadFound, HeadLost, MiddleLost, TailLost, RecoveredAndServed]),
        ),
        Entry::new(
            "copies-return",
            "a tail is removed, and returns, while anyone is suspected",
            Setup::new(3, [Client::new([Op::Increment(1)])])
                .copies(2)
                .views(1, 3)
                .suspects([1, 2])
                .reached([MiddleLost, TailLost, KeptForCopies, Returned]),
        ),
        Entry::new(
            "copies-lax",
            "three coordinators, of which the one that suspects would keep one copy, and the others two",
            Setup {
                lax: true,
                ..Setup::new(2, [Client::new([put("a"), put("b")])]).copies(2).views(3, 1)
            }
            .suspects([1])
            .reached([AllAgree]),
        ),
        Entry::new(
            "copies-reform",
            "an operator gives two of three up, at any time, and anyone is suspected beside",
            Setup::new(3, [Client::new([put("a"), Op::Get])])
                .copies(2)
                .giving_up([1, 2])
                .views(1, 1)
                .reached([ReadFound, HeadLost, MiddleLost, TailLost]),
        ),
        Entry::new(
            "grow-copies",
            "a chain of one is to keep two copies: updates wait until its learner is a member",
            Setup::new(1, [Client::new([Op::Increment(1), Op::Get])])
                .copies(2)
                .stored(Stored::Value)
                .teaching(1)
                .views(1, 1)
                .suspects([9])
                .reached([ReadFound, Appended]),
        ),
        Entry::new(
            "grow-copies-deadlines",
            "the same, where deadlines pass at any moment, and the learner may be dropped",
            Setup {
                deadlines: true,
                ..Setup::new(1, [Client::new([Op::Increment(1), Op::Increment(1), Op::Get])])
            }
            .copies(2)
            .stored(Stored::Value)
            .teaching(1)
            .views(1, 1)
            .suspects([1])
            .reached([ReadFound, Appended, LearnerDropped, Denied, UnknownTookEffect]),
        ),
        Entry::new(
            "chain-return-tail",
            "a tail is removed, returns and is a member again",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Get])])
                .views(1, 3)
                .suspects([1])
                .reached([ReadFound, TailLost, Returned]),
        ),
        Entry::new(
            "chain-return-head",
            "a head is removed, returns and is a member again",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Get])])
                .views(1, 3)
                .suspects([0])
                .reached([ReadFound, HeadLost, Returned]),
        ),
        Entry::new(
            "chain-silent",
            "two neighbours hear nothing from each other, and coordinators hear both",
            Setup {
                complaints: true,
                cut: true,
                ..Setup::new(2, [Client::new([Op::Increment(1), Op::Get]).near(1)])
            }
            .views(1, 1)
            .suspects([9])
            .reached([ReadFound, TailLost]),
        ),
        Entry::new(
            "grow-silent",
            "a tail calls its learner silent at any moment, before the handover and after it",
            Setup { complaints: true, ..Setup::new(1, [Client::new([Op::Increment(1), Op::Get])]) }
                .stored(Stored::Value)
                .teaching(1)
                .views(1, 1)
                .suspects([9])
                .reached([ReadFound, Appended, LearnerDropped, HandedOver, LearnerLags]),
        ),
        Entry {
            steps: Steps::Graph,
            ..Entry::new(
                "grow-lossy",
                "any message of a transfer may be lost for good, and still the learner becomes a member",
                Setup {
                    lossy: true,
                    grows: true,
                    ..Setup::new(1, [Client::new([Op::Increment(1)])])
                }
                .stored(Stored::Value)
                .teaching(1)
                .views(1, 1)
                .suspects([9])
                .crashes(1, Mortal::Members)
                .reached([Appended, HandedOver, LearnerLags]),
            )
        },
        // Of three, two can be suspected in two view changes: the three models together are one.
        twice("chain-views-twice-head-middle", [0, 1], [HeadLost, MiddleLost]),
        twice("chain-views-twice-head-tail", [0, 2], [HeadLost, TailLost]),
        twice("chain-views-twice-middle-tail", [1, 2], [MiddleLost, TailLost]),
        Entry::new(
            "grow-one",
            "a chain of one teaches a learner under increments and a delete",
            Setup::new(
                1,
                [Client::new([Op::Increment(1), Op::Get]), Client::new([Op::Delete]).on(0, "y")],
            )
            .stored(Stored::Values)
            .teaching(1)
            .views(1, 1)
            .suspects([1])
            .reached([ReadFound, Appended, LearnerDropped, HandedOver]),
        ),
        Entry::new(
            "grow-list",
            "a learner lists nothing, nor does a tail that has handed over what its learner may have committed",
            Setup::new(1, [Client::new([put("a"), Op::Get]).listing(8)])
                .stored(Stored::Lanes)
                .teaching(1)
                .views(1, 1)
                .suspects([1])
                .reached([Listed, Appended, LearnerDropped, HandedOver]),
        ),
        Entry::new(
            "grow-join",
            "a newcomer is named, taught and appended",
            Setup::new(1, [Client::new([Op::Increment(1), Op::Get])])
                .stored(Stored::Value)
                .joining(2)
                .views(1, 2)
                .suspects([9])
                .reached([ReadFound, Appended]),
        ),
        Entry::new(
            "grow-keys",
            "a key comes and goes during the transfer",
            Setup::new(1, [Client::new([put("7"), Op::Delete]).on(0, "z").on(1, "z")])
                .stored(Stored::Values)
                .teaching(1)
                .views(1, 1)
                .suspects([1])
                .reached([Appended, LearnerDropped, HandedOver, LearnerLags, Buried]),
        ),
        Entry::new(
            "grow-empty",
            "a chain that holds nothing yet has a learner",
            Setup::new(1, [Client::new([Op::Increment(1), Op::Get])])
                .teaching(1)
                .views(1, 1)
                .suspects([1])
                .reached([ReadFound, Appended, LearnerDropped, HandedOver, LearnerLags]),
        ),
        Entry::new(
            "grow-lanes",
            "a chain that holds no value any more has operations to transfer",
            Setup::new(1, [Client::new([Op::Increment(1)]), Client::new([Op::Get])])
                .stored(Stored::Lanes)
                .teaching(1)
                .views(1, 1)
                .suspects([1])
                .reached([Appended, LearnerDropped, HandedOver, LearnerLags]),
        ),
        Entry::new(
            "grow-old",
            "a removed head returns with its old disk",
            Setup::new(1, [Client::new([Op::Increment(1), Op::Get])])
                .stored(Stored::OldDisk)
                .teaching(2)
                .views(1, 1)
                .suspects([1])
                .reached([ReadFound, Appended, LearnerDropped, HandedOver, LearnerLags]),
        ),
        Entry::new(
            "grow-crash",
            "a crash of the tail, the learner or the coordinator during the transfer",
            Setup::new(1, [Client::new([Op::Increment(1), Op::Get])])
                .stored(Stored::OldDisk)
                .teaching(1)
                .views(1, 1)
                .suspects([1])
                .crashes(1, Mortal::Members)
                .reached([ReadFound, Appended, LearnerDropped, HandedOver, LearnerLags]),
        ),
        Entry::new(
            "grow-again",
            "a learner is dropped, named again, and appended",
            Setup::new(1, [Client::new([Op::Increment(1)])])
                .stored(Stored::Value)
                .teaching(1)
                .views(1, 3)
                .suspects([1])
                .reached([Appended, LearnerDropped, HandedOver, LearnerLags]),
        ),
        Entry::new(
            "grow-stale",
            "a gateway that has not heard that the learner is none of the chain reads there",
            Setup {
                stale_gateways: true,
                ..Setup::new(1, [Client::new([Op::Get, Op::Increment(1), Op::Get]).near(1)])
                    .stored(Stored::Value)
                    .teaching(2)
            }
            .views(1, 1)
            .suspects([1])
            .reached([ReadFound, Redirected]),
        ),
        Entry::new(
            "grow-two",
            "a chain of two teaches a learner; head, tail or learner are suspected at any moment",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Get]).near(0)])
                .stored(Stored::Value)
                .teaching(1)
                .views(1, 1)
                .reached([ReadFound, Appended, LearnerDropped, HeadLost, TailLost, HandedOver]),
        ),
        Entry::new(
            "grow-two-twice",
            "the same with two view changes",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Get]).near(0)])
                .stored(Stored::Value)
                .teaching(1)
                .views(1, 2)
                .reached([ReadFound, Appended, LearnerDropped, HeadLost, TailLost, HandedOver]),
        )
        .deep(),
        Entry::new(
            "grow-late",
            "one who was removed and has returned is the predecessor again, and its old update arrives",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Get]).near(0)])
                .late()
                .reached([ReadFound, AllAgree]),
        ),
        Entry::new(
            "grow-disk",
            "who lost its disk stays away",
            Setup { disks_lost: true, ..Setup::new(2, [Client::new([put("a"), Op::Get])]) }
                .crashes(1, Mortal::Members)
                .views(1, 1)
                .suspects([1])
                .reached([ReadFound, TailLost]),
        ),
        Entry::new(
            "return-away",
            "a member that was away goes on where it was: values, a delete, entries of nobody else",
            Setup::new(1, [Client::new([Op::Increment(1), Op::Get])])
                .stored(Stored::Away(Since::All))
                .teaching(1)
                .retaining(8)
                .views(1, 1)
                .suspects([1])
                .reached([ReadFound, Appended, LearnerDropped, HandedOver, GoesOn]),
        ),
        Entry::new(
            "return-trimmed",
            "a member that was away too long: what was deleted meanwhile is not retained any more",
            Setup::new(1, [Client::new([Op::Increment(1), Op::Get])])
                .stored(Stored::Away(Since::Some))
                .teaching(2)
                .retaining(2)
                .views(1, 1)
                .suspects([1])
                .reached([ReadFound, Appended, LearnerDropped, HandedOver, BeginsAnew]),
        ),
        Entry::new(
            "return-other",
            "a member returns with the store of another history",
            Setup::new(1, [Client::new([Op::Increment(1), Op::Get])])
                .stored(Stored::Away(Since::AllOfAnother))
                .teaching(2)
                .retaining(8)
                .views(1, 1)
                .suspects([1])
                .reached([ReadFound, Appended, LearnerDropped, HandedOver, BeginsAnew]),
        ),
        Entry::new(
            "return-crash",
            "a member goes on where it was; it, the tail or the coordinator crashes",
            Setup::new(1, [Client::new([Op::Increment(1)])])
                .stored(Stored::Away(Since::All))
                .teaching(2)
                .retaining(8)
                .views(1, 1)
                .suspects([1])
                .crashes(1, Mortal::Members)
                .reached([Appended, LearnerDropped, HandedOver, GoesOn]),
        ),
        Entry::new(
            "return-learner",
            "a learner is dropped in the middle of its scan, or after it, and named again",
            Setup::new(1, [Client::new([Op::Increment(1)])])
                .stored(Stored::Values)
                .teaching(1)
                .retaining(8)
                .views(1, 3)
                .suspects([1])
                .reached([Appended, LearnerDropped, HandedOver, GoesOn]),
        ),
        Entry::new(
            "return-two",
            "a chain of two has a member back; head, tail or learner are suspected at any moment",
            Setup::new(2, [Client::new([Op::Increment(1)])])
                .stored(Stored::Away(Since::All))
                .teaching(2)
                .retaining(8)
                .views(1, 1)
                .reached([Appended, LearnerDropped, HeadLost, TailLost, HandedOver, GoesOn]),
        ),
        Entry::new(
            "return-tail",
            "a tail is removed at any moment, rightly or wrongly, and returns to what it missed",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Increment(1), Op::Get])])
                .retaining(8)
                .views(1, 3)
                .suspects([1])
                .reached([ReadFound, TailLost, Returned, GoesOn]),
        ),
        Entry::new(
            "return-head",
            "a head is removed at any moment, rightly or wrongly, and returns to what it missed",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Increment(1), Op::Get])])
                .retaining(8)
                .views(1, 3)
                .suspects([0])
                .reached([ReadFound, HeadLost, Returned, GoesOn]),
        ),
        Entry::new(
            "return-late",
            "the same where one entry is retained: whether that suffices depends",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Increment(1), Op::Increment(1)])])
                .retaining(1)
                .views(1, 3)
                .suspects([1])
                .reached([TailLost, Returned, GoesOn, BeginsAnew]),
        ),
        Entry::new(
            "return-twice",
            "both members of a chain are removed in turn, and return: who returned teaches who returns",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Increment(1)])])
                .retaining(8)
                .views(1, 6)
                .suspects([0, 1])
                .reached([HeadLost, TailLost, Returned, GoesOn]),
        )
        .deep(),
        Entry {
            steps: Steps::Graph,
            ..Entry::new(
                "return-lossy",
                "any message may be lost for good, and still a member returns",
                Setup {
                    lossy: true,
                    grows: true,
                    ..Setup::new(1, [Client::new([Op::Increment(1)])])
                }
                .stored(Stored::Away(Since::All))
                .teaching(2)
                .retaining(8)
                .views(1, 1)
                .suspects([9])
                .reached([Appended, HandedOver, GoesOn]),
            )
        },
        Entry {
            steps: Steps::Graph,
            ..Entry::new(
                "return-lossy-crash",
                "the same, and a replica or coordinator may crash",
                Setup {
                    lossy: true,
                    grows: true,
                    ..Setup::new(1, [Client::new([Op::Increment(1)])])
                }
                .stored(Stored::Away(Since::All))
                .teaching(2)
                .retaining(8)
                .views(1, 1)
                .suspects([9])
                .crashes(1, Mortal::Members)
                .reached([Appended, HandedOver, GoesOn]),
            )
        }
        .deep(),
        Entry::new(
            "return-keys",
            "a key that was deleted while a member was away comes and goes while it catches up",
            Setup::new(1, [Client::new([put("7"), Op::Delete]).on(0, "z").on(1, "z")])
                .stored(Stored::Away(Since::All))
                .teaching(1)
                .retaining(8)
                .views(1, 1)
                .suspects([1])
                .reached([Appended, LearnerDropped, HandedOver, GoesOn]),
        ),
        Entry::new(
            "return-two-twice",
            "a chain of two has a member back, and two view changes",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Get]).near(0)])
                .stored(Stored::Away(Since::All))
                .teaching(2)
                .retaining(8)
                .views(1, 2)
                .reached([Appended, LearnerDropped, HeadLost, TailLost, HandedOver, GoesOn]),
        )
        .deep(),
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
