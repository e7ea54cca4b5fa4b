//! What became of operations, for the log: under the target `chainring::operations`.
//!
//! At level *info* the proposer, which is the gateway that an operation came in through, says what
//! a quorum has made of it. At level *debug* each replica says what it has done for it. A replica
//! is not told what the client wants, only what the register is to hold, so it says what that
//! changes: it has *created*, *updated* or *deleted*, or accepted the register unchanged because
//! the operation was refused (or was a read that had to complete a write).
//!
//! This is what observers see of steps. Nothing in the actors knows of it, and where the target is
//! off it costs a look at a flag.

use super::StepOf;
use chainring_model::kv::{Key, Op, OpId, Outcome, Refusal};
use chainring_model::ring::Msg;
use chainring_model::ring::msg::{Accept, Invoke, Prepare, Promise, Read, Return, Vote};
use chainring_runtime::driver::Event;
use stateright::actor::Command;
use std::collections::HashMap;
use tracing::Level;

/// The target.
const TARGET: &str = "chainring::operations";

/// How many operations are remembered, and then forgotten.
const REMEMBERED: usize = 8192;

/// What is remembered of operations under way.
#[derive(Default)]
pub(crate) struct Notes {
    /// Of a gateway: what each lane is about.
    invoked: HashMap<u32, (u64, Key, &'static str)>,
    /// Of a node: whether the key was there when it promised.
    was_there: HashMap<OpId, bool>,
}

impl Notes {
    /// A gateway has made a step.
    pub(super) fn gateway(&mut self, step: &StepOf<'_>) {
        if !tracing::enabled!(target: TARGET, Level::INFO) {
            return;
        }
        if let Event::Deliver { msg: Msg::Invoke(Invoke { id, key, op }), .. } = step.event {
            self.invoked.insert(id.lane, (id.seq, key.clone(), word(op)));
        }
        for command in step.out {
            let Command::Send(_, Msg::Return(Return { id, outcome })) = command else { continue };
            let Some((seq, key, what)) = self.invoked.remove(&id.lane) else { continue };
            if seq != id.seq {
                continue;
            }
            match reason(outcome) {
                None => tracing::info!(target: TARGET, op = ?id, ?key, "{what} success"),
                Some(why) => tracing::info!(target: TARGET, op = ?id, ?key, why, "{what} fail"),
            }
        }
    }

    /// A node has made a step.
    pub(super) fn node(&mut self, step: &StepOf<'_>) {
        if !tracing::enabled!(target: TARGET, Level::DEBUG) {
            return;
        }
        let Event::Deliver { msg, .. } = step.event else { return };
        let (Msg::Read(Read { id, key, .. })
        | Msg::Prepare(Prepare { id, key, .. })
        | Msg::Accept(Accept { id, key, .. })) = msg
        else {
            return;
        };
        let replica = usize::from(step.id);
        let answer = step.out.iter().find_map(|command| match command {
            Command::Send(_, answer) => Some(answer),
            _ => None,
        });
        let fail = |what: &str, why: &str| {
            tracing::debug!(target: TARGET, replica, op = ?id, ?key, why, "{what} fail");
        };
        let done = |what: &str| {
            tracing::debug!(target: TARGET, replica, op = ?id, ?key, "{what} success");
        };
        match (msg, answer) {
            (Msg::Read(_), Some(Msg::Vote(Vote { value: Some(_), .. }))) => done("read"),
            (Msg::Read(_), Some(Msg::Vote(Vote { value: None, .. }))) => fail("read", "absent"),
            (_, Some(Msg::Promise(Promise { content, .. }))) => {
                if self.was_there.len() >= REMEMBERED {
                    self.was_there.clear();
                }
                self.was_there.insert(*id, content.value.is_some());
            }
            (Msg::Accept(Accept { content, .. }), Some(Msg::Accepted(_))) => {
                let was_there = self.was_there.remove(id);
                let is_its_own = content.recent.last().is_some_and(|(last, _)| last == id);
                match (is_its_own, was_there, &content.value) {
                    (true, _, None) => done("delete"),
                    (true, Some(false), Some(_)) => done("create"),
                    (true, Some(true), Some(_)) => done("update"),
                    (true, None, Some(_)) => done("write"),
                    (false, _, None) => fail("operation", "absent"),
                    (false, _, Some(_)) => fail("operation", "unchanged"),
                }
            }
            (_, Some(Msg::Refuse(_))) => fail("operation", "a higher ballot was promised"),
            (_, Some(_)) => fail("operation", "another epoch"),
            (_, None) => fail("operation", "no replica of this key, or still fetching"),
        }
    }
}

/// What an operation is called.
fn word(op: &Op) -> &'static str {
    match op {
        Op::Get => "read",
        Op::Put(_) => "write",
        Op::Create(_) => "create",
        Op::Update(_) => "update",
        Op::Delete => "delete",
        Op::CompareAndSwap { .. } => "compare-and-swap",
        Op::Increment(_) => "increment",
    }
}

/// Why it failed, if it did.
fn reason(outcome: &Outcome) -> Option<&'static str> {
    Some(match outcome {
        Outcome::Value(_) | Outcome::Done | Outcome::Number(_) => return None,
        Outcome::Unknown => {
            "unknown: the deadline has passed, or too many others came since, and it may or may not have happened"
        }
        Outcome::Refused(Refusal::Absent) => "absent",
        Outcome::Refused(Refusal::Exists) => "exists",
        Outcome::Refused(Refusal::Mismatch) => "mismatch",
        Outcome::Refused(Refusal::NotANumber) => "not a number",
        Outcome::Refused(Refusal::Overflow) => "overflow",
        Outcome::Refused(Refusal::TooLarge) => "too large",
        Outcome::Refused(Refusal::Unavailable) => "unavailable: no quorum before the deadline",
    })
}
