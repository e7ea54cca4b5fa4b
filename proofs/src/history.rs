//! What clients saw, and whether it is linearizable.
//!
//! A history is recorded at the clients: an operation begins when its client sends `Invoke`, and ends
//! when the client receives `Return`. Retries happen behind the gateway and so are one invocation. An
//! operation whose outcome is unknown stays open for ever: it may have taken effect at any time since,
//! or may yet. Its client goes on under a new thread name, since a thread has one operation open.
//!
//! Linearizability is local (Herlihy & Wing, TOPLAS 1990), so every key has a history of its own.

use chainring_model::chain::Msg;
use chainring_model::kv::{Key, Op, OpId, Outcome, Refusal, Value};
use chainring_model::ring;
use stateright::actor::{Envelope, Id};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};
use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{self, Debug, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Auxiliary state that follows the messages of a system.
pub trait Recorder<Msg>: Clone + Debug + Hash + PartialEq {
    /// The history after a message was sent, where that is another one.
    fn sent(&self, envelope: Envelope<&Msg>) -> Option<Self>;

    /// The history after a message was received, where that is another one.
    fn received(&self, envelope: Envelope<&Msg>) -> Option<Self>;
}

/// A key's sequential specification: [`Op::apply`], as stateright's tester calls it.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Register(Option<Value>);

impl SequentialSpec for Register {
    type Op = Op;
    type Ret = Outcome;

    fn invoke(&mut self, op: &Op) -> Outcome {
        let (after, outcome) = op.apply(self.0.as_ref());
        self.0 = after;
        outcome
    }
}

/// What all clients saw. Cloning it copies a pointer.
#[derive(Clone, Default)]
pub struct History {
    seen: Arc<Seen>,
    /// Of `seen`; what the history is hashed and memoized by.
    digest: u64,
}

/// A client, and how often it has given an operation up.
type Thread = (Id, u32);

#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct Seen {
    keys: BTreeMap<Key, LinearizabilityTester<Thread, Register>>,
    clients: BTreeMap<Id, Client>,
    acknowledged: BTreeSet<OpId>,
    /// Those of them that were not refused.
    effective: BTreeSet<OpId>,
    unknown: BTreeSet<OpId>,
    /// The updates that were not possible in time, and will never happen.
    unavailable: BTreeSet<OpId>,
    /// The newest start that each gateway has announced.
    starts: BTreeMap<Id, u32>,
    /// Whether a gateway has announced a start with a number that it had announced before.
    restarted_backwards: bool,
    read: bool,
}

#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct Client {
    given_up: u32,
    open: Option<(OpId, Key, Op)>,
}

impl History {
    /// An operation begins.
    pub fn invoke(&self, client: Id, id: OpId, key: &Key, op: &Op) -> History {
        self.with(|seen| {
            let known = seen.clients.entry(client).or_default();
            if let Some((open, ..)) = known.open.replace((id, key.clone(), op.clone())) {
                known.given_up += 1;
                seen.unknown.insert(open);
            }
            let thread = (client, known.given_up);
            // An error makes the tester's history invalid, which the property reports.
            let _ = seen.keys.entry(key.clone()).or_default().on_invoke(thread, op.clone());
        })
    }

    /// An operation ends.
    pub fn end(&self, client: Id, id: OpId, outcome: &Outcome) -> History {
        self.with(|seen| {
            let known = seen.clients.entry(client).or_default();
            let thread = (client, known.given_up);
            let Some((open, key, op)) = known.open.take() else { return };
            if open != id {
                known.open = Some((open, key, op));
                return;
            }
            match outcome {
                Outcome::Unknown | Outcome::Refused(Refusal::Unavailable) => {
                    known.given_up += 1;
                    seen.unknown.insert(id);
                    if !op.is_read() && *outcome != Outcome::Unknown {
                        seen.unavailable.insert(id);
                    }
                }
                Outcome::Refused(Refusal::TooLarge) => known.given_up += 1,
                outcome => {
                    if !op.is_read() {
                        seen.acknowledged.insert(id);
                        if !matches!(outcome, Outcome::Refused(_)) {
                            seen.effective.insert(id);
                        }
                    }
                    seen.read |= matches!(outcome, Outcome::Value(_));
                    let tester = seen.keys.entry(key).or_default();
                    let _ = tester.on_return(thread, outcome.clone());
                }
            }
        })
    }

    /// A gateway announces a start.
    pub fn start(&self, gateway: Id, incarnation: u32) -> History {
        self.with(|seen| {
            let before = seen.starts.insert(gateway, incarnation);
            seen.restarted_backwards |= before >= Some(incarnation);
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

    /// The updates that clients know to have taken effect.
    pub fn effective(&self) -> &BTreeSet<OpId> {
        &self.seen.effective
    }

    /// The updates that clients were told could not be done in time, and will not be.
    pub fn unavailable(&self) -> &BTreeSet<OpId> {
        &self.seen.unavailable
    }

    /// A history that begins with a key holding a value.
    pub fn with_value(&self, key: &Key, value: &Value) -> History {
        self.with(|seen| {
            let held = LinearizabilityTester::new(Register(Some(value.clone())));
            seen.keys.insert(key.clone(), held);
        })
    }

    /// The operations that clients gave up on.
    pub fn unknown(&self) -> &BTreeSet<OpId> {
        &self.seen.unknown
    }

    /// Whether any read found a value.
    pub fn has_read(&self) -> bool {
        self.seen.read
    }

    /// Whether every key's history is linearizable. Memoized by history: it is the hot spot of a check.
    pub fn is_linearizable(&self) -> bool {
        /// Histories that a thread remembers at the most, 16 bytes each.
        const REMEMBERED: usize = 1 << 20;
        thread_local! {
            static VERDICTS: RefCell<HashMap<u64, bool>> = RefCell::default();
        }
        VERDICTS.with_borrow_mut(|verdicts| {
            if verdicts.len() > REMEMBERED {
                verdicts.clear();
            }
            *verdicts
                .entry(self.digest)
                .or_insert_with(|| self.seen.keys.values().all(ConsistencyTester::is_consistent))
        })
    }

    fn with(&self, change: impl FnOnce(&mut Seen)) -> History {
        let mut seen = Seen::clone(&self.seen);
        change(&mut seen);
        let mut hasher = DefaultHasher::new();
        seen.hash(&mut hasher);
        History { seen: Arc::new(seen), digest: hasher.finish() }
    }
}

impl Recorder<Msg> for History {
    fn sent(&self, Envelope { src, msg, .. }: Envelope<&Msg>) -> Option<Self> {
        match msg {
            Msg::Invoke { id, key, op } => Some(self.invoke(src, *id, key, op)),
            Msg::Opened { incarnation } => Some(self.start(src, *incarnation)),
            _ => None,
        }
    }

    fn received(&self, Envelope { dst, msg, .. }: Envelope<&Msg>) -> Option<Self> {
        match msg {
            Msg::Return { id, outcome } => Some(self.end(dst, *id, outcome)),
            _ => None,
        }
    }
}

impl Recorder<ring::Msg> for History {
    fn sent(&self, Envelope { src, dst, msg }: Envelope<&ring::Msg>) -> Option<Self> {
        match msg {
            ring::Msg::Invoke { id, key, op } => Some(self.invoke(src, *id, key, op)),
            // A gateway tells each of its clients.
            ring::Msg::Opened { incarnation } => Some(self.start(dst, *incarnation)),
            _ => None,
        }
    }

    fn received(&self, Envelope { dst, msg, .. }: Envelope<&ring::Msg>) -> Option<Self> {
        match msg {
            ring::Msg::Return { id, outcome } => Some(self.end(dst, *id, outcome)),
            _ => None,
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
            let history = history.invoke(client_id, id(*client, *seq), &key, op);
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

    /// The control of trap 12: a history that is only legal because an operation whose outcome is
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
