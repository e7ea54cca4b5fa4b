//! `SELECT`: database 0, the only one.

use crate::resp::command::{Call, Command, Does, Done, LOCAL};
use crate::resp::syntax::{Argument, Kind};
use crate::resp::wire::Reply;

pub(super) const SELECT: Command = Command {
    name: "SELECT",
    arity: 2,
    flags: LOCAL,
    group: "connection",
    summary: "Database 0, the only one.",
    differs: Some(("SELECT", "database 0 only")),
    arguments: &[Argument::new("index", Kind::Integer)],
    run: select,
    ..Command::NEW
};

fn select(call: &mut Call<'_>) -> Done {
    match call.integer(1)? {
        0 => Ok(Does::Reply(Reply::OK)),
        _ => Err(Reply::error("ERR DB index is out of range")),
    }
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::said;

    #[test]
    fn there_is_one_database() {
        assert_eq!(said("SELECT 0"), r#"Simple("OK")"#);
        assert_eq!(said("SELECT 1"), "ERR DB index is out of range");
        assert_eq!(said("SELECT x"), "ERR value is not an integer or out of range");
    }
}
