//! A node's stores: made once in its life, and opened only if they are what the cluster file says.

use crate::config::{Cluster, NodeConfig, Protocol};
use crate::node::NodeError;
use crate::protocol::{ChainSystem, Part, RingSystem, Role, StoreOf, System, parts};
use chainring_model::coordinator::View as _;
use chainring_runtime::disk::DiskError;
use chainring_runtime::store::{Identity, LmdbDisk, LmdbOptions};
use std::path::Path;

/// Makes the stores of a node, once in its life, and returns the identity of its replica's.
///
/// # Errors
/// When there are stores already, or they cannot be made.
pub fn init(cluster: &Cluster, node: &NodeConfig, base: &Path) -> Result<Identity, NodeError> {
    match cluster.protocol {
        Protocol::Chain => init_all::<ChainSystem>(cluster, node, base),
        Protocol::Ring => init_all::<RingSystem>(cluster, node, base),
    }
}

fn init_all<P: System>(
    cluster: &Cluster,
    node: &NodeConfig,
    base: &Path,
) -> Result<Identity, NodeError> {
    let dir = node.directory(base);
    let mut identity = Identity(0);
    let parts = parts::<P>(cluster, node);
    are_all_or_none(&dir, parts.iter().map(|part| part.directory(cluster)))?;
    for part in parts {
        let place = dir.join(part.directory(cluster));
        let role = part.place.role;
        let first = P::first_view(cluster, part.place.chain);
        let fill = |store: &mut StoreOf<P>| P::init(role, first, store);
        let kind = part.kind(cluster);
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
        Protocol::Chain => directories::<ChainSystem>(cluster, node).any(there),
        Protocol::Ring => directories::<RingSystem>(cluster, node).any(there),
    }
}

fn directories<P: System>(cluster: &Cluster, node: &NodeConfig) -> impl Iterator<Item = String> {
    parts::<P>(cluster, node).into_iter().map(|part| part.directory(cluster))
}

fn options(role: Role) -> LmdbOptions {
    let map_size = if role == Role::Replica { 64 << 20 } else { 1 << 20 };
    LmdbOptions { map_size, ..LmdbOptions::default() }
}

/// The disk of an actor.
pub(crate) type DiskOf<P> = LmdbDisk<<P as System>::Key, <P as System>::Row>;

/// Opens a node's stores, one for each part.
pub(crate) fn open<P: System>(
    cluster: &Cluster,
    node: &NodeConfig,
    parts: &[Part<P>],
    base: &Path,
) -> Result<Vec<DiskOf<P>>, NodeError> {
    let dir = node.directory(base);
    are_all_or_none(&dir, parts.iter().map(|part| part.directory(cluster)))?;
    let mut disks = Vec::new();
    for part in parts {
        let place = dir.join(part.directory(cluster));
        let (role, kind) = (part.place.role, part.kind(cluster));
        let opened = LmdbDisk::open(&place, cluster.cluster, &kind, options(role));
        let disk: DiskOf<P> =
            opened.map_err(|error| match other_protocol::<P>(&place, cluster, &kind, &error) {
                Some(found) => {
                    NodeError::OtherProtocol { dir: place.clone(), found, what: P::NAME }
                }
                None => error.into(),
            })?;
        let found = disk.identity().to_string();
        let named = node.store.as_ref().filter(|_| role == Role::Replica);
        if let Some(named) = named.filter(|named| **named != found) {
            let named = named.clone();
            return Err(NodeError::OtherStore { dir, named, found, what: P::NAME });
        }
        let fits = match P::stored_view(role, &disk.store()) {
            Some(view) => belongs::<P>(&view, cluster, part.place.chain),
            // A gateway that has not heard of another view than the first, which is the file's.
            None => matches!(role, Role::Gateway | Role::Member),
        };
        if !fits {
            return Err(NodeError::OtherView { dir: place, what: P::NAME });
        }
        disks.push(disk);
    }
    Ok(disks)
}

/// Refuses a node that has lost some of its stores: neither can it start, nor may what is missing be made anew.
fn are_all_or_none(dir: &Path, names: impl Iterator<Item = String>) -> Result<(), NodeError> {
    let (there, lost): (Vec<_>, Vec<_>) = names.partition(|name| dir.join(name).exists());
    match lost.into_iter().next() {
        Some(lost) if !there.is_empty() => {
            Err(NodeError::LostStore { dir: dir.to_path_buf(), lost })
        }
        _ => Ok(()),
    }
}

/// The other protocol, if a store that makes no sense to this one does to that.
fn other_protocol<P: System>(
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
        RingSystem::NAME => {
            let disk = DiskOf::<ChainSystem>::open(place, number, kind, options);
            is_of(disk.map(drop), ChainSystem::NAME)
        }
        _ => {
            let disk = DiskOf::<RingSystem>::open(place, number, kind, options);
            is_of(disk.map(drop), RingSystem::NAME)
        }
    }
}

/// Whether a view can be one of a chain of the cluster file: the first one, or one that its coordinators
/// may have decided since, of replicas that the file knows.
pub(crate) fn belongs<P: System>(view: &P::View, cluster: &Cluster, chain: u32) -> bool {
    let first = P::first_view(cluster, chain);
    if view.epoch() <= first.epoch() || first.coordinators().is_empty() {
        return *view == first;
    }
    P::can_follow(view, &first, &|member| {
        cluster.nodes_of(chain).any(|node| node.replica() == member)
    })
}
