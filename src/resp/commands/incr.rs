//! `INCR`, `INCRBY`, `DECR` and `DECRBY`: numbers that are counted up and down.

use crate::resp::command::{Call, Command, Done, ONE_KEY, WRITE_FAST};
use crate::resp::fold::{Fold, Many};
use crate::resp::syntax::{Argument, KEY, Kind};
use crate::resp::wire::Reply;
use chainring_model::kv::{Op, Outcome};

pub(super) const INCR: Command = Command {
    name: "INCR",
    arity: 2,
    flags: WRITE_FAST,
    keys: ONE_KEY,
    summary: "Adds 1 to a number; an absent key counts as 0.",
    differs: Some(("INCR and its like", "no value of another type can be in the way")),
    arguments: &[KEY],
    run: |call| call.ask(&NUMBER, Op::Increment(1)),
    ..Command::NEW
};

pub(super) const INCRBY: Command = Command {
    name: "INCRBY",
    arity: 3,
    flags: WRITE_FAST,
    keys: ONE_KEY,
    summary: "Adds to a number; an absent key counts as 0.",
    arguments: &[KEY, Argument::new("increment", Kind::Integer)],
    run: |call| call.ask(&NUMBER, Op::Increment(call.integer(2)?)),
    ..Command::NEW
};

pub(super) const DECR: Command = Command {
    name: "DECR",
    arity: 2,
    flags: WRITE_FAST,
    keys: ONE_KEY,
    summary: "Subtracts 1 from a number; an absent key counts as 0.",
    arguments: &[KEY],
    run: |call| call.ask(&NUMBER, Op::Increment(-1)),
    ..Command::NEW
};

pub(super) const DECRBY: Command = Command {
    name: "DECRBY",
    arity: 3,
    flags: WRITE_FAST,
    keys: ONE_KEY,
    summary: "Subtracts from a number; an absent key counts as 0.",
    arguments: &[KEY, Argument::new("decrement", Kind::Integer)],
    run: decrement,
    ..Command::NEW
};

/// The new number.
const NUMBER: Fold = Fold { is_read: false, each: number, many: Many::One };

fn decrement(call: &mut Call<'_>) -> Done {
    let by = call.integer(2)?.checked_neg();
    let by = by.ok_or(Reply::error("ERR decrement would overflow"))?;
    call.ask(&NUMBER, Op::Increment(by))
}

fn number(outcome: Outcome) -> Result<Reply, Outcome> {
    match outcome {
        Outcome::Number(number) => Ok(Reply::Integer(number)),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::{asked, replied, said};
    use chainring_model::kv::Outcome::{Number, Refused};
    use chainring_model::kv::Refusal::{NotANumber, Overflow};

    #[test]
    fn all_four_are_one_operation() {
        for (line, by) in [("INCR k", 1), ("DECR k", -1), ("INCRBY k -7", -7), ("DECRBY k 7", -7)] {
            assert_eq!(asked(line), [format!(r#""k" Increment({by})"#)], "{line}");
        }
        let not_a_number = "ERR value is not an integer or out of range";
        assert_eq!(said("INCRBY k 1.5"), not_a_number);
        assert_eq!(said("INCRBY k 9223372036854775808"), not_a_number);
        assert_eq!(said("DECRBY k -9223372036854775808"), "ERR decrement would overflow");
        assert_eq!(replied("INCR k", &[Number(3)]), "Integer(3)");
        assert_eq!(replied("INCR k", &[Refused(NotANumber)]), not_a_number);
        let overflow = "ERR increment or decrement would overflow";
        assert_eq!(replied("DECR k", &[Refused(Overflow)]), overflow);
    }
}
