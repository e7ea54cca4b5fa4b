//! Golden bytes: what each message, row and key is on the wire, in a store and in a trace.
//!
//! A value has no names in its bytes: the place of a variant in its enum is its tag, and the fields
//! follow in order (see `chainring_runtime::codec`). So an innocent change to an enum or a struct
//! changes what other nodes read, and what a store from before means, and no compiler says so.
//! `tests/golden/bytes.txt` has the bytes of one sample of each variant, and this test compares.
//!
//! A new variant does not compile here before it has a sample, and its sample fails before it has a
//! line.
//!
//! A change that only adds variants at the *end* of an enum leaves all lines as they are and adds
//! some. To write the file anew: `CHAINRING_GOLDEN=write cargo test --release --test golden`.

use chainring_model::chain;
use chainring_model::coordinator;
use chainring_model::kv::{self, Op, OpId, Outcome, Refusal};
use chainring_model::membership;
use chainring_model::ring;
use chainring_model::store::OrderedKey;
use chainring_runtime::codec;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stateright::actor::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write};
use std::path::Path;

/// What to do about bytes that have changed.
const ADVICE: &str = "\
Bytes have no names in them: a variant's place in its enum is its tag, and the fields follow in
order.
- If a variant or a field moved, went, or changed its type by mistake: put it back.
- A new variant goes to the END of its enum: then the lines there were stay, and new ones come.
- If bytes must change, nodes of two versions cannot understand each other, and stores from before
  mean something else. Raise the version that says so. Messages: `VERSION` in transport/wire.rs; a
  datagram of another version is dropped. Rows and keys: `FORMAT` in store/disk.rs; a store of
  another version is refused. Traces, which hold messages, rows and timers: `FORMAT` in trace.rs.
  (What all nodes of a cluster must have alike in their files is in `wire_number` of the
  configuration, and no part of these bytes.)
Then write the file anew, and read what `git diff` says of it:
  CHAINRING_GOLDEN=write cargo test --release --test golden";

/// The lines of the file: a sample's name, and its bytes.
#[derive(Default)]
struct Lines(Vec<(String, String)>);

impl Lines {
    /// A sample as the codec writes it; which also has to read it.
    fn encoded<T>(&mut self, name: &str, sample: &T)
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug,
    {
        let bytes = codec::encode(sample).expect("samples are short");
        let back: T = codec::decode(&bytes).expect("what was encoded can be decoded");
        assert_eq!(&back, sample, "{name} changes on its way");
        self.add(name, &bytes);
    }

    /// A key as a store has it.
    fn ordered<K: OrderedKey>(&mut self, name: &str, key: &K) {
        let bytes = key.to_bytes();
        assert_eq!(K::from_bytes(&bytes).as_ref(), Some(key), "{name} changes on its way");
        self.add(name, &bytes);
    }

    fn add(&mut self, name: &str, bytes: &[u8]) {
        let mut hex = String::new();
        for byte in bytes {
            write!(hex, "{byte:02x}").expect("a string takes everything");
        }
        self.0.push((name.to_string(), hex));
    }
}

/// Adds samples of each variant of an enum. The variants are matched exhaustively.
macro_rules! variants {
    ($lines:ident.$how:ident, $of:ty as $name:literal, $($variant:ident: $($sample:expr),+;)+) => {{
        type Of = $of;
        fn name_of(value: &Of) -> &'static str {
            match value {
                $(Of::$variant { .. } => stringify!($variant),)+
            }
        }
        $($({
            let sample: Of = $sample;
            assert_eq!(name_of(&sample), stringify!($variant), "the sample of another variant");
            $lines.$how(concat!($name, "::", stringify!($variant)), &sample);
        })+)+
    }};
}

#[test]
fn bytes_are_what_they_were() {
    let lines = all();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bytes.txt");
    let mut text = String::from(
        "# A sample of each message, row, key and timer, and its bytes: see golden.rs.\n",
    );
    for (name, hex) in &lines.0 {
        writeln!(text, "{name} {hex}").expect("a string takes everything");
    }
    if std::env::var("CHAINRING_GOLDEN").as_deref() == Ok("write") {
        std::fs::write(&path, text).expect("the file can be written");
        return;
    }
    let golden = std::fs::read_to_string(&path).expect("tests/golden/bytes.txt is there");
    let found = differences(&golden, &lines);
    assert!(found.is_empty(), "the bytes of these have changed:\n{found}\n\n{ADVICE}");
    assert_eq!(golden, text, "the file has other lines than the samples.\n\n{ADVICE}");
}

/// What each line has to say that is not as the file has it.
fn differences(golden: &str, lines: &Lines) -> String {
    let mut before: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in golden.lines().filter(|line| !line.starts_with('#')) {
        let (name, hex) = line.split_once(' ').unwrap_or((line, ""));
        before.entry(name).or_default().push(hex);
    }
    let mut now: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, hex) in &lines.0 {
        now.entry(name).or_default().push(hex);
    }
    let mut found = String::new();
    for (name, hexes) in &now {
        let was = match before.remove(name) {
            None => "has no line in the file yet".to_string(),
            Some(was) if was != *hexes => format!("was {}", was.join(", ")),
            Some(_) => continue,
        };
        let _ = writeln!(found, "  {name}: {}; {was}", hexes.join(", "));
    }
    for name in before.keys() {
        let _ = writeln!(found, "  {name}: has a line in the file, and no sample any more");
    }
    found
}

/// Of everything that leaves a process or outlives one.
fn all() -> Lines {
    let mut lines = Lines::default();
    operations(&mut lines);
    chain_messages(&mut lines);
    chain_rows(&mut lines);
    ring_messages(&mut lines);
    ring_rows(&mut lines);
    members(&mut lines);
    lines
}

fn id(n: usize) -> Id {
    Id::from(n)
}

fn key() -> kv::Key {
    "k1".into()
}

fn value() -> kv::Value {
    "v1".into()
}

fn op_id() -> OpId {
    OpId { gateway: id(3), incarnation: 300, lane: 5, seq: 70_000 }
}

fn op() -> Op {
    Op::Put(value())
}

fn operations(lines: &mut Lines) {
    lines.encoded("kv::OpId", &op_id());
    variants! { lines.encoded, Op as "kv::Op",
        Get: Op::Get;
        Put: Op::Put(value());
        Create: Op::Create(value());
        Update: Op::Update(value());
        Delete: Op::Delete;
        CompareAndSwap: Op::CompareAndSwap { expected: value(), new: "v2".into() };
        Increment: Op::Increment(-7);
    }
    variants! { lines.encoded, Outcome as "kv::Outcome",
        Value: Outcome::Value(value());
        Done: Outcome::Done;
        Number: Outcome::Number(-300);
        Refused: Outcome::Refused(Refusal::Mismatch);
        Unknown: Outcome::Unknown;
    }
    variants! { lines.encoded, Refusal as "kv::Refusal",
        Absent: Refusal::Absent;
        Exists: Refusal::Exists;
        Mismatch: Refusal::Mismatch;
        NotANumber: Refusal::NotANumber;
        Overflow: Refusal::Overflow;
        TooLarge: Refusal::TooLarge;
        Unavailable: Refusal::Unavailable;
    }
}

fn chain_view() -> chain::View {
    let view = chain::View::new(9, vec![id(0), id(2)]).decided_by(vec![id(1), id(3)]);
    chain::View { learner: Some((id(4), 8)), allowed: Some(2), ..view }
}

fn coordinators_ballot() -> coordinator::Ballot {
    coordinator::Ballot { round: 4, proposer: id(1) }
}

fn entry() -> chain::Entry {
    chain::Entry { id: op_id(), key: key(), op: op() }
}

fn chain_messages(lines: &mut Lines) {
    use chain::{Key, Msg, Reads, Report, Row, View, msg};
    type Views = coordinator::Msg<chain::View, chain::Report>;

    let row = (Key::Data(key()), Row::Data { index: 300, value: value() });
    variants! { lines.encoded, chain::Msg as "chain::Msg",
        Opened: Msg::Opened(msg::Opened { incarnation: 300 });
        Invoke: Msg::Invoke(msg::Invoke { id: op_id(), key: key(), op: op(), reads: Reads::Any });
        Return: Msg::Return(msg::Return { id: op_id(), outcome: Outcome::Done });
        Request: Msg::Request(msg::Request {
            id: op_id(),
            key: key(),
            op: op(),
            reads: Reads::Any,
        });
        Reply: Msg::Reply(msg::Reply { id: op_id(), outcome: Outcome::Done });
        Redirect: Msg::Redirect(msg::Redirect { view: chain_view() });
        Update: Msg::Update(msg::Update { epoch: 9, index: 300, entry: entry() });
        Missing: Msg::Missing(msg::Missing { epoch: 9, next: 300 });
        Ack: Msg::Ack(msg::Ack { epoch: 9, index: 300 });
        Scan: Msg::Scan(msg::Scan { ticket: 6, after: Some(key()), limit: 100 });
        Scanned: Msg::Scanned(msg::Scanned { ticket: 6, keys: vec![key()], total: 300 });
        Fetch: Msg::Fetch(msg::Fetch { since: 8, after: Some(Key::Data(key())) });
        Rows: Msg::Rows(msg::Rows {
            since: 8,
            after: Some(Key::Data(key())),
            rows: vec![row.clone()],
            last: true,
            committed: 299
        });
        Caught: Msg::Caught(msg::Caught { since: 8, upto: 300, done: true });
        Changes: Msg::Changes(msg::Changes {
            since: 8,
            from: 300,
            changes: vec![vec![row.clone()]],
        });
        Views: Msg::Views(coordinator::Msg::Ask(coordinator::msg::Ask { epoch: 9 }));
        ScanFor: Msg::ScanFor(msg::ScanFor {
            client: id(7),
            ticket: 6,
            after: Some(key()),
            limit: 100,
        });
        Resume: Msg::Resume(msg::Resume { since: 8, upto: 300, last: op_id() });
        Resumed: Msg::Resumed(msg::Resumed { since: 8, goes_on: true });
    }
    variants! { lines.encoded, chain::Reads as "chain::Reads",
        Tail: Reads::Tail;
        Any: Reads::Any;
        Eventual: Reads::Eventual;
    }
    let voted = (coordinators_ballot(), chain_view());
    variants! { lines.encoded, Views as "coordinator::Msg<chain::View>",
        Heartbeat: Views::Heartbeat(coordinator::msg::Heartbeat { boot: 2, n: 300, epoch: 9 });
        Lease: Views::Lease(coordinator::msg::Lease { boot: 2, n: 300 });
        Ask: Views::Ask(coordinator::msg::Ask { epoch: 9 });
        Install: Views::Install(coordinator::msg::Install { view: chain_view() });
        Report: Views::Report(Report::Join);
        Prepare: Views::Prepare(coordinator::msg::Prepare {
            decided: chain_view(),
            ballot: coordinators_ballot(),
        });
        Promise: Views::Promise(coordinator::msg::Promise {
            epoch: 10, ballot: coordinators_ballot(), accepted: Some(voted.clone())
        });
        Accept: Views::Accept(coordinator::msg::Accept {
            ballot: coordinators_ballot(),
            view: chain_view(),
        });
        Accepted: Views::Accepted(coordinator::msg::Accepted {
            epoch: 10,
            ballot: coordinators_ballot(),
        });
    }
    variants! { lines.encoded, chain::Report as "chain::Report",
        Join: Report::Join;
        Ready: Report::Ready { since: 8 };
        Silent: Report::Silent { epoch: 9 };
        Reform: Report::Reform { epoch: 9, lost: BTreeSet::from([id(2)]) };
        BeginAnew: Report::BeginAnew { epoch: 9 };
    }
    for learner in [None, Some((id(4), 8))] {
        for allowed in [None, Some(2)] {
            lines.encoded("chain::View", &View { learner, allowed, ..chain_view() });
        }
    }
    variants! { lines.encoded, chain::Timer as "chain::Timer",
        Resend: chain::Timer::Resend;
        Heartbeat: chain::Timer::Heartbeat;
        Lapse: chain::Timer::Lapse(3);
        Silence: chain::Timer::Silence;
        Learn: chain::Timer::Learn;
        Follow: chain::Timer::Follow;
        Views: chain::Timer::Views(coordinator::Timer::Drive);
        Retry: chain::Timer::Retry(5);
        Deadline: chain::Timer::Deadline(5);
    }
    variants! { lines.encoded, coordinator::Timer as "coordinator::Timer",
        Suspect: coordinator::Timer::Suspect(id(2));
        Expire: coordinator::Timer::Expire(id(2));
        Drive: coordinator::Timer::Drive;
        GiveUp: coordinator::Timer::GiveUp;
    }
}

/// Keys of a chain as a store has them; on the wire, too, where a learner says how far it is.
fn chain_rows(lines: &mut Lines) {
    use chain::{Key, Place, Row, Transfer};
    type ViewRow = coordinator::Row<chain::View>;

    variants! { lines.ordered, chain::Key as "chain::Key(store)",
        View: Key::View;
        Committed: Key::Committed;
        Started: Key::Started;
        Lane: Key::Lane(id(3), 5);
        Log: Key::Log(300);
        Data: Key::Data(key());
        Views: Key::Views(coordinator::Key::Decided), Key::Views(coordinator::Key::Vote);
        Transfer: Key::Transfer;
        Tombstone: Key::Tombstone(key());
    }
    variants! { lines.encoded, Key as "chain::Key(wire)",
        View: Key::View;
        Committed: Key::Committed;
        Started: Key::Started;
        Lane: Key::Lane(id(3), 5);
        Log: Key::Log(300);
        Data: Key::Data(key());
        Views: Key::Views(coordinator::Key::Decided), Key::Views(coordinator::Key::Vote);
        Transfer: Key::Transfer;
        Tombstone: Key::Tombstone(key());
    }
    let place = Place::After(Some(Key::Data(key())));
    let learning = Transfer::Learning { since: 8, place };
    variants! { lines.encoded, chain::Row as "chain::Row",
        View: Row::View(chain_view());
        Committed: Row::Committed { index: 300, keys: 40 };
        Incarnation: Row::Incarnation(300);
        Lane: Row::Lane { incarnation: 300, seq: 70_000, outcome: Outcome::Done };
        Entry: Row::Entry(entry());
        Data: Row::Data { index: 300, value: value() };
        Views: Row::Views(coordinator::Row::Decided(chain_view()));
        Transfer: Row::Transfer(learning.clone());
        Tombstone: Row::Tombstone { index: 300 };
        Touched: Row::Touched { id: op_id(), key: key() };
    }
    let voted = (coordinators_ballot(), chain_view());
    variants! { lines.encoded, ViewRow as "coordinator::Row<chain::View>",
        Decided: ViewRow::Decided(chain_view());
        Vote: ViewRow::Vote { promised: coordinators_ballot(), accepted: Some(voted.clone()) };
    }
    variants! { lines.encoded, Transfer as "chain::Transfer",
        HandedOver: Transfer::HandedOver;
        Learning: learning.clone();
    }
    variants! { lines.encoded, Place as "chain::Place",
        Emptying: Place::Emptying;
        After: Place::After(None), Place::After(Some(Key::Data(key())));
        Done: Place::Done;
        Resuming: Place::Resuming;
    }
}

fn ring_view() -> ring::View {
    let old = ring::Ring::with([id(0), id(2)], 1, 2);
    let new = ring::Ring::with([id(0), id(4)], 1, 2);
    let view = ring::View::joint(9, old, new).decided_by(vec![id(1)]);
    ring::View { lost: BTreeSet::from([id(2)]), ..view }
}

fn ballot(n: u64) -> ring::Ballot {
    ring::Ballot { epoch: 9, n, gateway: id(3), incarnation: 300 }
}

fn content() -> ring::Content {
    let recent = vec![(op_id(), Outcome::Done)];
    ring::Content { version: 6, value: Some(value()), recent }
}

fn floors() -> ring::Floors {
    ring::Floors { ballot: ballot(1), version: 16 }
}

fn ring_messages(lines: &mut Lines) {
    use ring::{Copied, Digest, Listed, Msg, Report, Slice, Span, msg};
    type Views = coordinator::Msg<ring::View, ring::Report>;

    let (span, at) = (Span { from: 1, upto: 300 }, Some((250, key())));
    let slice = Slice { after: at.clone(), upto: None };
    let copied = Copied { key: key(), accepted: ballot(2), voted: true, content: content() };
    let listed = Listed { key: key(), accepted: ballot(2), is_live: true };
    variants! { lines.encoded, ring::Msg as "ring::Msg",
        Opened: Msg::Opened(msg::Opened { incarnation: 300 });
        Invoke: Msg::Invoke(msg::Invoke { id: op_id(), key: key(), op: op() });
        Return: Msg::Return(msg::Return { id: op_id(), outcome: Outcome::Done });
        Read: Msg::Read(msg::Read { epoch: 9, id: op_id(), key: key() });
        Vote: Msg::Vote(msg::Vote {
            epoch: 9, id: op_id(), accepted: ballot(2), voted: true, value: Some(value())
        });
        Prepare: Msg::Prepare(msg::Prepare { id: op_id(), key: key(), ballot: ballot(3) });
        Promise: Msg::Promise(msg::Promise {
            id: op_id(), ballot: ballot(3), accepted: ballot(2), voted: true, content: content()
        });
        Accept: Msg::Accept(msg::Accept {
            id: op_id(),
            key: key(),
            ballot: ballot(3),
            content: content(),
        });
        Accepted: Msg::Accepted(msg::Accepted { id: op_id(), ballot: ballot(3) });
        Refuse: Msg::Refuse(msg::Refuse { id: op_id(), ballot: ballot(3), promised: ballot(4) });
        Sweep: Msg::Sweep(msg::Sweep {
            epoch: 9,
            key: key(),
            ballot: ballot(3),
            content: content(),
        });
        Held: Msg::Held(msg::Held { epoch: 9, key: key(), ballot: ballot(3) });
        Fetch: Msg::Fetch(msg::Fetch { epoch: 9, span, after: at.clone() });
        Rows: Msg::Rows(msg::Rows {
            epoch: 9,
            span,
            after: at.clone(),
            rows: vec![copied.clone()],
            more: true,
            floors: floors()
        });
        Scan: Msg::Scan(msg::Scan { epoch: 9, ticket: 6, after: at.clone(), limit: 100 });
        Scanned: Msg::Scanned(msg::Scanned {
            epoch: 9,
            ticket: 6,
            rows: vec![listed.clone()],
            upto: at.clone(),
        });
        Belong: Msg::Belong(msg::Belong { wanted: true });
        Views: Msg::Views(coordinator::Msg::Ask(coordinator::msg::Ask { epoch: 9 }));
        Members: Msg::Members(membership::Msg::Leave);
        Compare: Msg::Compare(msg::Compare {
            epoch: 9, slice: slice.clone(), digest: Digest { count: 2, sum: 70_000 }
        });
        Compared: Msg::Compared(msg::Compared {
            epoch: 9, slice: slice.clone(), rows: Some(vec![listed.clone()]), looked: at.clone()
        });
        Want: Msg::Want(msg::Want { epoch: 9, keys: vec![key()], then: Some(slice.clone()) });
        Copies: Msg::Copies(msg::Copies {
            epoch: 9, rows: vec![copied.clone()], rest: vec![key()], then: Some(slice.clone())
        });
        Behind: Msg::Behind(msg::Behind { epoch: 9, key: key() });
    }
    let voted = (coordinators_ballot(), ring_view());
    variants! { lines.encoded, Views as "coordinator::Msg<ring::View>",
        Heartbeat: Views::Heartbeat(coordinator::msg::Heartbeat { boot: 2, n: 300, epoch: 9 });
        Lease: Views::Lease(coordinator::msg::Lease { boot: 2, n: 300 });
        Ask: Views::Ask(coordinator::msg::Ask { epoch: 9 });
        Install: Views::Install(coordinator::msg::Install { view: ring_view() });
        Report: Views::Report(Report::Join);
        Prepare: Views::Prepare(coordinator::msg::Prepare {
            decided: ring_view(),
            ballot: coordinators_ballot(),
        });
        Promise: Views::Promise(coordinator::msg::Promise {
            epoch: 10, ballot: coordinators_ballot(), accepted: Some(voted.clone())
        });
        Accept: Views::Accept(coordinator::msg::Accept {
            ballot: coordinators_ballot(),
            view: ring_view(),
        });
        Accepted: Views::Accepted(coordinator::msg::Accepted {
            epoch: 10,
            ballot: coordinators_ballot(),
        });
    }
    variants! { lines.encoded, ring::Report as "ring::Report",
        Stabilized: Report::Stabilized { epoch: 9 };
        Join: Report::Join;
        Leave: Report::Leave;
        Members: Report::Members { gone: BTreeSet::from([id(2)]) };
        Reform: Report::Reform { epoch: 9, lost: BTreeSet::from([id(2)]) };
        GiveUp: Report::GiveUp { epoch: 9, lost: BTreeSet::from([id(2)]) };
    }
    variants! { lines.encoded, ring::Timer as "ring::Timer",
        Resend: ring::Timer::Resend(5);
        Backoff: ring::Timer::Backoff(5);
        Deadline: ring::Timer::Deadline(5);
        Sweep: ring::Timer::Sweep;
        Fetch: ring::Timer::Fetch;
        Follow: ring::Timer::Follow;
        Views: ring::Timer::Views(coordinator::Timer::Drive);
        Members: ring::Timer::Members(membership::Timer::Probe);
        Decide: ring::Timer::Decide(1);
        Repair: ring::Timer::Repair;
    }
}

fn ring_rows(lines: &mut Lines) {
    use ring::{Key, Register, Row, Transfer};
    type ViewRow = coordinator::Row<ring::View>;

    variants! { lines.ordered, ring::Key as "ring::Key(store)",
        View: Key::View;
        Floors: Key::Floors;
        Started: Key::Started;
        Wanted: Key::Wanted;
        Views: Key::Views(coordinator::Key::Decided), Key::Views(coordinator::Key::Vote);
        Transfer: Key::Transfer(300);
        Tombstone: Key::Tombstone(300, key());
        Register: Key::Register(300, key());
        Members: Key::Members(membership::Key::Own), Key::Members(membership::Key::Member(id(2)));
    }
    let register =
        Register { promised: ballot(3), accepted: ballot(2), voted: true, content: content() };
    let transfer = Transfer {
        from: 1,
        begun: true,
        done: BTreeSet::from([id(0)]),
        partly: BTreeMap::from([(id(2), (250, key()))]),
    };
    variants! { lines.encoded, ring::Row as "ring::Row",
        View: Row::View(ring_view());
        Floors: Row::Floors(floors());
        Incarnation: Row::Incarnation(300);
        Wanted: Row::Wanted(true);
        Views: Row::Views(coordinator::Row::Decided(ring_view()));
        Transfer: Row::Transfer(transfer.clone());
        Tombstone: Row::Tombstone;
        Register: Row::Register(register.clone());
        Members: Row::Members(membership::Row::Own { incarnation: 300 });
    }
    let voted = (coordinators_ballot(), ring_view());
    variants! { lines.encoded, ViewRow as "coordinator::Row<ring::View>",
        Decided: ViewRow::Decided(ring_view());
        Vote: ViewRow::Vote { promised: coordinators_ballot(), accepted: Some(voted.clone()) };
    }
}

fn members(lines: &mut Lines) {
    use membership::{Entry, Key, Msg, Number, Row, Rumour, Say, Status, msg};

    let number = Number { start: 300, round: 5 };
    let entry = |status| Entry { node: id(2), incarnation: 300, status };
    let rumour = Rumour { member: id(4), entry: entry(Status::Dead) };
    variants! { lines.encoded, membership::Msg as "membership::Msg",
        Gossip: Msg::Gossip(msg::Gossip {
            say: Say::Ping(msg::Ping { origin: id(4), number }),
            news: vec![rumour],
        });
        Report: Msg::Report(msg::Report { gone: BTreeSet::from([id(2)]) });
        Leave: Msg::Leave;
    }
    variants! { lines.encoded, Say as "membership::Say",
        Ping: Say::Ping(msg::Ping { origin: id(4), number });
        Seek: Say::Seek(msg::Seek { target: id(5), number });
        Ack: Say::Ack(msg::Ack { origin: id(4), target: id(5), number });
        Compare: Say::Compare(msg::Compare {
            start: 300,
            from: id(4),
            until: Some(id(9)),
            digest: 70_000,
        });
        Same: Say::Same(msg::Same { start: 300, until: Some(id(9)) });
        Rows: Say::Rows(msg::Rows { start: 300, from: id(4), until: None, rows: vec![rumour] });
        Tell: Say::Tell(msg::Tell { rows: vec![rumour] });
    }
    variants! { lines.encoded, Status as "membership::Status",
        Alive: Status::Alive;
        Suspect: Status::Suspect { by: id(5) };
        Dead: Status::Dead;
        Left: Status::Left;
    }
    variants! { lines.encoded, membership::Row as "membership::Row",
        Own: Row::Own { incarnation: 300 };
        Member: Row::Member(entry(Status::Left));
    }
    variants! { lines.encoded, membership::Key as "membership::Key",
        Own: Key::Own;
        Member: Key::Member(id(2));
    }
    variants! { lines.encoded, membership::Timer as "membership::Timer",
        Probe: membership::Timer::Probe;
        Wait: membership::Timer::Wait;
        Exchange: membership::Timer::Exchange;
        Report: membership::Timer::Report;
    }
}
