//! What a command asks of the service about one key, and what becomes of it.

use super::Service;
use super::wire::Reply;
use chainring_model::chain::Reads;
use chainring_model::kv::{self, Key, Op, Outcome, Refusal, Value};
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

    /// The values that it holds: what it writes, and what it expects to find.
    fn values(&self) -> [Option<&Value>; 2] {
        match self {
            Job::Operation(op, _) => op.values(),
            Job::Exchange { condition: Condition::Equal(expected), new, .. } => {
                [Some(new), Some(expected)]
            }
            Job::Exchange { new, .. } => [Some(new), None],
        }
    }

    /// How many bytes of values it holds.
    pub(super) fn bytes(&self) -> usize {
        self.values().into_iter().flatten().map(|value| value.len()).sum()
    }

    /// Refuses what is too large before anything is sent, keys beyond `longest` bytes among it; the
    /// reply names the limit.
    pub(super) fn check(&self, key: &Key, longest: usize) -> Result<(), Reply> {
        if key.len() > longest {
            return Err(too_large("key", key.len(), longest));
        }
        match self.values().into_iter().flatten().find(|value| value.len() > kv::MAX_VALUE_BYTES) {
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

fn too_large(what: &str, length: usize, limit: usize) -> Reply {
    Reply::Error(
        format!(
            "ERR {what} of {length} bytes is longer than the limit of {limit} bytes; nothing was \
             stored"
        )
        .into(),
    )
}
