//! What a command asks of the service, and how its answers become a reply.

use super::Service;
use super::wire::Reply;
use chainring_model::chain::Reads;
use chainring_model::kv::{self, Key, Op, Outcome, Refusal, Value};
use std::borrow::Cow;
use std::time::Duration;
use tokio::time::Instant;

/// What a command wants of one key.
#[derive(Clone, Debug)]
pub(super) enum Job {
    /// One operation.
    Operation(Op, Reads),
    /// A write that returns the value before.
    Exchange {
        /// On what the write depends.
        condition: Condition,
        /// What is to be written.
        new: Value,
        /// When to give up.
        patience: Patience,
    },
}

/// On what a `SET` depends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Condition {
    /// On nothing.
    Always,
    /// `NX`: the key is absent.
    Absent,
    /// `XX`: the key is present.
    Present,
    /// `IFEQ`: the key holds this value.
    Equal(Value),
}

/// When an exchange that always loses to other writers gives up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// After so many attempts.
    pub(super) tries: usize,
    /// Before an attempt that would begin later than this.
    pub(super) time: Duration,
}

/// What became of a job.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// Of an operation.
    Outcome(Outcome),
    /// Of an exchange: the value before, whether or not something was written.
    Before(Option<Value>),
    /// Of an exchange that gave up and has changed nothing.
    Contended,
}

/// How the answers for a command's keys become its reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fold {
    /// `GET`: the value or nil.
    Value,
    /// `STRLEN`: the value's length.
    Length,
    /// `TYPE`: `string` or `none`.
    Type,
    /// `SET`: OK, or nil if its condition was not met.
    Written,
    /// `SETNX`: 1 or 0.
    Created,
    /// `INCR` and its kin: the new number.
    Number,
    /// `DEL`: how many keys there were.
    Count,
    /// `EXISTS`: how many keys there are.
    Found,
    /// `MGET`: the values.
    Values,
    /// `MSET`: OK.
    AllWritten,
    /// `SET … GET`: the value before.
    Before,
}

impl Job {
    /// Carries the job out.
    pub(super) async fn run<S: Service>(self, service: &S, key: &Key) -> Answer {
        match self {
            Job::Operation(op, reads) => {
                Answer::Outcome(service.call(key.clone(), op, reads).await)
            }
            Job::Exchange { condition, new, patience } => {
                exchange(service, key, &condition, &new, patience).await
            }
        }
    }

    /// Whether it is one read.
    pub(super) fn is_read(&self) -> bool {
        matches!(self, Job::Operation(op, _) if op.is_read())
    }

    /// How many bytes of values it holds.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Job::Operation(op, _) => op.bytes(),
            Job::Exchange { condition: Condition::Equal(expected), new, .. } => {
                expected.len() + new.len()
            }
            Job::Exchange { new, .. } => new.len(),
        }
    }

    /// Refuses what is too large before anything is sent, keys beyond `longest` bytes among it; the
    /// reply names the limit.
    pub(super) fn check(&self, key: &Key, longest: usize) -> Result<(), Reply> {
        if key.len() > longest {
            return Err(too_large("key", key.len(), longest));
        }
        let values: [Option<&Value>; 2] = match self {
            Job::Operation(Op::Put(new) | Op::Create(new) | Op::Update(new), _) => {
                [Some(new), None]
            }
            Job::Operation(Op::CompareAndSwap { expected, new }, _) => [Some(new), Some(expected)],
            Job::Operation(Op::Get | Op::Delete | Op::Increment(_), _) => [None, None],
            Job::Exchange { condition: Condition::Equal(expected), new, .. } => {
                [Some(new), Some(expected)]
            }
            Job::Exchange { new, .. } => [Some(new), None],
        };
        match values.into_iter().flatten().find(|value| value.len() > kv::MAX_VALUE_BYTES) {
            Some(value) => Err(too_large("value", value.len(), kv::MAX_VALUE_BYTES)),
            None => Ok(()),
        }
    }
}

/// The loop behind `SET … GET`; why it is linearizable is in the module's documentation.
async fn exchange<S: Service>(
    service: &S,
    key: &Key,
    condition: &Condition,
    new: &Value,
    patience: Patience,
) -> Answer {
    let end = Instant::now() + patience.time;
    for attempt in 0..patience.tries {
        if attempt > 0 && Instant::now() >= end {
            break;
        }
        let before = match service.call(key.clone(), Op::Get, Reads::Any).await {
            Outcome::Value(value) => Some(value),
            Outcome::Refused(Refusal::Absent) => None,
            // The read changed nothing, and nothing was written yet.
            Outcome::Unknown => return Answer::Outcome(Outcome::Refused(Refusal::Unavailable)),
            other => return Answer::Outcome(other),
        };
        let write = match (condition, &before) {
            (Condition::Present | Condition::Equal(_), None) | (Condition::Absent, Some(_)) => {
                return Answer::Before(before);
            }
            (Condition::Equal(expected), Some(value)) if expected != value => {
                return Answer::Before(before);
            }
            (_, None) => Op::Create(new.clone()),
            (_, Some(value)) => Op::CompareAndSwap { expected: value.clone(), new: new.clone() },
        };
        match service.call(key.clone(), write, Reads::Any).await {
            Outcome::Done => return Answer::Before(before),
            Outcome::Refused(Refusal::Exists | Refusal::Absent | Refusal::Mismatch) => {}
            other => return Answer::Outcome(other),
        }
    }
    Answer::Contended
}

impl Answer {
    /// About how many bytes the answer holds while it waits for its turn.
    pub(super) fn weight(&self) -> usize {
        match self {
            Answer::Outcome(Outcome::Value(value)) | Answer::Before(Some(value)) => value.len(),
            _ => 0,
        }
    }
}

impl Fold {
    /// Whether the command changes nothing.
    pub(super) fn is_read(self) -> bool {
        use Fold::{Found, Length, Type, Value, Values};
        matches!(self, Value | Length | Type | Values | Found)
    }

    /// The reply for one key, or the error that becomes the reply for all of them.
    pub(super) fn each(self, answer: Answer) -> Reply {
        use Outcome::{Done, Number, Refused};
        use Refusal::{Absent, Exists, Mismatch};
        let outcome = match answer {
            Answer::Before(before) => return before.map_or(Reply::Nil, Reply::Value),
            Answer::Contended => return Reply::error(CONTENDED),
            Answer::Outcome(outcome) => outcome,
        };
        match (self, outcome) {
            (Fold::Value | Fold::Values, Outcome::Value(value)) => Reply::Value(value),
            (Fold::Value | Fold::Values, Refused(Absent)) => Reply::Nil,
            (Fold::Length, Outcome::Value(value)) => {
                Reply::Integer(i64::try_from(value.len()).unwrap_or(i64::MAX))
            }
            (Fold::Length, Refused(Absent)) => Reply::Integer(0),
            (Fold::Type, Outcome::Value(_)) => Reply::Simple(Cow::Borrowed("string")),
            (Fold::Type, Refused(Absent)) => Reply::Simple(Cow::Borrowed("none")),
            (Fold::Written | Fold::AllWritten, Done) => Reply::OK,
            (Fold::Written, Refused(Absent | Exists | Mismatch)) => Reply::Nil,
            (Fold::Created, Done) => Reply::Integer(1),
            (Fold::Created, Refused(Exists)) => Reply::Integer(0),
            (Fold::Number, Number(number)) => Reply::Integer(number),
            (Fold::Count, Done) | (Fold::Found, Outcome::Value(_)) => Reply::Integer(1),
            (Fold::Count | Fold::Found, Refused(Absent)) => Reply::Integer(0),
            (_, Outcome::Unknown) => UNKNOWN,
            (_, Refused(refusal)) => refused(refusal),
            (_, outcome) => {
                tracing::error!(?self, ?outcome, "an outcome that its operation cannot have");
                Reply::error("ERR the cluster's answer makes no sense")
            }
        }
    }
}

const CONTENDED: &str =
    "TRYAGAIN other clients kept writing this key in between; nothing was changed";

/// The reply where no replica could be asked.
pub(super) const UNAVAILABLE: Reply =
    Reply::error("TRYAGAIN no replica could answer before the deadline; nothing was changed");

/// The reply to an operation that was refused.
pub(super) fn refused(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::Unavailable => UNAVAILABLE,
        Refusal::NotANumber => Reply::error("ERR value is not an integer or out of range"),
        Refusal::Overflow => Reply::error("ERR increment or decrement would overflow"),
        Refusal::TooLarge => Reply::Error(
            format!(
                "ERR a key is longer than the limit of {} bytes, or a value than {}; nothing was \
                 stored",
                kv::MAX_KEY_BYTES,
                kv::MAX_VALUE_BYTES
            )
            .into(),
        ),
        Refusal::Absent => Reply::error("ERR no such key"),
        Refusal::Exists => Reply::error("ERR the key exists already"),
        Refusal::Mismatch => Reply::error("ERR the key holds another value"),
    }
}

/// The reply where a write's deadline passed.
const UNKNOWN: Reply = Reply::error(
    "UNKNOWN the operation may or may not have happened: its outcome could not be known in time",
);

fn too_large(what: &str, length: usize, limit: usize) -> Reply {
    Reply::Error(
        format!(
            "ERR {what} of {length} bytes is longer than the limit of {limit} bytes; nothing was \
             stored"
        )
        .into(),
    )
}
