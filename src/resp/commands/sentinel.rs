//! `SENTINEL`: how client libraries find a node that lives.
//!
//! A library that is given several sentinels asks one after the other where the master is, until
//! one of them answers, and asks again when its connection breaks. Here every node is a door to
//! every key; so each is its own sentinel, and the master is the node that was asked: a node that
//! answers lives. A client that lists all nodes as its sentinels therefore moves on to another node
//! by itself when the one that it talks to dies. Whatever the master is called, the answer is the
//! same; a client that asks for a list of all masters gets this node under each of [`NAMES`].
//!
//! Addresses are those of the cluster file, which clients have to be able to reach; where that says
//! *any address of this machine*, it is the one at which the client is connected. Nothing is
//! pushed: there is no `+switch-master`, and a library that insists on subscribing to that finds
//! out by its connection instead.

use crate::resp::Doors;
use crate::resp::command::{Call, Command, Does, Done, HELP, LOCAL};
use crate::resp::syntax::{Argument, Kind};
use crate::resp::wire::Reply;
use crate::resp::words::printable;
use std::net::SocketAddr;

pub(super) const SENTINEL: Command = Command {
    name: "SENTINEL",
    arity: -2,
    flags: LOCAL,
    group: "sentinel",
    since: "2.8.4",
    summary: "How client libraries find a node that lives: each node is its own sentinel, and the \
              master is the node that was asked, whatever name it is given.",
    differs: Some((
        "SENTINEL",
        "every node is a sentinel whose master is itself; nothing is published",
    )),
    subcommands: &[CKQUORUM, GET_MASTER, MASTER, MASTERS, MYID, REPLICAS, SENTINELS, SLAVES, HELP],
    run: HELP.run,
    ..Command::NEW
};

const CKQUORUM: Command = Command {
    name: "CKQUORUM",
    arity: 3,
    flags: LOCAL,
    group: "sentinel",
    since: "2.8.4",
    summary: "How many sentinels there are: as many as nodes.",
    arguments: &[MASTER_NAME],
    run: quorum,
    ..Command::NEW
};

const GET_MASTER: Command = Command {
    name: "GET-MASTER-ADDR-BY-NAME",
    arity: 3,
    flags: LOCAL,
    group: "sentinel",
    since: "2.8.4",
    summary: "The address of this node, as the cluster file has it.",
    arguments: &[MASTER_NAME],
    run: address,
    ..Command::NEW
};

const MASTER: Command = Command {
    name: "MASTER",
    arity: 3,
    flags: LOCAL,
    group: "sentinel",
    since: "2.8.4",
    summary: "This node, as the fields of a master.",
    arguments: &[MASTER_NAME],
    run: |call| Ok(Does::Reply(master(call, &call.words[2]))),
    ..Command::NEW
};

const MASTERS: Command = Command {
    name: "MASTERS",
    arity: 2,
    flags: LOCAL,
    group: "sentinel",
    since: "2.8.4",
    summary: "The same, in a list: by the names `mymaster` and `chainring`.",
    run: masters,
    ..Command::NEW
};

const MYID: Command = Command {
    name: "MYID",
    arity: 2,
    flags: LOCAL,
    group: "sentinel",
    since: "6.2.0",
    summary: "This start of this node, by 40 digits.",
    run: |call| Ok(Does::Reply(Reply::text(call.shared.memo.run()))),
    ..Command::NEW
};

const REPLICAS: Command = Command {
    name: "REPLICAS",
    arity: 3,
    flags: LOCAL,
    group: "sentinel",
    since: "5.0.0",
    summary: "None: every node is a master.",
    arguments: &[MASTER_NAME],
    run: |_| Ok(Does::Reply(Reply::Array(Vec::new()))),
    ..Command::NEW
};

const SENTINELS: Command = Command {
    name: "SENTINELS",
    arity: 3,
    flags: LOCAL,
    group: "sentinel",
    since: "2.8.4",
    summary: "The other nodes of the cluster file.",
    arguments: &[MASTER_NAME],
    run: sentinels,
    ..Command::NEW
};

const SLAVES: Command = Command {
    name: "SLAVES",
    arity: 3,
    flags: LOCAL,
    group: "sentinel",
    since: "2.8.4",
    summary: "The same as SENTINEL REPLICAS.",
    arguments: &[MASTER_NAME],
    run: |_| Ok(Does::Reply(Reply::Array(Vec::new()))),
    ..Command::NEW
};

const MASTER_NAME: Argument = Argument::new("master-name", Kind::Text);

/// What the master is called in lists: Redis' own example of a name, and ours.
const NAMES: [&str; 2] = ["mymaster", "chainring"];

/// The address of the node that was asked.
fn own(doors: &Doors, call: &Call<'_>) -> SocketAddr {
    match doors.own {
        Some(own) if !own.ip().is_unspecified() => own,
        // The port is the listener's own.
        _ => call.client.local,
    }
}

fn address(call: &mut Call<'_>) -> Done {
    let own = own(&call.service.doors(), call);
    let (ip, port) = (own.ip().to_string(), own.port().to_string());
    Ok(Does::Reply(Reply::Array(vec![Reply::text(&ip), Reply::text(&port)])))
}

fn masters(call: &mut Call<'_>) -> Done {
    Ok(Does::Reply(Reply::Array(NAMES.map(|name| master(call, name.as_bytes())).into())))
}

/// This node, by the name that the client has for its master.
fn master(call: &Call<'_>, name: &[u8]) -> Reply {
    let doors = call.service.doors();
    let others = doors.others.len().to_string();
    let quorum = "1";
    let name = printable(name, 128);
    let mut fields = instance(&name, own(&doors, call), call.shared.memo.run(), "master");
    fields.extend([
        field("role-reported", "master"),
        field("config-epoch", "0"),
        field("num-slaves", "0"),
        field("num-other-sentinels", &others),
        field("quorum", quorum),
        field("failover-timeout", "0"),
        field("parallel-syncs", "1"),
    ]);
    Reply::Map(fields)
}

/// The other nodes.
fn sentinels(call: &mut Call<'_>) -> Done {
    let others = call.service.doors().others.into_iter();
    let others = others.filter(|(_, address)| !address.ip().is_unspecified());
    let each = |(node, address): (u32, SocketAddr)| {
        let run = format!("{node:040x}");
        let name = format!("node-{node}");
        Reply::Map(instance(&name, address, &run, "sentinel"))
    };
    Ok(Does::Reply(Reply::Array(others.map(each).collect())))
}

fn quorum(call: &mut Call<'_>) -> Done {
    let usable = call.service.doors().others.len() + 1;
    let quorum = "Quorum and failover authorization can be reached";
    Ok(Does::Reply(Reply::Simple(format!("OK {usable} usable Sentinels. {quorum}").into())))
}

fn field(name: &str, value: &str) -> (Reply, Reply) {
    (Reply::text(name), Reply::text(value))
}

fn instance(name: &str, address: SocketAddr, run: &str, flags: &str) -> Vec<(Reply, Reply)> {
    vec![
        field("name", name),
        field("ip", &address.ip().to_string()),
        field("port", &address.port().to_string()),
        field("runid", run),
        field("flags", flags),
        field("link-pending-commands", "0"),
        field("link-refcount", "1"),
        field("last-ping-sent", "0"),
        field("last-ok-ping-reply", "0"),
        field("last-ping-reply", "0"),
        field("down-after-milliseconds", "30000"),
    ]
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::said;

    #[test]
    fn a_node_is_its_own_sentinel_and_master() {
        let quorum = "OK 1 usable Sentinels. Quorum and failover authorization can be reached";
        assert_eq!(said("SENTINEL CKQUORUM any"), format!("Simple({quorum:?})"));
        assert_eq!(said("SENTINEL REPLICAS any"), said("SENTINEL SLAVES any"));
        assert_eq!(said("SENTINEL SENTINELS any"), "Array([])");
        assert!(said("SENTINEL GET-MASTER-ADDR-BY-NAME any").starts_with("Array([Text("));
    }
}
