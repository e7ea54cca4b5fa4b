//! `EXISTS`: how many of some keys are there.

use crate::resp::command::{ALL_KEYS, Command, READ};
use crate::resp::fold::{Fold, Many};
use crate::resp::syntax::KEYS;
use crate::resp::wire::Reply;
use chainring_model::kv::{Op, Outcome, Refusal};

pub(super) const EXISTS: Command = Command {
    name: "EXISTS",
    arity: -2,
    flags: READ,
    keys: ALL_KEYS,
    group: "generic",
    summary: "How many of the keys are there.",
    arguments: &[KEYS],
    run: |call| call.ask_each(&FOUND, Op::Get),
    ..Command::NEW
};

/// How many keys there are; one that is named twice counts twice.
pub(in crate::resp) const FOUND: Fold = Fold { is_read: true, each: found, many: Many::Count };

fn found(outcome: Outcome) -> Result<Reply, Outcome> {
    match outcome {
        Outcome::Value(_) => Ok(Reply::Integer(1)),
        Outcome::Refused(Refusal::Absent) => Ok(Reply::Integer(0)),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::{asked, found, replied};
    use chainring_model::kv::{Outcome, Refusal};

    #[test]
    fn it_counts_a_key_as_often_as_it_is_named() {
        assert_eq!(asked("EXISTS a a"), [r#""a" Get"#, r#""a" Get"#]);
        assert_eq!(replied("EXISTS a a", &[found("1"), found("1")]), "Integer(2)");
        assert_eq!(replied("EXISTS a", &[Outcome::Refused(Refusal::Absent)]), "Integer(0)");
    }
}
