//! `ROLE`: every node is a master to clients.

use crate::resp::command::{Call, Command, Does, Done, LOCAL};
use crate::resp::wire::Reply;

pub(super) const ROLE: Command = Command {
    name: "ROLE",
    arity: 1,
    flags: LOCAL,
    group: "server",
    since: "2.8.12",
    summary: "`master`, and no replicas: every node takes reads and writes of every key.",
    run: role,
    ..Command::NEW
};

fn role(_: &mut Call<'_>) -> Done {
    let no_replicas = Reply::Array(Vec::new());
    Ok(Does::Reply(Reply::Array(vec![Reply::text("master"), Reply::Integer(0), no_replicas])))
}
