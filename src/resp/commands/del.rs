//! `DEL` and `UNLINK`: removes keys, each by itself.

use crate::resp::command::{ALL_KEYS, Command};
use crate::resp::fold::{Fold, Many};
use crate::resp::syntax::KEYS;
use crate::resp::wire::Reply;
use chainring_model::kv::{Op, Outcome, Refusal};

pub(super) const DEL: Command = Command {
    name: "DEL",
    arity: -2,
    flags: &["write"],
    keys: ALL_KEYS,
    group: "generic",
    summary: "Removes keys, each by itself; how many there were.",
    arguments: &[KEYS],
    run: |call| call.ask_each(&REMOVED, Op::Delete),
    ..Command::NEW
};

pub(super) const UNLINK: Command = Command {
    name: "UNLINK",
    arity: -2,
    flags: &["write", "fast"],
    keys: ALL_KEYS,
    group: "generic",
    since: "4.0.0",
    summary: "The same as DEL.",
    arguments: &[KEYS],
    run: |call| call.ask_each(&REMOVED, Op::Delete),
    ..Command::NEW
};

/// How many keys there were.
pub(in crate::resp) const REMOVED: Fold = Fold { is_read: false, each: removed, many: Many::Count };

fn removed(outcome: Outcome) -> Result<Reply, Outcome> {
    match outcome {
        Outcome::Done => Ok(Reply::Integer(1)),
        Outcome::Refused(Refusal::Absent) => Ok(Reply::Integer(0)),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::{asked, replied};
    use chainring_model::kv::Outcome::{Done, Refused};
    use chainring_model::kv::Refusal::{Absent, Unavailable};

    #[test]
    fn it_counts_the_keys_that_were_there() {
        for name in ["DEL", "UNLINK"] {
            assert_eq!(asked(&format!("{name} a b")), [r#""a" Delete"#, r#""b" Delete"#]);
            let count = replied(&format!("{name} a b c"), &[Done, Refused(Absent), Done]);
            assert_eq!(count, "Integer(2)");
        }
        assert_eq!(replied("DEL a", &[Refused(Absent)]), "Integer(0)");
        let half = replied("DEL a b", &[Done, Refused(Unavailable)]);
        assert!(half.starts_with("UNKNOWN of 2 keys: 1 carried out, 1 not"), "{half}");
    }
}
