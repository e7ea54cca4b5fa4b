//! `DBSIZE`: how many keys there are in the whole cluster.

use crate::resp::command::{Command, Does, READ};
use crate::resp::fold::UNAVAILABLE;
use crate::resp::wire::Reply;

pub(super) const DBSIZE: Command = Command {
    name: "DBSIZE",
    arity: 1,
    flags: READ,
    group: "server",
    summary: "How many keys there are: of one chain, as of one moment since it was asked; of \
              several chains the sum of such numbers; of a ring, as many as a whole scan would \
              return.",
    run: |_| {
        Does::alone(|service, _| async move {
            match service.size().await {
                Some(keys) => Reply::Integer(i64::try_from(keys).unwrap_or(i64::MAX)),
                None => UNAVAILABLE,
            }
        })
    },
    ..Command::NEW
};
