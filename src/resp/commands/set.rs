//! `SET`, and the older commands that are one of its forms: `SETNX` and `GETSET`.
//!
//! What a write depends on is a part of its operation ([`Op::Create`], [`Op::Update`],
//! [`Op::CompareAndSwap`]). The value before comes from no operation, so `SET … GET` and `GETSET`
//! are a [`Job::Exchange`].

use crate::resp::command::{Call, Command, Done, ONE_KEY, WRITE, WRITE_FAST};
use crate::resp::fold::{Fold, Many};
use crate::resp::job::{Condition, Job};
use crate::resp::syntax::{Argument, KEY, Kind, VALUE};
use crate::resp::wire::Reply;
use crate::resp::words::SYNTAX;
use chainring_model::kv::{Op, Outcome, Refusal, Value};

pub(super) const SET: Command = Command {
    name: "SET",
    arity: -3,
    flags: WRITE,
    keys: ONE_KEY,
    summary: "Writes a value: always, only if the key is absent (NX) or present (XX), or only if \
              it holds a given value (IFEQ, compare-and-swap). With GET the reply is the value \
              before, atomically. Keys do not expire: EX, PX, EXAT, PXAT and KEEPTTL are refused.",
    differs: Some(("SET", "IFEQ; no EX, PX, EXAT, PXAT, KEEPTTL")),
    arguments: &[
        KEY,
        VALUE,
        Argument::new(
            "condition",
            Kind::OneOf(&[
                Argument::word("nx", "NX"),
                Argument::word("xx", "XX"),
                Argument::new("comparison-value", Kind::Text).token("IFEQ"),
            ]),
        )
        .optional(),
        Argument::word("get", "GET").optional(),
    ],
    run: set,
    ..Command::NEW
};

pub(super) const SETNX: Command = Command {
    name: "SETNX",
    arity: 3,
    flags: WRITE_FAST,
    keys: ONE_KEY,
    summary: "Writes a value if the key is absent; 1 if it did.",
    arguments: &[KEY, VALUE],
    run: |call| call.ask(&CREATED, Op::Create(call.value(2))),
    ..Command::NEW
};

pub(super) const GETSET: Command = Command {
    name: "GETSET",
    arity: 3,
    flags: WRITE_FAST,
    keys: ONE_KEY,
    summary: "Writes a value; the reply is the value before, as in SET … GET.",
    arguments: &[KEY, VALUE],
    run: |call| exchange(call, Condition::Always, call.value(2)),
    ..Command::NEW
};

/// OK, or nil if the condition was not met.
const WRITTEN: Fold = Fold { is_read: false, each: written, many: Many::One };

/// 1 or 0.
const CREATED: Fold = Fold { is_read: false, each: created, many: Many::One };

/// The value before. No outcome means anything of its own, because an exchange ends with the value.
const BEFORE: Fold = Fold { is_read: false, each: Err, many: Many::One };

const NO_EXPIRY: Reply = Reply::error(
    "ERR keys do not expire here: EX, PX, EXAT, PXAT and KEEPTTL are not supported; nothing was \
     stored",
);

/// What `SET` is told behind the value.
struct Options {
    condition: Condition,
    /// `GET`: whether the reply is the value before.
    before: bool,
}

fn set(call: &mut Call<'_>) -> Done {
    let new = call.value(2);
    let Options { condition, before } = options(call)?;
    if before {
        return exchange(call, condition, new);
    }
    let op = match condition {
        Condition::Always => Op::Put(new),
        Condition::Absent => Op::Create(new),
        Condition::Present => Op::Update(new),
        Condition::Equal(expected) => Op::CompareAndSwap { expected, new },
    };
    call.ask(&WRITTEN, op)
}

fn options(call: &Call<'_>) -> Result<Options, Reply> {
    let mut chosen = Options { condition: Condition::Always, before: false };
    let mut options = &call.words[3..];
    while let [option, rest @ ..] = options {
        options = rest;
        let condition = match &option.to_ascii_uppercase()[..] {
            b"GET" => {
                chosen.before = true;
                continue;
            }
            b"NX" => Condition::Absent,
            b"XX" => Condition::Present,
            b"IFEQ" => {
                let [expected, rest @ ..] = rest else {
                    return Err(SYNTAX);
                };
                options = rest;
                Condition::Equal(Value::from(&**expected))
            }
            b"EX" | b"PX" | b"EXAT" | b"PXAT" if !rest.is_empty() => return Err(NO_EXPIRY),
            b"KEEPTTL" => return Err(NO_EXPIRY),
            _ => return Err(SYNTAX),
        };
        if chosen.condition != Condition::Always && chosen.condition != condition {
            return Err(SYNTAX);
        }
        chosen.condition = condition;
    }
    Ok(chosen)
}

/// Writes, and returns the value before.
fn exchange(call: &Call<'_>, condition: Condition, new: Value) -> Done {
    let patience = call.shared.limits.patience();
    call.ask_job(&BEFORE, Job::Exchange { condition, new, patience })
}

fn written(outcome: Outcome) -> Result<Reply, Outcome> {
    match outcome {
        Outcome::Done => Ok(Reply::OK),
        Outcome::Refused(Refusal::Absent | Refusal::Exists | Refusal::Mismatch) => Ok(Reply::Nil),
        other => Err(other),
    }
}

fn created(outcome: Outcome) -> Result<Reply, Outcome> {
    match outcome {
        Outcome::Done => Ok(Reply::Integer(1)),
        Outcome::Refused(Refusal::Exists) => Ok(Reply::Integer(0)),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::{asked, replied, said};
    use chainring_model::kv::Outcome::{Done, Refused, Unknown};
    use chainring_model::kv::Refusal::{Absent, Exists, Mismatch};

    #[test]
    fn options_choose_the_operation() {
        for (line, op) in [
            ("SET k v", r#""k" Put("v")"#),
            ("SET k v nx", r#""k" Create("v")"#),
            ("SET k v XX xx", r#""k" Update("v")"#),
            ("SET k v IFEQ u", r#""k" CompareAndSwap { expected: "u", new: "v" }"#),
            ("SETNX k v", r#""k" Create("v")"#),
            ("SET k v GET", r#""k" Exchange Always "v""#),
            ("SET k v GET IFEQ u", r#""k" Exchange Equal("u") "v""#),
            ("GETSET k v", r#""k" Exchange Always "v""#),
        ] {
            assert_eq!(asked(line), [op], "{line}");
        }
        for line in ["SET k v NX XX", "SET k v IFEQ", "SET k v IFEQ a IFEQ b", "SET k v EX"] {
            assert_eq!(said(line), "ERR syntax error", "{line}");
        }
        for line in ["SET k v EX 1", "SET k v KEEPTTL"] {
            assert!(said(line).starts_with("ERR keys do not expire here"), "{line}");
        }
    }

    #[test]
    fn a_condition_that_is_not_met_is_no_error() {
        assert_eq!(replied("SET k v", &[Done]), r#"Simple("OK")"#);
        assert_eq!(replied("SET k v NX", &[Refused(Exists)]), "Nil");
        assert_eq!(replied("SET k v XX", &[Refused(Absent)]), "Nil");
        assert_eq!(replied("SET k v IFEQ u", &[Refused(Mismatch)]), "Nil");
        assert_eq!(replied("SETNX k v", &[Done]), "Integer(1)");
        assert_eq!(replied("SETNX k v", &[Refused(Exists)]), "Integer(0)");
        for line in ["SET k v", "SETNX k v", "GETSET k v"] {
            assert!(replied(line, &[Unknown]).starts_with("UNKNOWN "), "{line}");
        }
    }
}
