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

use crate::resp::command::printable;
use crate::resp::wire::{Reply, Words};
use crate::resp::{Doors, Service};
use std::net::SocketAddr;

/// What the master is called in lists: Redis' own example of a name, and ours.
const NAMES: [&str; 2] = ["mymaster", "chainring"];

/// The address of the node that was asked.
fn own(doors: &Doors, local: SocketAddr) -> SocketAddr {
    match doors.own {
        Some(own) if !own.ip().is_unspecified() => own,
        // The port is the listener's own.
        _ => local,
    }
}

/// `SENTINEL GET-MASTER-ADDR-BY-NAME`.
pub(in crate::resp) fn address<S: Service>(service: &S, local: SocketAddr) -> Reply {
    let own = own(&service.doors(), local);
    Reply::Array(vec![Reply::text(&own.ip().to_string()), Reply::text(&own.port().to_string())])
}

/// `SENTINEL MASTERS`.
pub(in crate::resp) fn masters<S: Service>(service: &S, local: SocketAddr, run: &str) -> Reply {
    Reply::Array(NAMES.map(|name| master(service, local, name.as_bytes(), run)).into())
}

/// `SENTINEL MASTER name`.
pub(in crate::resp) fn master<S: Service>(
    service: &S,
    local: SocketAddr,
    name: &[u8],
    run: &str,
) -> Reply {
    let doors = service.doors();
    let own = own(&doors, local);
    let others = doors.others.len().to_string();
    let quorum = "1";
    let mut fields = instance(&printable(name, 128), own, run, "master");
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

/// `SENTINEL SENTINELS name`: the other nodes.
pub(in crate::resp) fn sentinels<S: Service>(service: &S) -> Reply {
    let others = service.doors().others.into_iter();
    let others = others.filter(|(_, address)| !address.ip().is_unspecified());
    let each = |(node, address): (u32, SocketAddr)| {
        let run = format!("{node:040x}");
        let name = format!("node-{node}");
        Reply::Map(instance(&name, address, &run, "sentinel"))
    };
    Reply::Array(others.map(each).collect())
}

/// `SENTINEL CKQUORUM name`.
pub(in crate::resp) fn quorum<S: Service>(service: &S) -> Reply {
    let usable = service.doors().others.len() + 1;
    Reply::Simple(
        format!("OK {usable} usable Sentinels. Quorum and failover authorization can be reached")
            .into(),
    )
}

/// The name that a subcommand is about.
pub(in crate::resp) fn named<'a>(words: &'a Words<'_>) -> &'a [u8] {
    words.get(2).map_or(NAMES[0].as_bytes(), |name| name)
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
