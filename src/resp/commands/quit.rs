//! `QUIT`: closes the connection.

use crate::resp::command::{Command, Does, LOCAL};
use crate::resp::wire::Reply;

pub(super) const QUIT: Command = Command {
    name: "QUIT",
    arity: -1,
    flags: LOCAL,
    group: "connection",
    summary: "Closes the connection.",
    run: |_| Ok(Does::LastReply(Reply::OK)),
    ..Command::NEW
};
