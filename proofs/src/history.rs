//! What clients saw, and whether it is linearizable.
//!
//! A history is recorded at the clients, and clients *think*: an operation begins when the first
//! message of it that leaves its gateway is *received* (a chain's `Request`; a ring's `Read` or
//! `Prepare`), and ends when the client receives `Return`. A script calls in the step in which it
//! hears, so that the call alone would make every operation begin too early: `A.put(a) < B.put(b) <
//! A.get` could not be told from operations that overlap, and linearizability would be asked of
//! weaker histories than real ones. A client that thinks until that message is received is a
//! possible client: up to then the operation is known to its gateway and to the network, which
//! delays. It can have had no effect yet, so to let it begin there takes no order away that could
//! explain what was seen. (An outcome that is told although nothing was received begins where it
//! ends.)
//!
//! Retries happen behind the gateway and so are one invocation. An operation whose outcome is
//! unknown stays open for ever: it may have taken effect at any time since, or may yet; also where
//! its first message is received only later.
//!
//! Linearizability is local (Herlihy & Wing, TOPLAS 1990), so every key has a history of its own.
//!
//! A history is part of a state, so what it remembers multiplies states. It remembers what bears on
//! what may be said later, and no more: of a key, how it may stand ([`Linearizations`]), not how
//! that came about; of views, those that a coordinator could still decide again.

pub mod linearizable;

use chainring_model::chain::msg::{Invoke, Opened, Request, Return, Scan, Scanned};
use chainring_model::chain::{Msg, View};
use chainring_model::coordinator;
use chainring_model::kv::{Key, Op, OpId, Outcome, Refusal, Value};
use chainring_model::ring;
use linearizable::Linearizations;
use stateright::actor::{Envelope, Id};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug, Formatter};
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

/// Auxiliary state that follows the messages of a system.
pub trait Recorder<Msg>: Clone + Debug + Hash + PartialEq {
    /// The history after a message was sent, where that is another one.
    fn sent(&self, envelope: Envelope<&Msg>) -> Option<Self>;

    /// The history after a message was received, where that is another one.
    fn received(&self, envelope: Envelope<&Msg>) -> Option<Self>;

    /// Whether a message can make another history of any.
    fn heeds(msg: &Msg) -> bool;
}

/// What all clients saw. Cloning it copies a pointer.
#[derive(Clone, Default)]
pub struct History {
    seen: Arc<Seen>,
    /// Of `seen`; what the history is hashed and memoized by.
    digest: u64,
}

/// A lane of a client has one operation open at a time.
type Lane = (Id, u32);

#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct Seen {
    keys: BTreeMap<Key, Linearizations>,
    /// What each client waits for.
    open: BTreeMap<Lane, (OpId, Key, Op)>,
    /// What was called and has not begun, and whether its client waits for it.
    called: BTreeMap<OpId, (Key, Op, bool)>,
    /// The listings that are under way, by client and ticket: of which keys something is known.
    listings: BTreeMap<(Id, u64), Vec<Key>>,
    /// Whether a listing showed a key that was never written.
    listed_nothing: bool,
    acknowledged: BTreeSet<OpId>,
    unknown: BTreeSet<OpId>,
    /// Updates that their clients were told did not happen, by an actor that did not apply them.
    denied: BTreeSet<OpId>,
    /// The newest start that each gateway has announced.
    starts: BTreeMap<Id, u32>,
    /// Whether a gateway has announced a start with a number that it had announced before.
    restarted_backwards: bool,
    decisions: Decisions,
    /// What the replica holds from whose data the chain may be begun anew.
    older: BTreeMap<Key, Value>,
    /// Whether it was.
    begun_anew: bool,
}

/// What happened to views.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Decisions {
    /// The views that a coordinator has moved on to and that another one has not, by epoch: digests
    /// of them.
    views: BTreeMap<u64, u64>,
    /// Whether two were decided for one epoch.
    torn: bool,
    /// Whether an actor has gone back to an older one.
    went_back: bool,
}

impl History {
    /// The same, where a key holds a value at the start.
    pub fn holding(&self, key: &str, value: &str) -> History {
        self.with(|seen| {
            seen.keys.insert(key.into(), Linearizations::holding(value.into()));
        })
    }

    /// The same, where the chain may be begun anew from data in which a key holds a value.
    pub fn or_anew(&self, key: &str, value: &str) -> History {
        self.with(|seen| {
            seen.older.insert(key.into(), value.into());
        })
    }

    /// The chain is begun anew, by an operator's word: what was acknowledged before may be gone, so
    /// clients know nothing of it any more, and what has begun may take effect in this history,
    /// whatever is said of it. From here on what they see has to be one history again.
    fn begin_anew(&self) -> Option<History> {
        (!self.seen.begun_anew).then(|| self.with(Seen::begin_anew))
    }

    /// A client calls: the operation begins as soon as a message of it is received.
    pub fn call(&self, client: Id, id: OpId, key: &Key, op: &Op) -> History {
        self.with(|seen| {
            let called = (id, key.clone(), op.clone());
            if let Some((open, key, _)) = seen.open.insert((client, id.lane), called) {
                seen.give_up(open, key);
                seen.unknown.insert(open);
            }
            seen.called.insert(id, (key.clone(), op.clone(), true));
        })
    }

    /// A message of an operation is received: the operation begins, if it has not.
    pub fn begin(&self, id: OpId) -> Option<History> {
        self.seen.called.contains_key(&id).then(|| self.with(|seen| seen.begin(id)))
    }

    /// An operation ends.
    pub fn end(&self, client: Id, id: OpId, outcome: &Outcome) -> History {
        self.with(|seen| {
            let lane = (client, id.lane);
            if seen.open.get(&lane).is_none_or(|(open, ..)| *open != id) {
                return;
            }
            let Some((_, key, op)) = seen.open.remove(&lane) else { return };
            match outcome {
                Outcome::Unknown => {
                    seen.give_up(id, key);
                    seen.unknown.insert(id);
                }
                Outcome::Refused(Refusal::Unavailable | Refusal::TooLarge) => {
                    seen.give_up(id, key);
                    if !op.is_read() {
                        seen.denied.insert(id);
                    }
                }
                outcome @ (Outcome::Value(_)
                | Outcome::Done
                | Outcome::Number(_)
                | Outcome::Refused(_)) => {
                    seen.begin(id);
                    seen.keys.entry(key).or_default().end(id, outcome);
                    if !op.is_read() {
                        seen.acknowledged.insert(id);
                    }
                }
            }
        })
    }

    /// A listing begins: a read of every key that is known, and all that it will tell is which are
    /// there. (It asks several replicas; it begins when the first of them hears it.)
    fn list(&self, client: Id, ticket: u64) -> Option<History> {
        let is_new = !self.seen.listings.contains_key(&(client, ticket));
        is_new.then(|| {
            self.with(|seen| {
                for possible in seen.keys.values_mut() {
                    possible.invoke(of_listing(client, ticket), Op::Get);
                }
                seen.listings.insert((client, ticket), seen.keys.keys().cloned().collect());
            })
        })
    }

    /// A listing ends. Where it has no keys, it tells how many there are, which is as much where
    /// one is known.
    fn listed(&self, client: Id, ticket: u64, listed: &[Key], total: u64) -> Option<History> {
        let keys = self.seen.listings.get(&(client, ticket)).filter(|keys| !keys.is_empty())?;
        let keys = keys.clone();
        Some(self.with(|seen| {
            let is_count = keys.len() == 1 && listed.is_empty();
            seen.listed_nothing |= listed.iter().any(|key| !seen.keys.contains_key(key));
            for key in &keys {
                let is_there = listed.contains(key) || is_count && total > 0;
                if let Some(possible) = seen.keys.get_mut(key) {
                    possible.end_as(of_listing(client, ticket), |outcome| {
                        is_there == matches!(outcome, Outcome::Value(_))
                    });
                }
            }
            // What is told again later is not heard; that it was asked is remembered.
            seen.listings.insert((client, ticket), Vec::new());
        }))
    }

    /// A gateway announces a start.
    pub fn start(&self, gateway: Id, incarnation: u32) -> History {
        self.with(|seen| {
            let before = seen.starts.insert(gateway, incarnation);
            seen.restarted_backwards |= before >= Some(incarnation);
        })
    }

    /// An operation is known to have changed nothing, and so is no update.
    fn refused(&self, id: OpId) -> History {
        self.with(|seen| {
            seen.acknowledged.remove(&id);
        })
    }

    /// Whether every start of every gateway had a greater number than the one before.
    pub fn starts_grow(&self) -> bool {
        !self.seen.restarted_backwards
    }

    /// The updates that clients know to have happened (or to have been refused).
    pub fn acknowledged(&self) -> &BTreeSet<OpId> {
        &self.seen.acknowledged
    }

    /// The updates that clients know not to have happened, and never to happen.
    pub fn denied(&self) -> &BTreeSet<OpId> {
        &self.seen.denied
    }

    /// The operations that clients gave up on.
    pub fn unknown(&self) -> &BTreeSet<OpId> {
        &self.seen.unknown
    }

    /// How many operations on a key have begun and not ended, those that were given up among them.
    pub fn open(&self, key: &Key) -> usize {
        self.seen.keys.get(key).map_or(0, Linearizations::open)
    }

    /// A digest of it: equal for equal histories.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Whether every key's history is linearizable.
    pub fn is_linearizable(&self) -> bool {
        !self.seen.listed_nothing && self.seen.keys.values().all(Linearizations::is_possible)
    }

    /// What happened to views.
    pub fn decisions(&self) -> &Decisions {
        &self.seen.decisions
    }

    /// The same, where something else happened to views.
    pub fn decided(&self, decisions: Decisions) -> History {
        self.with(|seen| seen.decisions = decisions)
    }

    fn with(&self, change: impl FnOnce(&mut Seen)) -> History {
        let mut seen = Seen::clone(&self.seen);
        change(&mut seen);
        let mut hasher = DefaultHasher::new();
        seen.hash(&mut hasher);
        History { seen: Arc::new(seen), digest: hasher.finish() }
    }
}

impl Seen {
    fn begin_anew(&mut self) {
        self.begun_anew = true;
        self.acknowledged.clear();
        self.keys.clear();
        for (key, value) in &self.older {
            self.keys.insert(key.clone(), Linearizations::holding(value.clone()));
        }
        // What somebody has received may have been answered in the history that is lost.
        let begun = self.open.values().filter(|(id, ..)| !self.called.contains_key(id));
        for (id, key, op) in begun.filter(|(.., op)| !op.is_read()) {
            let possible = self.keys.entry(key.clone()).or_default();
            possible.invoke(*id, op.clone());
            possible.give_up(*id);
        }
        self.open.retain(|_, (id, ..)| self.called.contains_key(id));
    }

    /// An operation begins, if it has not.
    fn begin(&mut self, id: OpId) {
        let Some((key, op, is_awaited)) = self.called.remove(&id) else { return };
        let possible = self.keys.entry(key).or_default();
        possible.invoke(id, op);
        if !is_awaited {
            possible.give_up(id);
        }
    }

    /// A client does not wait for an operation any more, which may have begun, or may yet.
    fn give_up(&mut self, id: OpId, key: Key) {
        match self.called.get_mut(&id) {
            None => self.keys.entry(key).or_default().give_up(id),
            // No client will hear of what it reads.
            Some((_, op, _)) if op.is_read() => drop(self.called.remove(&id)),
            Some((.., is_awaited)) => *is_awaited = false,
        }
    }
}

impl Decisions {
    /// An actor moves from one view to another.
    pub fn move_on<V: coordinator::View>(&mut self, from: &V, to: &V) {
        self.went_back |= to.epoch() < from.epoch();
    }

    /// A coordinator moves from one view to another.
    pub fn decide<V: coordinator::View>(&mut self, from: &V, to: &V) {
        self.move_on(from, to);
        if to != from {
            let digest = BuildHasherDefault::<DefaultHasher>::default().hash_one(to);
            self.torn |= *self.views.entry(to.epoch()).or_insert(digest) != digest;
        }
    }

    /// Whether no coordinator has moved on to this view before, as far as that is remembered.
    pub fn is_news<V: coordinator::View>(&self, view: &V) -> bool {
        !self.views.contains_key(&view.epoch())
    }

    /// Forgets the views up to an epoch that every coordinator has reached: a coordinator that
    /// decided one of these again would have gone back.
    pub fn forget(&mut self, epoch: u64) {
        self.views.retain(|decided, _| *decided > epoch);
    }

    /// Whether at most one view was decided for each epoch.
    pub fn are_unique(&self) -> bool {
        !self.torn
    }

    /// Whether no actor ever went back to an older view.
    pub fn advance(&self) -> bool {
        !self.went_back
    }
}

/// What a listing counts as, in the history of each key.
fn of_listing(client: Id, ticket: u64) -> OpId {
    OpId { gateway: client, incarnation: 0, lane: 0, seq: ticket }
}

impl Recorder<coordinator::MsgOf<View>> for Decisions {
    fn sent(&self, _: Envelope<&coordinator::MsgOf<View>>) -> Option<Self> {
        None
    }

    fn received(&self, _: Envelope<&coordinator::MsgOf<View>>) -> Option<Self> {
        None
    }

    fn heeds(_: &coordinator::MsgOf<View>) -> bool {
        false
    }
}

impl Recorder<Msg> for History {
    fn sent(&self, Envelope { src, msg, .. }: Envelope<&Msg>) -> Option<Self> {
        match msg {
            Msg::Invoke(Invoke { id, key, op, .. }) => Some(self.call(src, *id, key, op)),
            Msg::Opened(Opened { incarnation }) => Some(self.start(src, *incarnation)),
            Msg::Views(_) if begins_anew(msg) => self.begin_anew(),
            Msg::Return(_)
            | Msg::Request(_)
            | Msg::Reply(_)
            | Msg::Redirect(_)
            | Msg::Update(_)
            | Msg::Missing(_)
            | Msg::Ack(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Caught(_)
            | Msg::Changes(_)
            | Msg::Views(_)
            | Msg::ScanFor(_)
            | Msg::Resume(_)
            | Msg::Resumed(_) => None,
        }
    }

    fn received(&self, Envelope { src, dst, msg }: Envelope<&Msg>) -> Option<Self> {
        match msg {
            Msg::Request(Request { id, .. }) => self.begin(*id),
            Msg::Return(Return { id, outcome }) => Some(self.end(dst, *id, outcome)),
            Msg::Scan(Scan { ticket, .. }) => self.list(src, *ticket),
            Msg::Scanned(Scanned { ticket, keys, total }) => {
                self.listed(dst, *ticket, keys, *total)
            }
            Msg::Opened(_)
            | Msg::Invoke(_)
            | Msg::Reply(_)
            | Msg::Redirect(_)
            | Msg::Update(_)
            | Msg::Missing(_)
            | Msg::Ack(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Caught(_)
            | Msg::Changes(_)
            | Msg::Views(_)
            | Msg::ScanFor(_)
            | Msg::Resume(_)
            | Msg::Resumed(_) => None,
        }
    }

    fn heeds(msg: &Msg) -> bool {
        match msg {
            Msg::Invoke(_)
            | Msg::Request(_)
            | Msg::Return(_)
            | Msg::Opened(_)
            | Msg::Scan(_)
            | Msg::Scanned(_) => true,
            Msg::Views(_) => begins_anew(msg),
            Msg::Reply(_)
            | Msg::Redirect(_)
            | Msg::Update(_)
            | Msg::Missing(_)
            | Msg::Ack(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Caught(_)
            | Msg::Changes(_)
            | Msg::ScanFor(_)
            | Msg::Resume(_)
            | Msg::Resumed(_) => false,
        }
    }
}

/// Whether it tells of a view that begins a chain anew.
fn begins_anew(msg: &Msg) -> bool {
    matches!(msg, Msg::Views(coordinator::Msg::Install(install)) if install.view.is_begun_anew())
}

/// On a ring, an operation that is refused leaves no trace: its client knows of no update.
impl Recorder<ring::Msg> for History {
    fn sent(&self, Envelope { src, dst, msg }: Envelope<&ring::Msg>) -> Option<Self> {
        match msg {
            ring::Msg::Invoke(ring::msg::Invoke { id, key, op }) => {
                Some(self.call(src, *id, key, op))
            }
            // A gateway tells each of its clients.
            ring::Msg::Opened(ring::msg::Opened { incarnation }) => {
                Some(self.start(dst, *incarnation))
            }
            ring::Msg::Return(_)
            | ring::Msg::Read(_)
            | ring::Msg::Vote(_)
            | ring::Msg::Prepare(_)
            | ring::Msg::Promise(_)
            | ring::Msg::Accept(_)
            | ring::Msg::Accepted(_)
            | ring::Msg::Refuse(_)
            | ring::Msg::Sweep(_)
            | ring::Msg::Held(_)
            | ring::Msg::Fetch(_)
            | ring::Msg::Rows(_)
            | ring::Msg::Scan(_)
            | ring::Msg::Scanned(_)
            | ring::Msg::Belong(_)
            | ring::Msg::Views(_)
            | ring::Msg::Members(_)
            | ring::Msg::Compare(_)
            | ring::Msg::Compared(_)
            | ring::Msg::Want(_)
            | ring::Msg::Copies(_)
            | ring::Msg::Behind(_) => None,
        }
    }

    fn received(&self, Envelope { dst, msg, .. }: Envelope<&ring::Msg>) -> Option<Self> {
        match msg {
            ring::Msg::Read(ring::msg::Read { id, .. })
            | ring::Msg::Prepare(ring::msg::Prepare { id, .. }) => self.begin(*id),
            ring::Msg::Return(ring::msg::Return { id, outcome }) => {
                let ended = self.end(dst, *id, outcome);
                let is_refused = matches!(outcome, Outcome::Refused(_));
                Some(if is_refused { ended.refused(*id) } else { ended })
            }
            ring::Msg::Opened(_)
            | ring::Msg::Invoke(_)
            | ring::Msg::Vote(_)
            | ring::Msg::Promise(_)
            | ring::Msg::Accept(_)
            | ring::Msg::Accepted(_)
            | ring::Msg::Refuse(_)
            | ring::Msg::Sweep(_)
            | ring::Msg::Held(_)
            | ring::Msg::Fetch(_)
            | ring::Msg::Rows(_)
            | ring::Msg::Scan(_)
            | ring::Msg::Scanned(_)
            | ring::Msg::Belong(_)
            | ring::Msg::Views(_)
            | ring::Msg::Members(_)
            | ring::Msg::Compare(_)
            | ring::Msg::Compared(_)
            | ring::Msg::Want(_)
            | ring::Msg::Copies(_)
            | ring::Msg::Behind(_) => None,
        }
    }

    fn heeds(msg: &ring::Msg) -> bool {
        match msg {
            ring::Msg::Invoke(_)
            | ring::Msg::Return(_)
            | ring::Msg::Opened(_)
            | ring::Msg::Read(_)
            | ring::Msg::Prepare(_) => true,
            ring::Msg::Vote(_)
            | ring::Msg::Promise(_)
            | ring::Msg::Accept(_)
            | ring::Msg::Accepted(_)
            | ring::Msg::Refuse(_)
            | ring::Msg::Sweep(_)
            | ring::Msg::Held(_)
            | ring::Msg::Fetch(_)
            | ring::Msg::Rows(_)
            | ring::Msg::Scan(_)
            | ring::Msg::Scanned(_)
            | ring::Msg::Belong(_)
            | ring::Msg::Views(_)
            | ring::Msg::Members(_)
            | ring::Msg::Compare(_)
            | ring::Msg::Compared(_)
            | ring::Msg::Want(_)
            | ring::Msg::Copies(_)
            | ring::Msg::Behind(_) => false,
        }
    }
}

impl Hash for History {
    fn hash<S: Hasher>(&self, hasher: &mut S) {
        self.digest.hash(hasher);
    }
}

impl PartialEq for History {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Debug for History {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.seen.fmt(f)
    }
}

/// An operation, as short as it can be read.
pub fn spell(key: &Key, op: &Op) -> String {
    let text = |value: &Value| value.escape_ascii().to_string();
    let key = key.escape_ascii();
    match op {
        Op::Get => format!("get {key}"),
        Op::Put(value) => format!("put {key}={}", text(value)),
        Op::Create(value) => format!("create {key}={}", text(value)),
        Op::Update(value) => format!("update {key}={}", text(value)),
        Op::Delete => format!("delete {key}"),
        Op::CompareAndSwap { expected, new } => {
            format!("cas {key} {}->{}", text(expected), text(new))
        }
        Op::Increment(by) => format!("incr {key} by {by}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(client: usize, seq: u64) -> OpId {
        OpId { gateway: Id::from(client), incarnation: 1, lane: 0, seq }
    }

    fn put(value: &str) -> Op {
        Op::Put(value.into())
    }

    fn seen(value: &str) -> Outcome {
        Outcome::Value(value.into())
    }

    /// Runs whole operations one after the other; `None` is an outcome that stays unknown.
    fn history(steps: &[(usize, u64, Op, Option<Outcome>)]) -> History {
        let key = Key::from("k");
        steps.iter().fold(History::default(), |history, (client, seq, op, outcome)| {
            let client_id = Id::from(*client);
            let history = history.call(client_id, id(*client, *seq), &key, op);
            let history = history.begin(id(*client, *seq)).expect("it was called just now");
            let outcome = outcome.clone().unwrap_or(Outcome::Unknown);
            history.end(client_id, id(*client, *seq), &outcome)
        })
    }

    #[test]
    fn a_stale_read_is_not_linearizable() {
        let steps = |read| {
            history(&[
                (1, 1, put("a"), Some(Outcome::Done)),
                (1, 2, put("b"), Some(Outcome::Done)),
                (2, 1, Op::Get, Some(seen(read))),
            ])
        };
        assert!(steps("b").is_linearizable());
        assert!(!steps("a").is_linearizable());
    }

    /// The control: a history that is only legal because an operation whose outcome is
    /// unknown did happen, long after its client went on.
    #[test]
    fn an_unknown_operation_stays_open() {
        let late = |unknown: Option<Outcome>| {
            history(&[
                (1, 1, put("a"), unknown),
                (1, 2, put("b"), Some(Outcome::Done)),
                (2, 1, Op::Get, Some(seen("b"))),
                (2, 2, Op::Get, Some(seen("a"))),
            ])
        };
        assert!(late(None).is_linearizable(), "the put of a may take effect between the reads");
        assert!(!late(Some(Outcome::Done)).is_linearizable(), "it had ended before them");
    }

    #[test]
    fn an_unknown_operation_happens_once_at_most() {
        let twice = history(&[
            (1, 1, Op::Increment(1), None),
            (2, 1, Op::Get, Some(seen("1"))),
            (2, 2, Op::Get, Some(seen("2"))),
        ]);
        assert!(!twice.is_linearizable());
    }
}
