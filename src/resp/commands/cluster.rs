//! `CLUSTER`: there is no cluster mode, because there are no slots: every node serves every key.

use crate::resp::command::{Command, LOCAL};
use crate::resp::syntax::{Argument, Kind};
use crate::resp::wire::Reply;

pub(super) const CLUSTER: Command = Command {
    name: "CLUSTER",
    arity: -2,
    flags: LOCAL,
    group: "cluster",
    since: "3.0.0",
    summary: "Redis' words for an instance without cluster mode: there are no slots, every node \
              serves every key.",
    differs: Some(("CLUSTER", "as where cluster mode is off")),
    arguments: &[Argument::new("subcommand", Kind::Text).many()],
    run: |_| Err(Reply::error("ERR This instance has cluster support disabled")),
    ..Command::NEW
};
