//! The models of the ring, by name.

use super::reached::Reached;
use super::setup::{Client, Mortal, Planted, Setup};
use crate::checker::crash_points::Order;
use crate::checker::entry::{Entry, Steps};
use chainring_model::kv::{Op, Value};

/// A model of the ring.
type Named = Entry<Setup>;

fn put(value: &str) -> Op {
    Op::Put(value.into())
}

fn swap(expected: &str, new: &str) -> Op {
    Op::CompareAndSwap { expected: expected.into(), new: Value::from(new) }
}

/// Every model of the ring. All but the partial ones have been explored to the end.
pub fn all() -> Vec<Named> {
    let families = [
        reads(),
        reads_deep(),
        recent(),
        faults(),
        purges(),
        repairs(),
        repairs_beside(),
        moves(),
        moves_two(),
        moves_late(),
        pairs(),
        coordinated(),
        reforms(),
    ];
    families.into_iter().flatten().collect()
}

fn entry(name: &'static str, about: &'static str, setup: Setup) -> Named {
    Entry::new(name, about, setup)
}

/// Two gateways that write, and then read.
fn write_and_read() -> Setup {
    Setup::new([Client::new(0, [put("a"), Op::Get]), Client::new(1, [put("b"), Op::Get])])
}

/// Three nodes, one view: which clients write and read.
fn reads() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
            "ring-read",
            "a slow writer and a reader who reads twice: what one read returned, the next one must",
            Setup::new([Client::new(0, [put("a")]), Client::new(1, [Op::Get, Op::Get])])
                .attempts(1)
                .reached([ReadFound, ReadCompletes]),
        ),
        entry(
            "ring-once",
            "two gateways that write, in one attempt each",
            Setup::new([Client::new(0, [put("a")]), Client::new(1, [put("b")])]).attempts(1),
        ),
        entry(
            "ring-write",
            "two gateways that write, in up to two attempts each",
            Setup::new([Client::new(0, [put("a")]), Client::new(1, [put("b")])])
                .attempts(2)
                .reached([Contended]),
        ),
        entry(
            "ring-rounds",
            "two gateways that write, in up to three attempts each",
            Setup::new([Client::new(0, [put("a")]), Client::new(1, [put("b")])])
                .attempts(3)
                .reached([Contended, ContendedTwice]),
        ),
        entry(
            "ring-write-read",
            "two gateways that write and then read",
            write_and_read().attempts(1).reached([ReadFound]),
        ),
        entry(
            "ring-rounds-read",
            "two gateways that write and then read, with ballots of up to three rounds",
            write_and_read().attempts(3).rounds(3).reached([ReadFound, ContendedTwice]),
        ),
    ]
}

/// The same, with more attempts, or more that compete.
fn reads_deep() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
            "ring-rounds-read-5",
            "two gateways that write and then read, with ballots of up to five rounds",
            write_and_read().attempts(3).rounds(5).reached([ReadFound, ContendedTwice]),
        )
        .deep(),
        entry(
            "ring-rounds-each",
            "two gateways that write and then read, in up to three attempts each, whatever the \
             round",
            write_and_read().attempts(3).reached([ReadFound, ContendedTwice]),
        )
        .partial(),
        entry(
            "ring-rounds-reader",
            "two gateways that write, in up to three attempts each, of which one then reads",
            Setup::new([Client::new(0, [put("a"), Op::Get]), Client::new(1, [put("b")])])
                .attempts(3)
                .reached([ReadFound, ContendedTwice]),
        )
        .deep(),
        entry(
            "ring-again-read",
            "two gateways that write and then read, in up to two attempts each",
            write_and_read().attempts(2).reached([ReadFound, Contended]),
        )
        .deep(),
        entry(
            "ring-compete",
            "create, compare-and-swap and delete compete",
            Setup::new([
                Client::new(0, [Op::Create("1".into()), swap("1", "5")]),
                Client::new(1, [Op::Create("2".into()), Op::Delete]),
            ])
            .attempts(1)
            .reached([RefusalProposed]),
        ),
        entry(
            "ring-compete-again",
            "a compare-and-swap builds upon a write that may be half done, and tries again",
            Setup::new([Client::new(0, [put("1")]), Client::new(1, [swap("1", "5"), Op::Get])])
                .planted([0, 1, 2], Planted::value(1, "0"))
                .attempts(2)
                .reached([Contended, RefusalProposed]),
        ),
    ]
}

/// Registers that remember few operations.
fn recent() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
            "ring-recent-1",
            "registers that remember one operation: a retry is told, found, or unknown",
            Setup::new([
                Client::new(0, [Op::Increment(1)]),
                Client::new(1, [Op::Increment(1), Op::Increment(1)]),
            ])
            .recent(1)
            .attempts(2)
            .reached([Contended, UnknownByVersion]),
        ),
        entry(
            "ring-recent-2",
            "registers that remember two operations",
            Setup::new([
                Client::new(0, [Op::Increment(1)]),
                Client::new(1, [Op::Increment(1), Op::Increment(1)]),
            ])
            .recent(2)
            .attempts(2)
            .reached([Contended, FoundBuiltUpon, UnknownByVersion]),
        ),
        entry(
            "ring-recent-3",
            "registers that remember an operation and all that can come after it: nothing is \
             unknown",
            Setup::new([
                Client::new(0, [Op::Increment(1)]),
                Client::new(1, [Op::Increment(1), Op::Increment(1)]),
            ])
            .recent(3)
            .attempts(2)
            .reached([Contended, FoundBuiltUpon]),
        ),
        entry(
            "ring-recent-lost",
            "an attempt finds its operation, is refused, and the next one may find it no more",
            Setup::new([Client::new(0, [Op::Increment(1)]), Client::new(1, [Op::Increment(1)])])
                .recent(1)
                .attempts(3)
                .reached([ContendedTwice, UnknownByVersion]),
        ),
    ]
}

/// Crashes, lanes, lost messages, deadlines.
fn faults() -> Vec<Named> {
    use Reached::*;
    vec![
        entry(
            "ring-crash",
            "a crash of any node or gateway at any moment",
            Setup::new([Client::new(0, [put("a")]), Client::new(1, [Op::Get])])
                .attempts(1)
                .crashes(1, Mortal::All)
                .reached([ReadFound, ReadCompletes, RecoveredAndServed]),
        ),
        entry(
            "ring-crash-write",
            "two writers, and a crash of a node",
            Setup::new([Client::new(0, [put("a")]), Client::new(1, [put("b")])])
                .attempts(1)
                .crashes(1, Mortal::Nodes)
                .reached([RecoveredAndServed]),
        ),
        entry(
            "ring-crash-gateway",
            "a gateway crashes, and its client goes on through its next start",
            Setup::new([Client::new(0, [Op::Increment(1), Op::Increment(1)])])
                .attempts(2)
                .crashes(1, Mortal::Gateways)
                .reached([RecoveredAndServed, GivenUp, UnknownTookEffect]),
        ),
        Entry {
            steps: Steps::CrashPoints(Order::SaveFirst),
            ..entry(
                "ring-torn",
                "crashes of nodes between any two commands of a step: persist, then speak",
                Setup::new([Client::new(0, [put("a")])])
                    .of_two()
                    .attempts(1)
                    .crashes(1, Mortal::Nodes)
                    .reached([RecoveredAndServed]),
            )
        },
        entry(
            "ring-lanes",
            "two lanes of one gateway work on one key",
            Setup::new([Client::new(0, [Op::Increment(1)]), Client::new(0, [Op::Increment(2)])])
                .attempts(2)
                .reached([Contended]),
        ),
        Entry {
            steps: Steps::Graph,
            ..entry(
                "ring-lossy",
                "any message may be lost for good: what is sent again keeps things going",
                Setup { lossy: true, ..Setup::new([Client::new(0, [put("a")])]) }.attempts(1),
            )
        },
        entry(
            "ring-unknown",
            "deadlines pass at any moment, and the client goes on",
            Setup {
                deadlines: true,
                ..Setup::new([Client::new(0, [Op::Increment(1), Op::Increment(1), Op::Get])])
            }
            .attempts(2)
            .reached([ReadFound, UnknownTookEffect]),
        ),
    ]
}

/// Three nodes, one view, and tombstones that are purged.
fn purges() -> Vec<Named> {
    use Reached::*;
    let value = Planted::value(1, "1");
    vec![
        entry(
            "ring-purge",
            "a delete and a late duplicate of the write before it, purged at any moment",
            Setup::new([Client::new(0, [put("a")]), Client::new(1, [Op::Delete, Op::Get])])
                .attempts(1)
                .sweeps()
                .reached([Purged, PurgedByAll, ReadCompletes]),
        )
        .deep(),
        entry(
            "ring-purge-retry",
            "a retry that comes after the delete and the purge",
            Setup::new([
                Client::new(0, [Op::Increment(1)]),
                Client::new(1, [swap("2", "5"), Op::Delete]),
            ])
            .planted([0, 1, 2], value)
            .recent(1)
            .attempts(2)
            .sweeps()
            .reached([Purged, PurgedByAll, UnknownByVersion]),
        )
        .partial(),
        entry(
            "ring-purge-missed",
            "a delete has missed one of three, its tombstone is swept at any moment, a client reads",
            Setup::new([Client::new(0, [Op::Get])])
                .planted([0, 1], Planted::tombstone(2))
                .planted([2], value)
                .attempts(2)
                .sweeps()
                .reached([ReadCompletes]),
        ),
        entry(
            "ring-purge-write",
            "two gateways write where a tombstone is, which is purged at any moment",
            Setup::new([Client::new(0, [Op::Increment(1)]), Client::new(1, [Op::Increment(1)])])
                .planted([0, 1, 2], Planted::tombstone(1))
                .attempts(1)
                .sweeps()
                .reached([Purged, PurgedByAll]),
        ),
    ]
}

/// Replicas that have missed a write, and get it all the same.
fn repairs() -> Vec<Named> {
    use Reached::*;
    let value = Planted::value(1, "1");
    vec![
        entry(
            "ring-repair",
            "a write is half done at one of three, another compares and copies it, and a writer \
             goes on",
            Setup::new([Client::new(0, [put("b")])])
                .attempts(1)
                .planted([0], value)
                .repairs([2])
                .reached([CopyHeld, Repaired]),
        ),
        entry(
            "ring-repair-read",
            "a writer, one who reads twice, and a node that compares and is told that it is behind",
            Setup::new([Client::new(0, [put("a")]), Client::new(1, [Op::Get, Op::Get])])
                .attempts(1)
                .repairs([2])
                .reached([ReadFound, CopyHeld, Repaired, BehindTold]),
        ),
        entry(
            "ring-repair-told",
            "a value is in place at two of three, and who reads it tells the third",
            Setup::new([Client::new(0, [Op::Get, Op::Increment(1)])])
                .attempts(1)
                .planted([0, 1], value)
                .repairs([])
                .reached([ReadFound, CopyHeld, Repaired, BehindTold]),
        ),
        entry(
            "ring-repair-write",
            "two gateways write, and a node compares and copies",
            Setup::new([Client::new(0, [put("a")]), Client::new(1, [put("b")])])
                .attempts(1)
                .repairs([2])
                .reached([CopyHeld, Repaired]),
        ),
    ]
}

/// Repairs beside crashes, purges and moves.
fn repairs_beside() -> Vec<Named> {
    use Reached::*;
    let value = Planted::value(1, "1");
    vec![
        entry(
            "ring-repair-two",
            "two gateways write, a third client reads twice, and a node compares and copies",
            Setup::new([
                Client::new(0, [put("a")]),
                Client::new(1, [put("b")]),
                Client::new(1, [Op::Get, Op::Get]),
            ])
            .attempts(1)
            .repairs([2])
            .reached([ReadFound, CopyHeld, Repaired]),
        )
        .partial(),
        entry(
            "ring-repair-crash",
            "a write ends at two of three, a node compares and copies, and any node crashes",
            Setup::new([Client::new(0, [put("a"), Op::Get])])
                .attempts(1)
                .repairs([2])
                .crashes(1, Mortal::Nodes)
                .reached([ReadFound, CopyHeld, Repaired, RecoveredAndServed]),
        ),
        entry(
            "ring-repair-purge",
            "a copy of what was deleted is late, while the tombstone is swept at any moment",
            Setup::new([Client::new(0, [Op::Get])])
                .attempts(1)
                .planted([0, 1, 2], Planted::tombstone(2))
                .late(1, 2, value)
                .sweeps()
                .repairs([2])
                .reached([Purged, PurgedByAll]),
        ),
        entry(
            "ring-repair-move",
            "a write is half done at one of two, the other copies it, and a ring of two moves",
            Setup::new([Client::new(0, [Op::Increment(1)])])
                .of_two()
                .attempts(2)
                .planted([0], value)
                .plan(&[(&[0, 1], &[1, 2]), (&[1, 2], &[1, 2])])
                .repairs([1, 2])
                .reached([Fetched, CopyHeld, NewRingServes]),
        ),
    ]
}

/// Four nodes, and views that change.
fn moves() -> Vec<Named> {
    use Reached::*;
    let (old, new): (&[usize], &[usize]) = (&[0, 1, 2], &[1, 2, 3]);
    let (pair, three): (&[usize], &[usize]) = (&[0, 1], &[0, 1, 2]);
    let value = Planted::value(1, "1");
    let count = [Op::Increment(1), Op::Get];
    vec![
        entry(
            "ring-move",
            "a value is in place at two of three, the ring moves, and a client reads",
            Setup::new([Client::new(0, [Op::Get])])
                .planted([0, 1], value)
                .plan(&[(old, new), (new, new)])
                .attempts(2)
                .reached([ReadFound, Fetched, CopyHeld, NewRingServes]),
        ),
        entry(
            "ring-move-stale",
            "the newcomer holds what was deleted and purged while it was away",
            Setup::new([Client::new(0, [Op::Get])])
                .planted([3], value)
                .plan(&[(old, new), (new, new)])
                .attempts(2)
                .reached([Fetched, NewRingServes]),
        ),
        entry(
            "ring-move-spans",
            "a newcomer that holds what was deleted and purged fetches two spans, one after the \
             other: the later has the key",
            Setup::new([Client::new(0, [Op::Get])])
                .of_two()
                .planted([2], value)
                .plan(&[(pair, three), (three, three)])
                .spans("y", 2, 1)
                .attempts(2)
                .reached([Fetched, NewRingServes]),
        ),
        entry(
            "ring-move-spans-write",
            "the same, and a client writes and reads",
            Setup::new([Client::new(0, count.clone())])
                .of_two()
                .planted([0, 1], Planted::value(2, "2"))
                .planted([2], value)
                .plan(&[(pair, three), (three, three)])
                .spans("y", 2, 1)
                .attempts(2)
                .reached([ReadFound, Fetched, NewRingServes]),
        ),
        entry(
            "ring-move-back",
            "the ring begins to move, and goes back",
            Setup::new([Client::new(0, count.clone())])
                .planted([0, 1, 2], value)
                .plan(&[(old, new), (old, old)])
                .attempts(3)
                .reached([ReadFound, Fetched, OldRingServes]),
        )
        .partial(),
        entry(
            "ring-move-write",
            "the ring moves, and a client writes and reads",
            Setup::new([Client::new(0, count)])
                .planted([0, 1, 2], value)
                .plan(&[(old, new), (new, new)])
                .attempts(3)
                .reached([ReadFound, Fetched, NewRingServes]),
        ),
    ]
}

/// Moves with several clients, or several changes.
fn moves_two() -> Vec<Named> {
    use Reached::*;
    let (old, new, other): (&[usize], &[usize], &[usize]) = (&[0, 1, 2], &[1, 2, 3], &[0, 2, 3]);
    let value = Planted::value(1, "1");
    let count = [Op::Increment(1), Op::Get];
    vec![
        entry(
            "ring-move-read",
            "the ring moves, with a writer and one who reads twice",
            Setup::new([Client::new(0, [put("a")]), Client::new(1, [Op::Get, Op::Get])])
                .planted([0, 1, 2], value)
                .plan(&[(old, new), (new, new)])
                .attempts(1)
                .reached([ReadFound, Fetched, NewRingServes]),
        )
        .deep(),
        entry(
            "ring-move-writers",
            "the ring moves, with two who count up",
            Setup::new([Client::new(0, [Op::Increment(1)]), Client::new(1, [Op::Increment(1)])])
                .planted([0, 1, 2], value)
                .plan(&[(old, new), (new, new)])
                .attempts(1)
                .reached([Fetched, NewRingServes]),
        )
        .deep(),
        entry(
            "ring-move-two",
            "the ring moves, with two who write and read",
            write_and_read()
                .planted([0, 1, 2], value)
                .plan(&[(old, new), (new, new)])
                .attempts(1)
                .reached([ReadFound, Fetched, NewRingServes]),
        )
        .deep(),
        entry(
            "ring-move-twice",
            "the next change is decided while one is under way",
            Setup::new([Client::new(0, count.clone())])
                .planted([0, 1, 2], value)
                .plan(&[(old, new), (old, other), (other, other)])
                .attempts(4)
                .reached([ReadFound, Fetched, NewRingServes]),
        )
        .partial(),
        entry(
            "ring-move-epoch",
            "two writers, one of whom need not hear that the ring moves",
            Setup::new([
                Client::new(0, count),
                Client::new(1, [Op::Increment(1), Op::Increment(1)]),
            ])
            .planted([0, 1, 2], value)
            .plan(&[(old, other), (other, other)])
            .attempts(2)
            .reached([ReadFound, Fetched, NewRingServes]),
        )
        .partial(),
    ]
}

/// Moves while writes are half done, or purged.
fn moves_late() -> Vec<Named> {
    use Reached::*;
    let (old, other): (&[usize], &[usize]) = (&[0, 1, 2], &[0, 2, 3]);
    let value = Planted::value(1, "1");
    vec![
        entry(
            "ring-move-half",
            "two writes are half done, at one of three each, the ring moves, a client reads twice",
            Setup::new([Client::new(0, [Op::Get, Op::Get])])
                .planted([0], Planted::half_done(1, "1"))
                .planted([1], Planted::promise(2))
                .planted([2], Planted::half_done(2, "10"))
                .plan(&[(old, other), (other, other)])
                .attempts(1)
                .reached([ReadFound, ReadCompletes, Fetched, CopyHeld, NewRingServes]),
        ),
        entry(
            "ring-move-purged",
            "a retry that comes after delete, purge and move of two of three replicas",
            Setup::new([
                Client::new(0, [Op::Increment(1)]),
                Client::new(1, [swap("2", "5"), Op::Delete]),
            ])
            .planted([0, 1, 2], value)
            .plan(&[(old, &[2, 3, 4]), (&[2, 3, 4], &[2, 3, 4])])
            .recent(1)
            .attempts(2)
            .sweeps()
            .reached([Purged, Fetched]),
        )
        .partial(),
    ]
}

/// Rings of two, where both are every quorum: small enough for views, writes and crashes at once.
fn pairs() -> Vec<Named> {
    use Reached::*;
    let (old, new, other): (&[usize], &[usize], &[usize]) = (&[0, 1], &[1, 2], &[0, 2]);
    let value = Planted::value(1, "1");
    let pair = |clients: Vec<Client>| Setup::new(clients).of_two().planted([0, 1], value);
    let count = || Client::new(0, [Op::Increment(1), Op::Get]);
    let writers = || {
        let writer = |gateway| Client::new(gateway, [Op::Increment(1)]);
        pair(vec![writer(0), writer(1)]).plan(&[(old, new), (new, new)])
    };
    vec![
        entry(
            "ring-pair-move",
            "a ring of two moves, with a writer and one who reads twice",
            pair(vec![Client::new(0, [put("a")]), Client::new(1, [Op::Get, Op::Get])])
                .plan(&[(old, new), (new, new)])
                .attempts(2)
                .reached([ReadFound, Fetched, NewRingServes]),
        )
        .deep(),
        entry(
            "ring-pair-writers",
            "a ring of two moves, with two who count up, in one attempt each",
            writers().attempts(1).reached([Fetched, NewRingServes]),
        ),
        entry(
            "ring-pair-writers-again",
            "the same, in up to two attempts each",
            writers().attempts(2).reached([Contended, Fetched, NewRingServes]),
        ),
        entry(
            "ring-pair-twice",
            "the next change is decided while one is under way",
            pair(vec![count()])
                .plan(&[(old, new), (old, other), (other, other)])
                .attempts(3)
                .reached([ReadFound, Fetched, NewRingServes]),
        ),
        entry(
            "ring-pair-sweep",
            "a tombstone is swept at any moment, while its key moves away from a node and comes \
             back",
            Setup::new([Client::new(0, [Op::Get])])
                .of_two()
                .planted([0, 1], Planted::tombstone(1))
                .plan(&[(old, new), (new, new), (new, old), (old, old)])
                .attempts(1)
                .sweeps()
                .reached([Purged, Fetched, NewRingServes]),
        ),
        entry(
            "ring-pair-crash",
            "a ring of two moves, and a node crashes",
            pair(vec![Client::new(0, [Op::Increment(1), Op::Get])])
                .plan(&[(old, new), (new, new)])
                .attempts(2)
                .crashes(1, Mortal::Nodes)
                .reached([ReadFound, Fetched, NewRingServes, RecoveredAndServed]),
        ),
        entry(
            "ring-pair-join",
            "a third node joins a ring of two, decided by a coordinator",
            pair(vec![count()]).nodes(3).views(1, 2).attempts(2).reached([
                ReadFound,
                Fetched,
                NewRingServes,
            ]),
        ),
        entry(
            "ring-pair-node",
            "the same, and any node crashes: its replica, gateway and coordinator at once",
            pair(vec![count()])
                .nodes(3)
                .views(1, 2)
                .attempts(2)
                .crashes(1, Mortal::Whole)
                .reached([ReadFound, Fetched, NewRingServes, RecoveredAndServed, GivenUp]),
        ),
        entry(
            "ring-pair-leave",
            "one of two leaves of its own will, decided by a coordinator",
            pair(vec![count()])
                .leaves(1)
                .views(1, 2)
                .attempts(2)
                .reached([ReadFound, NewRingServes]),
        ),
        entry(
            "ring-pair-gone",
            "a newcomer of a joint view is gone",
            pair(vec![Client::new(0, [Op::Get])])
                .nodes(3)
                .gone([2])
                .views(1, 2)
                .attempts(3)
                .reached([ReadFound]),
        ),
    ]
}

/// Views that coordinators decide, by what nodes and watchers report.
fn coordinated() -> Vec<Named> {
    use Reached::*;
    let value = Planted::value(1, "1");
    let count = || Client::new(0, [Op::Increment(1), Op::Get]);
    vec![
        entry(
            "ring-join",
            "a fourth node joins a ring of three",
            Setup::new([count()])
                .nodes(4)
                .planted([0, 1, 2], value)
                .views(1, 2)
                .attempts(3)
                .reached([ReadFound, Fetched, NewRingServes]),
        )
        .deep(),
        entry(
            "ring-leave",
            "one of four leaves of its own will",
            Setup { ring: vec![0, 1, 2, 3], ..Setup::new([count()]) }
                .nodes(4)
                .planted([0, 1, 2, 3], value)
                .leaves(1)
                .views(1, 2)
                .attempts(3)
                .reached([ReadFound, NewRingServes]),
        )
        .deep(),
        entry(
            "ring-gone",
            "one of four is gone, and while the ring moves so is another: one who reads",
            Setup { ring: vec![0, 1, 2, 3], ..Setup::new([Client::new(0, [Op::Get])]) }
                .nodes(4)
                .planted([0, 1, 2, 3], value)
                .gone([0])
                .gone([1])
                .views(1, 3)
                .attempts(4)
                .reached([ReadFound, NewRingServes]),
        )
        .deep(),
        entry(
            "ring-council",
            "three coordinators hear of different suspicions",
            Setup { ring: vec![0, 1, 2, 3], ..Setup::new([Client::new(0, [Op::Get])]) }
                .nodes(4)
                .planted([0, 1, 2, 3], value)
                .gone([0])
                .gone([1])
                .views(3, 1)
                .attempts(2)
                .reached([ReadFound]),
        )
        .partial(),
    ]
}

/// Nodes that are given up.
fn reforms() -> Vec<Named> {
    use Reached::*;
    let value = Planted::value(1, "1");
    vec![
        entry(
            "ring-reform",
            "an operator gives up two of three, who live and have not heard: not linearizable",
            Setup::new([Client::new(0, [put("a"), Op::Get])])
                .planted([0, 1, 2], value)
                .gone([1, 2])
                .reform()
                .views(1, 2)
                .attempts(3)
                .reached([ReadFound, WriteLost]),
        ),
        entry(
            "ring-give-up",
            "two of three are gone, as some report, and two of three coordinators would give \
             them up",
            Setup::new([])
                .planted([0, 1, 2], value)
                .gone([1, 2])
                .views(3, 1)
                .gives_up([0, 1])
                .reached([GivenUpByVote]),
        ),
        entry(
            "ring-give-up-one",
            "the same, and one of three coordinators would give them up",
            Setup::new([]).planted([0, 1, 2], value).gone([1, 2]).views(3, 1).gives_up([0]),
        ),
        entry(
            "ring-reform-all",
            "an operator gives up all who have a key: whoever gets it then does not show what it \
             had before",
            Setup::new([Client::new(0, [Op::Get, Op::Get])])
                .of_two()
                .planted([1], value)
                .spans("y", 1, 1)
                .gone([0])
                .reform()
                .views(1, 2)
                .attempts(3)
                .reached([NewRingServes]),
        ),
    ]
}
