//! `STRLEN`: how long the value of a key is.

use crate::resp::command::{Command, ONE_KEY, READ};
use crate::resp::fold::{Fold, Many};
use crate::resp::syntax::KEY;
use crate::resp::wire::Reply;
use chainring_model::kv::{Op, Outcome, Refusal};

pub(super) const STRLEN: Command = Command {
    name: "STRLEN",
    arity: 2,
    flags: READ,
    keys: ONE_KEY,
    since: "2.2.0",
    summary: "The length of a value; 0 for an absent key.",
    arguments: &[KEY],
    run: |call| call.ask(&LENGTH, Op::Get),
    ..Command::NEW
};

/// How many bytes the value has.
const LENGTH: Fold = Fold { is_read: true, each: length, many: Many::One };

fn length(outcome: Outcome) -> Result<Reply, Outcome> {
    match outcome {
        Outcome::Value(value) => Ok(Reply::Integer(i64::try_from(value.len()).unwrap_or(i64::MAX))),
        Outcome::Refused(Refusal::Absent) => Ok(Reply::Integer(0)),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::{asked, found, replied};
    use chainring_model::kv::{Outcome, Refusal};

    #[test]
    fn an_absent_key_has_no_length() {
        assert_eq!(asked("STRLEN k"), [r#""k" Get"#]);
        assert_eq!(replied("STRLEN k", &[found("four")]), "Integer(4)");
        assert_eq!(replied("STRLEN k", &[Outcome::Refused(Refusal::Absent)]), "Integer(0)");
    }
}
