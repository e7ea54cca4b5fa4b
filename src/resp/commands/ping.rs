//! `PING` and `ECHO`: whether the node answers.

use crate::resp::command::{Call, Command, Does, Done, LOCAL};
use crate::resp::syntax::{Argument, Kind};
use crate::resp::wire::Reply;
use std::borrow::Cow;

pub(super) const PING: Command = Command {
    name: "PING",
    arity: -1,
    flags: &["fast"],
    group: "connection",
    summary: "`PONG`, or the message.",
    arguments: &[Argument::new("message", Kind::Text).optional()],
    run: ping,
    ..Command::NEW
};

pub(super) const ECHO: Command = Command {
    name: "ECHO",
    arity: 2,
    flags: LOCAL,
    group: "connection",
    summary: "The message.",
    arguments: &[Argument::new("message", Kind::Text)],
    run: |call| Ok(Does::Reply(Reply::Text(call.words[1].to_vec()))),
    ..Command::NEW
};

fn ping(call: &mut Call<'_>) -> Done {
    match &call.words[1..] {
        [] => Ok(Does::Reply(Reply::Simple(Cow::Borrowed("PONG")))),
        [message] => Ok(Does::Reply(Reply::Text(message.to_vec()))),
        _ => call.wrong_arity(),
    }
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::said;

    #[test]
    fn a_message_comes_back() {
        assert_eq!(said("PING"), r#"Simple("PONG")"#);
        assert_eq!(said("PING a"), "Text([97])");
        assert_eq!(said("ECHO a"), "Text([97])");
        assert_eq!(said("PING a b"), "ERR wrong number of arguments for 'ping' command");
    }
}
