//! `TYPE`: whether a key is there, since all values are strings.

use crate::resp::command::{Command, ONE_KEY, READ};
use crate::resp::fold::{Fold, Many};
use crate::resp::syntax::KEY;
use crate::resp::wire::Reply;
use chainring_model::kv::{Op, Outcome, Refusal};
use std::borrow::Cow;

pub(super) const TYPE: Command = Command {
    name: "TYPE",
    arity: 2,
    flags: READ,
    keys: ONE_KEY,
    group: "generic",
    summary: "`string` for a key that is there, else `none`.",
    arguments: &[KEY],
    run: |call| call.ask(&KIND, Op::Get),
    ..Command::NEW
};

/// `string` or `none`.
const KIND: Fold = Fold { is_read: true, each: kind, many: Many::One };

fn kind(outcome: Outcome) -> Result<Reply, Outcome> {
    match outcome {
        Outcome::Value(_) => Ok(Reply::Simple(Cow::Borrowed("string"))),
        Outcome::Refused(Refusal::Absent) => Ok(Reply::Simple(Cow::Borrowed("none"))),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::{found, replied};
    use chainring_model::kv::{Outcome, Refusal};

    #[test]
    fn a_key_is_a_string_or_is_not_there() {
        assert_eq!(replied("TYPE k", &[found("1")]), r#"Simple("string")"#);
        assert_eq!(replied("TYPE k", &[Outcome::Refused(Refusal::Absent)]), r#"Simple("none")"#);
    }
}
