//! A node's stores: made once in its life, and opened only if they are what the cluster file says.

use crate::config::{self, Cluster, NodeConfig};
use crate::protocol::{ActorConfig, ChainProtocol, Protocol, RingProtocol, Role, StoreOf, actors};
use chainring_model::coordinator::View as _;
use chainring_model::ring::SPANS;
use chainring_runtime::disk::DiskError;
use chainring_runtime::store::{FORMAT, Identity, LmdbDisk, LmdbOptions};
use std::path::{Path, PathBuf};
use thiserror::Error;

// A store of this format has begun to fetch at most four spans of a ring: see `ring::SPANS`.
const _: () =
    assert!(SPANS <= 4 || FORMAT > 2, "more spans at a time need a higher FORMAT of stores");

/// Why a node's stores were not made, or not opened.
#[derive(Debug, Error)]
pub enum StoresError {
    /// When a store is not the one that the cluster file names.
    #[error(
        "the replica's store in {} has the identity {found}, and the cluster file names {named}. A \
         store that was made anew does not hold what the {what} relies on it for: bring the old one \
         back",
        dir.display()
    )]
    OtherStore {
        /// The node's directory.
        dir: PathBuf,
        /// By the cluster file.
        named: String,
        /// In the store.
        found: String,
        /// A chain or a ring.
        what: &'static str,
    },
    /// When a store was made for another chain, or another ring.
    #[error(
        "the store in {} was made for another {what} than the cluster file describes: it has another \
         first view, other coordinators, or members that are not in the file. The first members of a \
         {what}, their order and its coordinators are fixed when its stores are made: restore the file, \
         with all nodes that have joined since",
        dir.display()
    )]
    OtherView {
        /// The store's directory.
        dir: PathBuf,
        /// A chain or a ring.
        what: &'static str,
    },
    /// When some of a node's stores are there, and some are not.
    #[error(
        "the store of the node's {lost} is not in {}, and others are. If this node has run before, that store is lost, \
         and with it what it has promised: the node must not start without it. Bring the old one back, or leave the node \
         stopped and add another one in its place (`chainring join`). If the node has never run, its `init` was \
         interrupted: remove {} and make its stores again",
        dir.display(),
        dir.display()
    )]
    LostStore {
        /// The node's directory.
        dir: PathBuf,
        /// The name of what is missing.
        lost: String,
    },
    /// When a store holds what another protocol keeps.
    #[error(
        "the store in {} is whole, and a {found}'s; the cluster file says that the cluster runs a {what}. A store never \
         becomes one of another protocol: put `protocol = \"{found}\"` back into the file, or give this node the \
         directory that is its own",
        dir.display()
    )]
    OtherProtocol {
        /// The store's directory.
        dir: PathBuf,
        /// What the store is of.
        found: &'static str,
        /// What the file says.
        what: &'static str,
    },
    /// When a store cannot be made or opened.
    #[error("{0}")]
    Disk(#[from] DiskError),
}

/// Makes the stores of a node, once in its life, and returns the identity of its replica's.
///
/// # Errors
/// When there are stores already, or they cannot be made.
pub fn init(cluster: &Cluster, node: &NodeConfig, base: &Path) -> Result<Identity, StoresError> {
    match cluster.protocol {
        config::Protocol::Chain => init_all::<ChainProtocol>(cluster, node, base),
        config::Protocol::Ring => init_all::<RingProtocol>(cluster, node, base),
    }
}

fn init_all<P: Protocol>(
    cluster: &Cluster,
    node: &NodeConfig,
    base: &Path,
) -> Result<Identity, StoresError> {
    let dir = node.directory(base);
    let mut identity = Identity(0);
    let actors = actors::<P>(cluster, node);
    are_all_or_none(&dir, actors.iter().map(|(actor, _)| actor.directory(cluster)))?;
    for (actor, _) in actors {
        let place = dir.join(actor.directory(cluster));
        let role = actor.role;
        let first = P::first_view(cluster, actor.chain);
        let fill = |store: &mut StoreOf<P>| P::init(role, first, store);
        let kind = actor.kind(cluster);
        let made = LmdbDisk::init(&place, cluster.cluster, &kind, options(role), fill)?;
        if role == Role::Replica {
            identity = made;
        }
    }
    Ok(identity)
}

/// Whether any of a node's stores is there.
pub fn is_initialised(cluster: &Cluster, node: &NodeConfig, base: &Path) -> bool {
    let dir = node.directory(base);
    let there = |directory: String| dir.join(directory).exists();
    match cluster.protocol {
        config::Protocol::Chain => directories::<ChainProtocol>(cluster, node).any(there),
        config::Protocol::Ring => directories::<RingProtocol>(cluster, node).any(there),
    }
}

fn directories<P: Protocol>(cluster: &Cluster, node: &NodeConfig) -> impl Iterator<Item = String> {
    actors::<P>(cluster, node).into_iter().map(|(actor, _)| actor.directory(cluster))
}

fn options(role: Role) -> LmdbOptions {
    let map_size = if role == Role::Replica { 64 << 20 } else { 1 << 20 };
    LmdbOptions { map_size, ..LmdbOptions::default() }
}

/// The disk of an actor.
pub(crate) type DiskOf<P> = LmdbDisk<<P as Protocol>::Key, <P as Protocol>::Row>;

/// Opens a node's stores, one for each actor.
pub(crate) fn open<P: Protocol>(
    cluster: &Cluster,
    node: &NodeConfig,
    actors: &[(ActorConfig, P::Actor)],
    base: &Path,
) -> Result<Vec<DiskOf<P>>, StoresError> {
    let dir = node.directory(base);
    are_all_or_none(&dir, actors.iter().map(|(actor, _)| actor.directory(cluster)))?;
    let mut disks = Vec::new();
    for (actor, _) in actors {
        let place = dir.join(actor.directory(cluster));
        let (role, kind) = (actor.role, actor.kind(cluster));
        let opened = LmdbDisk::open(&place, cluster.cluster, &kind, options(role));
        let disk: DiskOf<P> =
            opened.map_err(|error| match other_protocol::<P>(&place, cluster, &kind, &error) {
                Some(found) => {
                    StoresError::OtherProtocol { dir: place.clone(), found, what: P::NAME }
                }
                None => error.into(),
            })?;
        let found = disk.identity().to_string();
        let named = node.store.as_ref().filter(|_| role == Role::Replica);
        if let Some(named) = named.filter(|named| **named != found) {
            let named = named.clone();
            return Err(StoresError::OtherStore { dir, named, found, what: P::NAME });
        }
        let fits = match P::stored_view(role, &disk.store()) {
            Some(view) => belongs::<P>(&view, cluster, actor.chain),
            // A gateway that has not heard of another view than the first, which is the file's.
            None => matches!(role, Role::Gateway | Role::Member),
        };
        if !fits {
            return Err(StoresError::OtherView { dir: place, what: P::NAME });
        }
        disks.push(disk);
    }
    Ok(disks)
}

/// Refuses a node that has lost some of its stores: neither can it start, nor may what is missing
/// be made anew.
fn are_all_or_none(dir: &Path, names: impl Iterator<Item = String>) -> Result<(), StoresError> {
    let (there, lost): (Vec<_>, Vec<_>) = names.partition(|name| dir.join(name).exists());
    match lost.into_iter().next() {
        Some(lost) if !there.is_empty() => {
            Err(StoresError::LostStore { dir: dir.to_path_buf(), lost })
        }
        _ => Ok(()),
    }
}

/// The other protocol, if a store that makes no sense to this one does to that.
fn other_protocol<P: Protocol>(
    place: &Path,
    cluster: &Cluster,
    kind: &str,
    error: &DiskError,
) -> Option<&'static str> {
    if !matches!(error, DiskError::Damaged { .. }) {
        return None;
    }
    let is_of = |opened: Result<(), DiskError>, name| opened.is_ok().then_some(name);
    let (number, options) = (cluster.cluster, options(Role::Replica));
    match P::NAME {
        RingProtocol::NAME => {
            let disk = DiskOf::<ChainProtocol>::open(place, number, kind, options);
            is_of(disk.map(drop), ChainProtocol::NAME)
        }
        _ => {
            let disk = DiskOf::<RingProtocol>::open(place, number, kind, options);
            is_of(disk.map(drop), RingProtocol::NAME)
        }
    }
}

/// Whether a view can be one of a chain of the cluster file: the first one, or one that its
/// coordinators may have decided since, of replicas that the file knows.
fn belongs<P: Protocol>(view: &P::View, cluster: &Cluster, chain: u32) -> bool {
    let first = P::first_view(cluster, chain);
    if view.epoch() <= first.epoch() || first.coordinators().is_empty() {
        return *view == first;
    }
    P::can_follow(view, &first, &|member| {
        cluster.nodes_of(chain).any(|node| node.replica() == member)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chainring_model::chain::View;

    #[test]
    fn a_later_view_of_the_same_chain_belongs_to_it() {
        let node = |id: u32, more: &str| {
            format!(
                "[[node]]\nid = {id}\nudp = \"127.0.0.1:{}\"\nresp = \"127.0.0.1:{}\"\nreplica = {id}\n\
                 gateway = {}\ndoor = {}\n{more}",
                7000 + id,
                8000 + id,
                10 + id,
                20 + id
            )
        };
        let nodes =
            [node(1, "coordinator = 31\n"), node(2, ""), node(3, "joins = true\n")].concat();
        let cluster =
            Cluster::parse(&format!("cluster = 1\nprotocol = \"chain\"\n{nodes}")).unwrap();
        let view = |epoch, chain: &[usize], coordinators: &[usize]| {
            let ids = |ids: &[usize]| ids.iter().copied().map(Into::into).collect();
            View::new(epoch, ids(chain)).decided_by(ids(coordinators))
        };
        for (view, fits) in [
            (view(1, &[1, 2], &[31]), true),
            (view(1, &[2, 1], &[31]), false),
            (view(1, &[1, 2, 3], &[31]), false),
            (view(2, &[2], &[31]), true),
            (view(9, &[2, 3], &[31]), true),
            (view(2, &[2], &[]), false),
            (view(2, &[2], &[32]), false),
            (view(2, &[2, 4], &[31]), false),
        ] {
            assert_eq!(belongs::<ChainProtocol>(&view, &cluster, 1), fits, "{view:?}");
        }
    }
}
