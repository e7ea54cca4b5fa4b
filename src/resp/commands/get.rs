//! `GET`: the value of a key.

use crate::resp::command::{Command, ONE_KEY, READ};
use crate::resp::fold::{Fold, Many};
use crate::resp::syntax::KEY;
use crate::resp::wire::Reply;
use chainring_model::kv::{Op, Outcome, Refusal};

pub(super) const GET: Command = Command {
    name: "GET",
    arity: 2,
    flags: READ,
    keys: ONE_KEY,
    summary: "The value of a key.",
    arguments: &[KEY],
    run: |call| call.ask(&VALUE, Op::Get),
    ..Command::NEW
};

/// The value, or nil.
const VALUE: Fold = Fold { is_read: true, each: value, many: Many::One };

/// The reply to a read: the value, or nil.
pub(super) fn value(outcome: Outcome) -> Result<Reply, Outcome> {
    match outcome {
        Outcome::Value(value) => Ok(Reply::Value(value)),
        Outcome::Refused(Refusal::Absent) => Ok(Reply::Nil),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::{asked, found, replied, said};
    use chainring_model::kv::Outcome;
    use chainring_model::kv::Refusal::{Absent, Unavailable};

    #[test]
    fn it_asks_for_one_key_and_replies_with_its_value() {
        assert_eq!(asked("GET k"), [r#""k" Get"#]);
        assert_eq!(replied("get k", &[found("v")]), r#"Value("v")"#);
        assert_eq!(replied("GET k", &[Outcome::Refused(Absent)]), "Nil");
        let away = replied("GET k", &[Outcome::Refused(Unavailable)]);
        assert!(away.starts_with("TRYAGAIN "), "{away}");
        assert_eq!(said("GET"), "ERR wrong number of arguments for 'get' command");
    }
}
