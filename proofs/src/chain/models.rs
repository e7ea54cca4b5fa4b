//! The models of the chain, by name.

use super::reached::Reached;
use super::setup::{Client, Mortal, Setup, Since, Stored};
use crate::checker::crash_points::Order;
use crate::checker::entry::{Entry, Steps};
use chainring_model::chain::Reads;
use chainring_model::kv::{Op, Value};

/// A model of the chain.
type Named = Entry<Setup>;

/// Every model of the chain.
pub fn all() -> Vec<Named> {
    let families = [
        reads(),
        writers(),
        competitors(),
        outcomes(),
        lossy(),
        views(),
        leases(),
        copies(),
        waits(),
        losses(),
        grows(),
        learners(),
        grows_two(),
        returns(),
        learned(),
        removed(),
        returns_lossy(),
        large(),
    ];
    families.into_iter().flatten().collect()
}

fn entry(name: &'static str, about: &'static str, setup: Setup) -> Named {
    Entry::new(name, about, setup)
}

fn put(value: &str) -> Op {
    Op::Put(value.into())
}

fn swap(expected: &str, new: &str) -> Op {
    Op::CompareAndSwap { expected: expected.into(), new: Value::from(new) }
}

/// Two clients that put and get.
fn four() -> Setup {
    Setup::new(3, [Client::new([put("a"), Op::Get]).near(0), Client::new([put("b"), Op::Get])])
}

fn four_crash(name: &'static str, mortal: Mortal) -> Named {
    use Reached::{HeadLost, MiddleLost, ReadFound, RecoveredAndServed, TailLost};
    let setup = four().views(1, 1).crashes(1, mortal);
    let setup = setup.reached([ReadFound, HeadLost, MiddleLost, TailLost, RecoveredAndServed]);
    entry(name, "two who put and get, a view change, and a crash", setup).deep()
}

fn twice(name: &'static str, suspects: [usize; 2], lost: [Reached; 2]) -> Named {
    let setup = four().views(1, 2).suspects(suspects);
    let setup = setup.reached(lost).reached([Reached::ReadFound, Reached::RemovedUnaware]);
    entry(name, "two who put and get, and two view changes", setup).deep()
}

/// Which client reads where, and lists what.
fn reads() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
            "chain-one",
            "a chain of one commits on receipt",
            Setup::new(1, [Client::new([Op::Increment(1), Op::Get]), Client::new([put("a")])])
                .crashes(1, Mortal::All)
                .reached([ReadFound, Acknowledged, RecoveredAndServed, GivenUp]),
        ),
        entry(
            "chain-reads",
            "clean reads at every replica, dirty reads through the tail",
            Setup::new(
                3,
                [Client::new([put("a"), Op::Get]).near(0), Client::new([Op::Get, Op::Get]).near(1)],
            )
            .reached([ReadFound, DirtyForwarded, SuccessorLags, StableLags, AllAgree]),
        ),
        entry(
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
        entry(
            "chain-list",
            "two who write a key, and list all keys from any replica: what was acknowledged is \
             there",
            Setup::new(
                3,
                [
                    Client::new([put("a"), Op::Get]).listing(8),
                    Client::new([put("b"), Op::Get]).on(0, "y").listing(8),
                ],
            )
            .reached([Listed, ListingForwarded, SuccessorLags, StableLags, AllAgree]),
        ),
        entry(
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
    ]
}

/// Several clients that write, with crashes.
fn writers() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
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
        entry(
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
    ]
}

/// Operations that compete, from several clients or lanes.
fn competitors() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
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
        entry(
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
        entry(
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
    ]
}

/// Unknown outcomes, and older views.
fn outcomes() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
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
        entry(
            "chain-redirect",
            "gateways begin with an older view and are redirected",
            Setup {
                stale_gateways: true,
                ..Setup::new(2, [Client::new([put("a"), Op::Get]).near(0), Client::new([put("b")])])
            }
            .crashes(1, Mortal::Gateways)
            .reached([ReadFound, Redirected, RecoveredAndServed]),
        ),
    ]
}

/// Lost messages, full windows; crashes between the commands of a step.
fn lossy() -> Vec<Named> {
    use Reached::*;
    vec![
        Entry {
            steps: Steps::Graph,
            ..entry(
                "chain-lossy",
                "any message may be lost for good: what is sent again keeps things going",
                Setup { lossy: true, ..Setup::new(2, [Client::new([Op::Increment(1), Op::Get])]) }
                    .reached([ReadFound, Acknowledged, DuplicateAnswered]),
            )
        },
        Entry {
            steps: Steps::Graph,
            ..entry(
                "chain-resume",
                "any message may be lost for good, and any actor may crash",
                Setup { lossy: true, ..Setup::new(2, [Client::new([Op::Increment(1)])]) }
                    .crashes(1, Mortal::All)
                    .reached([Acknowledged, RecoveredAndServed]),
            )
        },
        Entry {
            steps: Steps::Graph,
            ..entry(
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
            ..entry(
                "chain-torn",
                "crashes between any two commands of a step: persist, then speak",
                Setup::new(2, [Client::new([put("a"), Op::Get]).near(0)])
                    .crashes(1, Mortal::All)
                    .reached([ReadFound, RecoveredAndServed, GivenUp]),
            )
        },
    ]
}

/// One view change, decided by a coordinator.
fn views() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
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
        entry(
            "chain-views-crash",
            "a view change, and a crash of any replica, gateway or coordinator",
            Setup::new(3, [Client::new([Op::Increment(1), Op::Get]).near(0)])
                .views(1, 1)
                .crashes(1, Mortal::All)
                .reached([ReadFound, HeadLost, MiddleLost, TailLost, RecoveredAndServed]),
        ),
        entry(
            "chain-views-node",
            "a view change, and a crash of any node: its replica, gateway and coordinator at once",
            Setup::new(
                2,
                [Client::new([Op::Increment(1), Op::Get]).near(1), Client::new([put("a")])],
            )
            .views(1, 1)
            .crashes(1, Mortal::Whole)
            .reached([ReadFound, HeadLost, TailLost, RecoveredAndServed, GivenUp]),
        ),
        entry(
            "chain-views-four",
            "two who put and get, and a view change",
            four().views(1, 1).reached([ReadFound, HeadLost, MiddleLost, TailLost]),
        )
        .deep(),
        // One crash is a replica's, a gateway's or a coordinator's: the three models together are
        // one.
        four_crash("chain-views-four-crash-replica", Mortal::Replicas),
        four_crash("chain-views-four-crash-gateway", Mortal::Gateways),
        four_crash("chain-views-four-crash-coordinator", Mortal::Coordinators),
    ]
}

/// Three coordinators, leases, and a crash.
fn council_crash(name: &'static str, about: &'static str, mortal: Mortal) -> Named {
    use Reached::*;
    let setup = Setup::new(2, [Client::new([put("a"), Op::Get]).near(1)])
        .views(3, 1)
        .suspects([1])
        .slow_leases(0)
        .crashes(1, mortal)
        .reached([ReadFound, TailLost, RemovedUnaware, VoteWaits, RecoveredAndServed]);
    entry(name, about, Setup { ends_early: true, ..setup }).partial()
}

/// Leases that lapse.
fn leases() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
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
        entry(
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
        entry(
            "chain-lease-crash",
            "the same with a crash of a replica or of the coordinator",
            Setup::new(2, [Client::new([put("a")]), Client::new([Op::Get, Op::Get]).near(1)])
                .views(1, 1)
                .suspects([1])
                .slow_leases(0)
                .crashes(1, Mortal::Members)
                .reached([ReadFound, TailLost, RemovedUnaware, LeaseLapsed, RecoveredAndServed]),
        ),
        entry(
            "chain-lease-council",
            "three coordinators, and a client that reads what it wrote at a paused replica",
            Setup::new(2, [Client::new([put("a"), Op::Get]).near(1)])
                .views(3, 1)
                .suspects([1])
                .slow_leases(0)
                .reached([ReadFound, TailLost, RemovedUnaware, LeaseLapsed, VoteWaits]),
        ),
        council_crash(
            "chain-lease-council-crash",
            "the same with a crash of any coordinator",
            Mortal::Coordinators,
        ),
        council_crash(
            "chain-lease-council-node",
            "the same with a crash of any node: its replica, gateway and coordinator at once",
            Mortal::Whole,
        ),
        entry(
            "chain-views-leases",
            "a member whose lease was granted in one view is left out by the next but one",
            Setup::new(3, [Client::new([put("a"), Op::Get]).near(1)])
                .views(1, 2)
                .suspects([1, 2])
                .reached([ReadFound, MiddleLost, TailLost, RemovedUnaware, VoteWaits]),
        ),
    ]
}

/// How many copies are kept.
fn copies() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
            "copies",
            "two copies are kept of three, whoever is suspected in two view changes",
            Setup::new(3, [Client::new([put("a"), Op::Get]).near(1)])
                .copies(2)
                .views(1, 2)
                .reached([ReadFound, HeadLost, MiddleLost, TailLost, KeptForCopies]),
        ),
        entry(
            "copies-crash",
            "the same with a crash of any member or the coordinator, and one view change",
            Setup::new(3, [Client::new([put("a"), Op::Get]).near(0)])
                .copies(2)
                .views(1, 1)
                .crashes(1, Mortal::Members)
                .reached([ReadFound, HeadLost, MiddleLost, TailLost, RecoveredAndServed]),
        ),
        entry(
            "copies-return",
            "a tail is removed, and returns, while anyone is suspected",
            Setup::new(3, [Client::new([Op::Increment(1)])])
                .copies(2)
                .views(1, 3)
                .suspects([1, 2])
                .reached([MiddleLost, TailLost, KeptForCopies, Returned]),
        ),
        entry(
            "copies-lax",
            "three coordinators, of which the one that suspects would keep one copy, and the \
             others two",
            Setup {
                lax: true,
                ..Setup::new(2, [Client::new([put("a"), put("b")])]).copies(2).views(3, 1)
            }
            .suspects([1])
            .reached([AllAgree]),
        ),
        entry(
            "copies-reform",
            "an operator gives two of three up, at any time, and anyone is suspected beside",
            Setup::new(3, [Client::new([put("a"), Op::Get])])
                .copies(2)
                .giving_up([1, 2])
                .views(1, 1)
                .reached([ReadFound, HeadLost, MiddleLost, TailLost]),
        ),
        entry(
            "chain-anew",
            "an operator says that the only member is lost, which may be wrong: the chain begins anew from an old disk",
            Setup::new(1, [Client::new([put("a"), Op::Get]), Client::new([Op::Get])])
                .anew()
                .reached([ReadFound, BegunAnew]),
        ),
    ]
}

/// Updates that wait for a copy; members that return, or hear nothing.
fn waits() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
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
        entry(
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
        entry(
            "chain-return-tail",
            "a tail is removed, returns and is a member again",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Get])])
                .views(1, 3)
                .suspects([1])
                .reached([ReadFound, TailLost, Returned]),
        ),
        entry(
            "chain-return-head",
            "a head is removed, returns and is a member again",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Get])])
                .views(1, 3)
                .suspects([0])
                .reached([ReadFound, HeadLost, Returned]),
        ),
        entry(
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
        entry(
            "grow-silent",
            "a tail calls its learner silent at any moment, before the handover and after it",
            Setup { complaints: true, ..Setup::new(1, [Client::new([Op::Increment(1), Op::Get])]) }
                .stored(Stored::Value)
                .teaching(1)
                .views(1, 1)
                .suspects([9])
                .reached([ReadFound, Appended, LearnerDropped, HandedOver, LearnerLags]),
        ),
    ]
}

/// Transfers whose messages are lost; two view changes.
fn losses() -> Vec<Named> {
    use Reached::*;
    vec![
        Entry {
            steps: Steps::Graph,
            ..entry(
                "grow-lossy",
                "any message of a transfer may be lost for good, and still the learner becomes a \
                 member",
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
    ]
}

/// A chain of one that grows by a learner.
fn grows() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
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
        entry(
            "grow-list",
            "a learner lists nothing, nor does a tail that has handed over what its learner may \
             have committed",
            Setup::new(1, [Client::new([put("a"), Op::Get]).listing(8)])
                .stored(Stored::Lanes)
                .teaching(1)
                .views(1, 1)
                .suspects([1])
                .reached([Listed, Appended, LearnerDropped, HandedOver]),
        ),
        entry(
            "grow-join",
            "a newcomer is named, taught and appended",
            Setup::new(1, [Client::new([Op::Increment(1), Op::Get])])
                .stored(Stored::Value)
                .joining(2)
                .views(1, 2)
                .suspects([9])
                .reached([ReadFound, Appended]),
        ),
        entry(
            "grow-keys",
            "a key comes and goes during the transfer",
            Setup::new(1, [Client::new([put("7"), Op::Delete]).on(0, "z").on(1, "z")])
                .stored(Stored::Values)
                .teaching(1)
                .views(1, 1)
                .suspects([1])
                .reached([Appended, LearnerDropped, HandedOver, LearnerLags, Buried]),
        ),
        entry(
            "grow-batch",
            "two clients change two keys, and a learner gets both changes in one message",
            Setup::new(1, [Client::new([Op::Increment(1)]), Client::new([Op::Delete]).on(0, "y")])
                .stored(Stored::Values)
                .teaching(2)
                .views(1, 1)
                .suspects([1])
                .reached([Appended, LearnerDropped, HandedOver, LearnerLags, ChangesTogether]),
        ),
        entry(
            "grow-empty",
            "a chain that holds nothing yet has a learner",
            Setup::new(1, [Client::new([Op::Increment(1), Op::Get])])
                .teaching(1)
                .views(1, 1)
                .suspects([1])
                .reached([ReadFound, Appended, LearnerDropped, HandedOver, LearnerLags]),
        ),
        entry(
            "grow-lanes",
            "a chain that holds no value any more has operations to transfer",
            Setup::new(1, [Client::new([Op::Increment(1)]), Client::new([Op::Get])])
                .stored(Stored::Lanes)
                .teaching(1)
                .views(1, 1)
                .suspects([1])
                .reached([Appended, LearnerDropped, HandedOver, LearnerLags]),
        ),
    ]
}

/// Learners with an old disk, with crashes, named again.
fn learners() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
            "grow-old",
            "a removed head returns with its old disk",
            Setup::new(1, [Client::new([Op::Increment(1), Op::Get])])
                .stored(Stored::OldDisk)
                .teaching(2)
                .views(1, 1)
                .suspects([1])
                .reached([ReadFound, Appended, LearnerDropped, HandedOver, LearnerLags]),
        ),
        entry(
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
        entry(
            "grow-again",
            "a learner is dropped, named again, and appended",
            Setup::new(1, [Client::new([Op::Increment(1)])])
                .stored(Stored::Value)
                .teaching(1)
                .views(1, 3)
                .suspects([1])
                .reached([Appended, LearnerDropped, HandedOver, LearnerLags]),
        ),
        entry(
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
    ]
}

/// A chain of two that grows; one that lost its disk.
fn grows_two() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
            "grow-two",
            "a chain of two teaches a learner; head, tail or learner are suspected at any moment",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Get]).near(0)])
                .stored(Stored::Value)
                .teaching(1)
                .views(1, 1)
                .reached([ReadFound, Appended, LearnerDropped, HeadLost, TailLost, HandedOver]),
        ),
        entry(
            "grow-two-twice",
            "the same with two view changes",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Get]).near(0)])
                .stored(Stored::Value)
                .teaching(1)
                .views(1, 2)
                .reached([ReadFound, Appended, LearnerDropped, HeadLost, TailLost, HandedOver]),
        )
        .deep(),
        entry(
            "grow-late",
            "one who was removed and has returned is the predecessor again, and its old update \
             arrives",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Get]).near(0)])
                .late()
                .reached([ReadFound, AllAgree]),
        ),
        entry(
            "grow-disk",
            "who lost its disk stays away",
            Setup { disks_lost: true, ..Setup::new(2, [Client::new([put("a"), Op::Get])]) }
                .crashes(1, Mortal::Members)
                .views(1, 1)
                .suspects([1])
                .reached([ReadFound, TailLost]),
        ),
    ]
}

/// A member that was away goes on where it was, or begins anew.
fn returns() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
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
        entry(
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
        entry(
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
        entry(
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
    ]
}

/// Learners that are dropped, and chains of two.
fn learned() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
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
        entry(
            "return-two",
            "a chain of two has a member back; head, tail or learner are suspected at any moment",
            Setup::new(2, [Client::new([Op::Increment(1)])])
                .stored(Stored::Away(Since::All))
                .teaching(2)
                .retaining(8)
                .views(1, 1)
                .reached([Appended, LearnerDropped, HeadLost, TailLost, HandedOver, GoesOn]),
        ),
    ]
}

/// Members that are removed, and return.
fn removed() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
            "return-tail",
            "a tail is removed at any moment, rightly or wrongly, and returns to what it missed",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Increment(1), Op::Get])])
                .retaining(8)
                .views(1, 3)
                .suspects([1])
                .reached([ReadFound, TailLost, Returned, GoesOn]),
        ),
        entry(
            "return-head",
            "a head is removed at any moment, rightly or wrongly, and returns to what it missed",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Increment(1), Op::Get])])
                .retaining(8)
                .views(1, 3)
                .suspects([0])
                .reached([ReadFound, HeadLost, Returned, GoesOn]),
        ),
        entry(
            "return-late",
            "the same where one entry is retained: whether that suffices depends",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Increment(1), Op::Increment(1)])])
                .retaining(1)
                .views(1, 3)
                .suspects([1])
                .reached([TailLost, Returned, GoesOn, BeginsAnew]),
        ),
        entry(
            "return-twice",
            "both members of a chain are removed in turn, and return: who returned teaches who \
             returns",
            Setup::new(2, [Client::new([Op::Increment(1), Op::Increment(1)])])
                .retaining(8)
                .views(1, 6)
                .suspects([0, 1])
                .reached([HeadLost, TailLost, Returned, GoesOn]),
        )
        .deep(),
    ]
}

/// Returns whose messages are lost, or during which more happens.
fn returns_lossy() -> Vec<Named> {
    use Reached::*;
    vec![
        Entry {
            steps: Steps::Graph,
            ..entry(
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
            ..entry(
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
        entry(
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
        entry(
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
    ]
}

/// As small models, with more of everything.
fn large() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
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
        entry(
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
