//! How the answers for a command's keys become its reply.
//!
//! What a reply says of an outcome that is particular to a command stands in the command's file, in
//! a [`Fold`]. What it says of all others is the same for every command, and stands here.

use super::job::Answer;
use super::wire::Reply;
use chainring_model::kv::{self, Outcome, Refusal};

/// How the answers for a command's keys become its reply.
#[derive(Debug)]
pub(super) struct Fold {
    /// Whether the command changes nothing.
    pub(super) is_read: bool,
    /// The reply to an outcome for one key. It gives back those that mean for it what they mean for
    /// all commands.
    pub(super) each: fn(Outcome) -> Result<Reply, Outcome>,
    /// What becomes of the replies for several keys.
    pub(super) many: Many,
}

/// What the replies for several keys of a command become, when all were carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Many {
    /// The command has one key.
    One,
    /// They are a list, even if there is one.
    List,
    /// They are a number: of those keys that were there.
    Count,
    /// They are one `OK`.
    Ok,
}

impl Fold {
    /// The reply for one key, or the error that becomes the reply for all of them.
    pub(super) fn each(&self, answer: Answer) -> Reply {
        let outcome = match answer {
            Answer::Before(before) => return before.map_or(Reply::Nil, Reply::Value),
            Answer::Contended => return Reply::error(CONTENDED),
            Answer::Outcome(outcome) => outcome,
        };
        match (self.each)(outcome) {
            Ok(reply) => reply,
            Err(Outcome::Unknown) => UNKNOWN,
            Err(Outcome::Refused(refusal)) => refused(refusal),
            Err(outcome @ (Outcome::Value(_) | Outcome::Done | Outcome::Number(_))) => {
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
