//! What a cluster file must be to make sense: each mistake with where it is and what to do.

use super::{File, NodeConfig, Protocol};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Range;
use toml::Spanned;

/// Where a mistake is, in bytes, and what it is.
type Mistake = (Range<usize>, String);

/// Checks a file of so many bytes.
pub(super) fn file(file: &File, length: usize) -> Result<(), Mistake> {
    if file.node.is_empty() {
        return Err((length..length, "there is no [[node]]; a cluster needs one".into()));
    }
    let mtu = *file.mtu.get_ref();
    if !(256..=65_507).contains(&mtu) {
        return Err((file.mtu.span(), format!("mtu = {mtu} is not between 256 and 65507")));
    }
    if let Some(timeouts) = &file.timeouts
        && let Some(mistake) = timeouts.get_ref().mistake()
    {
        return Err((timeouts.span(), mistake));
    }
    if let Some(bytes) = &file.retain_bytes
        && file.protocol == Protocol::Ring
    {
        let what = "retain-bytes is of chains: a ring's nodes fetch what they lack".to_string();
        return Err((bytes.span(), what));
    }
    if let Some(ring) = &file.ring
        && let Some(mistake) = ring.get_ref().mistake(file.protocol)
    {
        return Err((ring.span(), mistake));
    }
    if let Some(door) = &file.door
        && let Some(mistake) = door.get_ref().mistake()
    {
        return Err((door.span(), mistake));
    }
    if let Some(copies) = &file.min_copies {
        min_copies(*copies.get_ref(), file).map_err(|what| (copies.span(), what))?;
    }
    let mut seen = Seen::default();
    for node in &file.node {
        seen.node(node.get_ref()).map_err(|what| (node.span(), what))?;
    }
    for node in &file.node {
        one_ring(file.protocol, node.get_ref()).map_err(|what| (node.span(), what))?;
    }
    chains(&file.node)
}

/// How many copies a chain is to keep: as many as it can have.
fn min_copies(copies: u32, file: &File) -> Result<(), String> {
    if file.protocol == Protocol::Ring {
        return Err("min-copies is of chains, and a ring keeps [ring] replicas".to_string());
    }
    if copies == 0 {
        return Err("min-copies = 0: no copy would hold what is acknowledged".to_string());
    }
    let nodes = || file.node.iter().map(Spanned::get_ref);
    for chain in nodes().map(|node| node.chain).collect::<BTreeSet<_>>() {
        let of_chain = || nodes().filter(|node| node.chain == chain);
        let grows = of_chain().any(|node| node.coordinator.is_some());
        let members = of_chain().filter(|node| grows || !node.joins).count();
        if (copies as usize) > members {
            return Err(format!(
                "min-copies = {copies}, and chain {chain} has {members} members at the most: it would never \
                 take a write"
            ));
        }
    }
    Ok(())
}

/// What only one of the protocols has.
fn one_ring(protocol: Protocol, node: &NodeConfig) -> Result<(), String> {
    let NodeConfig { id, chain, .. } = node;
    match protocol {
        Protocol::Ring if *chain != 1 => {
            Err(format!("node {id} has chain = {chain}, and a ring is one: leave it out"))
        }
        Protocol::Chain if node.member.is_some() => Err(format!(
            "node {id} has a member, and a chain has none: its coordinators detect failures"
        )),
        _ => Ok(()),
    }
}

/// What the nodes so far have taken.
#[derive(Default)]
struct Seen {
    ids: BTreeSet<u32>,
    actors: BTreeMap<u32, (&'static str, u32)>,
    addresses: BTreeMap<(&'static str, SocketAddr), u32>,
}

impl Seen {
    fn node(&mut self, node: &NodeConfig) -> Result<(), String> {
        if !self.ids.insert(node.id) {
            return Err(format!("another node before this one has id = {} too", node.id));
        }
        let one = [
            ("replica", Some(node.replica)),
            ("coordinator", node.coordinator),
            ("member", node.member),
        ];
        let one = one.into_iter().filter_map(|(role, actor)| Some((role, actor?)));
        let gateways = node.gateway.iter().map(|actor| ("gateway", actor));
        let doors = node.door.iter().map(|actor| ("door", actor));
        for (role, actor) in one.chain(gateways).chain(doors) {
            if let Some((other, owner)) = self.actors.insert(actor, (role, node.id)) {
                return Err(format!(
                    "{role} = {actor} is the {other} of node {owner} already; every actor of a \
                     cluster needs an Id of its own"
                ));
            }
        }
        for (kind, address) in [("udp", node.udp), ("resp", node.resp)] {
            let taken = self.addresses.insert((kind, address), node.id);
            if let Some(owner) = taken.filter(|_| address.port() != 0) {
                return Err(format!("{kind} = \"{address}\" is node {owner}'s already"));
            }
        }
        if node.udp.port() == 0 || node.udp.ip().is_unspecified() {
            return Err(format!(
                "udp = \"{}\" is no address that other nodes can send to; give the node's own \
                 address and a port",
                node.udp
            ));
        }
        if node.joins && node.coordinator.is_some() {
            return Err(format!(
                "node {} joins its chain later, so it cannot have a coordinator: those who decide a \
                 chain's views are the same from the first one on",
                node.id
            ));
        }
        Ok(())
    }
}

/// Checks what the nodes are together.
fn chains(nodes: &[Spanned<NodeConfig>]) -> Result<(), Mistake> {
    let chains = nodes.iter().map(|node| node.get_ref().chain).max().unwrap_or(0);
    for node in nodes {
        let NodeConfig { id, chain, gateway, door, .. } = node.get_ref();
        if *chain == 0 {
            let what = format!("node {id} has chain = 0; chains are numbered from 1");
            return Err((node.span(), what));
        }
        for (role, actors) in [("gateway", gateway), ("door", door)] {
            let count = actors.iter().count();
            if count != chains as usize {
                let what = format!(
                    "node {id} needs a {role} for each of the {chains} chains, and has {count}"
                );
                return Err((node.span(), what));
            }
        }
    }
    for chain in 1..=chains {
        let of_chain = || nodes.iter().filter(|node| node.get_ref().chain == chain);
        let Some(first) = of_chain().find(|node| !node.get_ref().joins) else {
            let last = nodes.last().map_or(0..0, Spanned::span);
            let what = format!(
                "chain {chain} has no node that is in it from the beginning, and the chains are \
                 numbered up to {chains}"
            );
            return Err((last, what));
        };
        let coordinators = of_chain().filter(|node| node.get_ref().coordinator.is_some()).count();
        if coordinators > 0 && coordinators.is_multiple_of(2) {
            let what = format!(
                "chain {chain} has {coordinators} coordinators, who stand still when as few die as \
                 {} would; give an odd number of nodes one",
                coordinators - 1
            );
            return Err((first.span(), what));
        }
    }
    Ok(())
}
