//! `MGET`: the values of several keys, each read by itself.

use super::get;
use crate::resp::command::{ALL_KEYS, Command, READ};
use crate::resp::fold::{Fold, Many};
use crate::resp::syntax::KEYS;
use chainring_model::kv::Op;

pub(super) const MGET: Command = Command {
    name: "MGET",
    arity: -2,
    flags: READ,
    keys: ALL_KEYS,
    summary: "The values of keys, each read linearizably by itself, not together.",
    arguments: &[KEYS],
    run: |call| call.ask_each(&VALUES, Op::Get),
    ..Command::NEW
};

/// The values, in the places of their keys.
pub(in crate::resp) const VALUES: Fold = Fold { is_read: true, each: get::value, many: Many::List };

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::{asked, found, replied};
    use chainring_model::kv::{Outcome, Refusal};

    #[test]
    fn values_stand_in_the_places_of_their_keys() {
        assert_eq!(asked("MGET a b a"), [r#""a" Get"#, r#""b" Get"#, r#""a" Get"#]);
        let absent = || Outcome::Refused(Refusal::Absent);
        let reply = replied("MGET a b c", &[found("1"), absent(), found("3")]);
        assert_eq!(reply, r#"Array([Value("1"), Nil, Value("3")])"#);
        assert_eq!(replied("MGET a", &[absent()]), "Array([Nil])");
    }
}
