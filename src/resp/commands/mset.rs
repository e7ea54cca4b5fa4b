//! `MSET`: writes several keys, each by itself.

use crate::resp::command::{Call, Command, Does, Done, WRITE};
use crate::resp::fold::{Fold, Many};
use crate::resp::job::Job;
use crate::resp::syntax::{Argument, KEY, Kind, VALUE};
use crate::resp::wire::{Reply, Words};
use chainring_model::kv::{Op, Outcome};
use std::collections::HashSet;

pub(super) const MSET: Command = Command {
    name: "MSET",
    arity: -3,
    flags: WRITE,
    keys: (1, -1, 2),
    since: "1.0.1",
    summary: "Writes several keys, each by itself: not atomic.",
    arguments: &[Argument::new("data", Kind::Block(&[KEY, VALUE])).many()],
    run: set_all,
    ..Command::NEW
};

/// One OK.
pub(in crate::resp) const ALL_WRITTEN: Fold =
    Fold { is_read: false, each: written, many: Many::Ok };

fn set_all(call: &mut Call<'_>) -> Done {
    if call.words.len().is_multiple_of(2) {
        return call.wrong_arity();
    }
    let job = |at: usize| Job::Operation(Op::Put(call.value(at + 1)), call.settings.reads);
    let jobs = last_of_each(call.words).into_iter().map(|at| (call.key(at), job(at)));
    Ok(Does::Ask(&ALL_WRITTEN, jobs.collect()))
}

/// The places of the keys, and of a key that is named more than once only the last: what stands
/// before it would be overwritten by the same command.
fn last_of_each(words: &Words<'_>) -> Vec<usize> {
    let mut seen = HashSet::new();
    let places = (1..words.len()).step_by(2).rev();
    let mut places: Vec<usize> = places.filter(|at| seen.insert(&words[*at])).collect();
    places.reverse();
    places
}

fn written(outcome: Outcome) -> Result<Reply, Outcome> {
    match outcome {
        Outcome::Done => Ok(Reply::OK),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::{asked, replied, said};
    use chainring_model::kv::Outcome::{Done, Unknown};

    #[test]
    fn of_a_key_that_is_named_twice_the_last_value_is_written() {
        assert_eq!(asked("MSET a 1 b 2 a 3"), [r#""b" Put("2")"#, r#""a" Put("3")"#]);
        assert_eq!(said("MSET a 1 b"), "ERR wrong number of arguments for 'mset' command");
        assert_eq!(replied("MSET a 1 b 2", &[Done, Done]), r#"Simple("OK")"#);
        let half = replied("MSET a 1 b 2", &[Done, Unknown]);
        assert!(half.starts_with("UNKNOWN of 2 keys: 1 carried out, "), "{half}");
    }
}
