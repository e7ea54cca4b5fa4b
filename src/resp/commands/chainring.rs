//! `CHAINRING`: what only Chainring has. `STATUS` tells of the node; the others are an operator's
//! orders.

use crate::resp::Order;
use crate::resp::command::{ADMIN, Call, Command, Does, Done, HELP, LOCAL};
use crate::resp::syntax::{Argument, Kind};
use crate::resp::wire::Reply;
use crate::resp::words::{NO_NODE, NOT_AN_INTEGER};

pub(super) const CHAINRING: Command = Command {
    name: "CHAINRING",
    arity: -2,
    flags: LOCAL,
    group: "server",
    summary: "What only Chainring has.",
    subcommands: &[STATUS, JOIN, LEAVE, REFORM, BEGINANEW, HELP],
    run: HELP.run,
    ..Command::NEW
};

const STATUS: Command = Command {
    name: "STATUS",
    arity: 2,
    flags: LOCAL,
    group: "server",
    summary: "What this node's actors know of their chains or their ring, as JSON; `chainring \
              status` asks all nodes.",
    run: status,
    ..Command::NEW
};

const JOIN: Command = Command {
    name: "JOIN",
    arity: 2,
    flags: ADMIN,
    group: "server",
    summary: "Brings this node into the ring, for good: it fetches what it is to hold.",
    run: |call| order(call, Order::Belong(true)),
    ..Command::NEW
};

const LEAVE: Command = Command {
    name: "LEAVE",
    arity: 2,
    flags: ADMIN,
    group: "server",
    summary: "Takes this node out of the ring, for good: others fetch what it holds.",
    run: |call| order(call, Order::Belong(false)),
    ..Command::NEW
};

const REFORM: Command = Command {
    name: "REFORM",
    arity: -3,
    flags: ADMIN,
    group: "server",
    summary: "Gives up nodes that are gone, in the view of this epoch: those with these replicas, \
              or all. What only they had is lost. `chainring reform` asks first.",
    arguments: &[
        Argument::new("epoch", Kind::Integer),
        Argument::new("replica", Kind::Integer).optional().many(),
    ],
    run: reform,
    ..Command::NEW
};

const BEGINANEW: Command = Command {
    name: "BEGINANEW",
    arity: 3,
    flags: ADMIN,
    group: "server",
    summary: "Begins a chain anew from what this node holds, where its only member is lost in the \
              view of this epoch. What only that member had is lost. `chainring reform --from` asks \
              first.",
    arguments: &[Argument::new("epoch", Kind::Integer)],
    run: |call| order(call, Order::BeginAnew(epoch(call)?)),
    ..Command::NEW
};

fn status(call: &mut Call<'_>) -> Done {
    let status = call.service.status().ok_or(NO_NODE)?;
    Ok(Does::Reply(Reply::text(&status)))
}

fn reform(call: &mut Call<'_>) -> Done {
    let wrong = |_| NOT_AN_INTEGER;
    let epoch = epoch(call)?;
    let named = (3..call.words.len())
        .map(|at| call.integer(at).and_then(|id| u32::try_from(id).map_err(wrong)));
    order(call, Order::Reform(epoch, named.collect::<Result<_, _>>()?))
}

fn epoch(call: &Call<'_>) -> Result<u64, Reply> {
    u64::try_from(call.integer(2)?).map_err(|_| NOT_AN_INTEGER)
}

/// Passes on what an operator wants.
fn order(call: &Call<'_>, order: Order) -> Done {
    match call.service.order(order) {
        Ok(()) => Ok(Does::Reply(Reply::OK)),
        Err(why) => Err(Reply::Error(format!("ERR {why}").into())),
    }
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::said;

    #[test]
    fn without_a_node_nobody_takes_orders() {
        let no_node = "ERR there is no node behind this door";
        for line in [
            "CHAINRING STATUS",
            "CHAINRING JOIN",
            "CHAINRING LEAVE",
            "CHAINRING REFORM 1 2",
            "CHAINRING BEGINANEW 1",
        ] {
            assert_eq!(said(line), no_node, "{line}");
        }
        for line in [
            "CHAINRING REFORM -1",
            "CHAINRING BEGINANEW -1",
            "CHAINRING REFORM x",
            "CHAINRING REFORM 1 4294967296",
        ] {
            assert_eq!(said(line), "ERR value is not an integer or out of range", "{line}");
        }
    }
}
