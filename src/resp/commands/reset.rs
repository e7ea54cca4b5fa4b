//! `RESET`: the connection is as it was when it began.

use crate::resp::command::{Call, Command, Does, Done, LOCAL, Settings};
use crate::resp::wire::Reply;
use std::borrow::Cow;

pub(super) const RESET: Command = Command {
    name: "RESET",
    arity: 1,
    flags: LOCAL,
    group: "connection",
    since: "6.2.0",
    summary: "Forgets the connection's name and goes back to RESP2.",
    run: reset,
    ..Command::NEW
};

fn reset(call: &mut Call<'_>) -> Done {
    *call.settings = Settings::default();
    call.client.reset();
    Ok(Does::Reply(Reply::Simple(Cow::Borrowed("RESET"))))
}
