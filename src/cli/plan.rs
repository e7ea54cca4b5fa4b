//! `chainring plan`: the cluster file of a cluster whose nodes are on several machines.
//!
//! Machines are named in the order of the chain. The `Id`s of actors are derived from that order,
//! as `chainring cluster` derives them, so no operator writes them; every node has the same ports
//! on its machine.

use crate::cli::cluster::{Plan, ProtocolName, copies};
use crate::cli::file::CLUSTER_FILE;
use chainring::config::Cluster;
use chainring::tell;
use clap::Args;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

/// Which machines, and what they run.
#[derive(Args, Debug)]
pub struct PlanArgs {
    /// The protocol.
    protocol: ProtocolName,
    /// A machine, as NAME=ADDRESS: what people call it, and the address that the others reach it
    /// at. Once for each, in the order of the chain.
    #[arg(long = "host", value_name = "NAME=ADDRESS", value_parser = host, required = true)]
    hosts: Vec<Host>,
    /// How many chains, which share the keys. [default: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    chains: Option<u32>,
    /// How many of each chain's nodes, or the ring's, are coordinators, which decide its views.
    /// [default: 3, or 1 where there are fewer]
    #[arg(long, value_parser = ["1", "3", "5"])]
    coordinators: Option<String>,
    /// Of a ring: how many replicas a key has. [default: 3]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=9))]
    replicas: Option<u8>,
    /// Of a ring: how many tokens a node has. [default: 64]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    tokens: Option<u32>,
    /// The port of Redis clients (TCP), on every machine.
    #[arg(long, default_value_t = 6379)]
    resp_port: u16,
    /// The port where nodes hear each other (UDP), on every machine.
    #[arg(long, default_value_t = 7000)]
    udp_port: u16,
    /// The largest datagram: what the network between the machines carries, less 28.
    #[arg(long, default_value_t = 1400)]
    mtu: usize,
    /// Where each node's data is on its machine, with `node-N` behind it. [default: beside the
    /// cluster file]
    #[arg(long, value_name = "DIR")]
    data: Option<std::path::PathBuf>,
}

/// A machine.
#[derive(Clone, Debug)]
struct Host {
    name: String,
    address: IpAddr,
}

fn host(text: &str) -> Result<Host, String> {
    let (name, address) = text.split_once('=').ok_or("write NAME=ADDRESS, as in a=10.0.0.1")?;
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(format!(
            "`{name}` is no name of a machine: letters, digits, -, _ and . make one"
        ));
    }
    let address: IpAddr = address.parse().map_err(|_| {
        format!("`{address}` is no IP address: names that change what they mean are not looked up")
    })?;
    if address.is_unspecified() {
        return Err(format!("the others cannot send to {address}: give the machine's own address"));
    }
    Ok(Host { name: name.to_string(), address })
}

/// Prints the file, and to standard error what to do with it.
pub fn run(args: &PlanArgs) -> Result<ExitCode, String> {
    let cluster = plan(args)?;
    let text = cluster.to_text();
    // What is printed is what every node will read.
    Cluster::parse(&text).map_err(|error| error.to_string())?;
    say!("{}", describe(args, &text).trim_end());
    if let Some(note) = copies(&cluster) {
        tell::complain(format_args!("note: {note}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn plan(args: &PlanArgs) -> Result<Cluster, String> {
    let plan = Plan {
        protocol: args.protocol.into(),
        replicas: args.replicas,
        tokens: args.tokens,
        nodes: Some(args.hosts.len() as u32), // as many as a command line holds
        chains: args.chains,
        coordinators: args.coordinators.as_ref().and_then(|number| number.parse().ok()),
        resp_port: None,
    };
    let mut cluster = plan.make()?;
    cluster.mtu = args.mtu;
    for (node, host) in cluster.nodes.iter_mut().zip(&args.hosts) {
        node.udp = SocketAddr::new(host.address, args.udp_port);
        node.resp = SocketAddr::new(host.address, args.resp_port);
        node.dir = args.data.as_ref().map(|data| data.join(format!("node-{}", node.id)));
    }
    Ok(cluster)
}

/// The file with what a reader of it wants to know.
fn describe(args: &PlanArgs, text: &str) -> String {
    let me = crate::cli::me();
    let me = Path::new(&me).file_name().map_or("chainring".into(), |name| name.to_string_lossy());
    let mut hosts = args.hosts.iter().enumerate();
    let mut said = format!(
        "# The same file on every machine. Nodes hear each other at UDP {}, Redis clients come to TCP {}.\n",
        args.udp_port, args.resp_port
    );
    for (place, host) in args.hosts.iter().enumerate() {
        let id = place + 1;
        said += &format!(
            "# on {}, once: {me} init --write --config {CLUSTER_FILE} --id {id}; then: {me} node --config {CLUSTER_FILE} --id \
             {id}\n",
            host.name
        );
    }
    for (number, part) in text.split("[[node]]").enumerate() {
        if number > 0 {
            let name = hosts.next().map_or("", |(_, host)| host.name.as_str());
            said += &format!("[[node]] # {name}");
        }
        said += part;
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        plan: PlanArgs,
    }

    fn planned(options: &str) -> Result<(Cluster, String), String> {
        let words = std::iter::once("plan").chain(options.split_whitespace());
        let args = Cli::try_parse_from(words).map_err(|error| error.to_string())?.plan;
        let cluster = plan(&args)?;
        let text = describe(&args, &cluster.to_text());
        Ok((cluster, text))
    }

    #[test]
    fn three_machines_get_ids_ports_and_coordinators() {
        let hosts = "--host a=10.0.0.1 --host b=10.0.0.2 --host c=10.0.0.3";
        let (cluster, text) = planned(&format!("chain {hosts} --data /data")).expect("a plan");
        assert_eq!(Cluster::parse(&text).expect("a cluster file"), cluster);
        let at = |id| &cluster.node(id).expect("a node").udp;
        assert_eq!([at(1), at(3)].map(ToString::to_string), ["10.0.0.1:7000", "10.0.0.3:7000"]);
        assert_eq!(cluster.coordinators(1).len(), 3);
        assert!(text.contains("[[node]] # b\n") && text.contains("/data/node-2"), "{text}");
        assert!(text.contains("# on c, once: "), "{text}");

        let (ring, _) = planned(&format!("ring {hosts} --replicas 2")).expect("a plan");
        assert_eq!(ring.ring.replicas, 2);
        for (wrong, why) in [
            ("chain --host a", "write NAME=ADDRESS"),
            ("chain --host a=b", "`b` is no IP address"),
            ("chain --host a=0.0.0.0", "cannot send to 0.0.0.0"),
            ("chain --host =10.0.0.1", "no name of a machine"),
            ("chain", "--host"),
            ("chain --host a=10.0.0.1 --coordinators 3", "needs 3 nodes at least"),
        ] {
            let said = planned(wrong).map(|(_, text)| text).expect_err(wrong);
            assert!(said.contains(why), "{wrong}: {said}");
        }
    }
}
