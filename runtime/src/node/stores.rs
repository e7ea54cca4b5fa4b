//! A node's stores: made once in its life, and opened only if they are what the cluster file says.

use super::parts::{Part, Role, parts};
use super::{NodeError, NodeStore};
use crate::config::{Cluster, NodeConfig};
use crate::store::{Identity, LmdbDisk, LmdbOptions};
use chainring_model::chain::{Key, Row, View};
use chainring_model::coordinator;
use chainring_model::store::Store;
use std::path::Path;

/// Makes the stores of a node, once in its life, and returns the identity of its replica's.
///
/// # Errors
/// When there are stores already, or they cannot be made.
pub fn init(cluster: &Cluster, node: &NodeConfig, base: &Path) -> Result<Identity, NodeError> {
    let dir = node.directory(base);
    let mut identity = Identity(0);
    for part in parts(cluster, node) {
        let place = dir.join(part.directory(cluster));
        let fill = |store: &mut NodeStore| part.init(cluster, store);
        let kind = part.kind(cluster);
        let made = LmdbDisk::init(&place, cluster.cluster, &kind, options(part.role), fill)?;
        if part.role == Role::Replica {
            identity = made;
        }
    }
    Ok(identity)
}

/// Whether any of a node's stores is there.
pub fn is_initialised(cluster: &Cluster, node: &NodeConfig, base: &Path) -> bool {
    let dir = node.directory(base);
    parts(cluster, node).iter().any(|part| dir.join(part.directory(cluster)).exists())
}

fn options(role: Role) -> LmdbOptions {
    let map_size = if role == Role::Replica { 64 << 20 } else { 1 << 20 };
    LmdbOptions { map_size, ..LmdbOptions::default() }
}

/// Opens a node's stores, one for each part.
pub(super) fn open(
    cluster: &Cluster,
    node: &NodeConfig,
    parts: &[Part],
    base: &Path,
) -> Result<Vec<LmdbDisk<Key, Row>>, NodeError> {
    let dir = node.directory(base);
    let mut disks = Vec::new();
    for part in parts {
        let place = dir.join(part.directory(cluster));
        let kind = part.kind(cluster);
        let disk = LmdbDisk::open(&place, cluster.cluster, &kind, options(part.role))?;
        let found = disk.identity().to_string();
        let named = node.store.as_ref().filter(|_| part.role == Role::Replica);
        if let Some(named) = named.filter(|named| **named != found) {
            return Err(NodeError::OtherStore { dir, named: named.clone(), found });
        }
        let fits = match stored_view(part.role, &disk.store()) {
            Some(view) => belongs(&view, cluster, part.chain),
            // It has not heard of another view than the first, which is the file's.
            None => part.role == Role::Gateway,
        };
        if !fits {
            return Err(NodeError::OtherView { dir: place });
        }
        disks.push(disk);
    }
    Ok(disks)
}

/// The view that a store holds, if any.
fn stored_view(role: Role, store: &impl Store<Key, Row>) -> Option<View> {
    match role {
        Role::Replica | Role::Gateway => match store.get(&Key::View) {
            Some(Row::View(view)) => Some(view),
            _ => None,
        },
        Role::Coordinator => match store.get(&Key::Views(coordinator::Key::Decided)) {
            Some(Row::Views(coordinator::Row::Decided(view))) => Some(view),
            _ => None,
        },
    }
}

/// Whether a view can be one of a chain of the cluster file: the first one, or one that its coordinators
/// may have decided since, of replicas that the file knows.
fn belongs(view: &View, cluster: &Cluster, chain: u32) -> bool {
    let first = cluster.first_view(chain);
    if view.epoch <= first.epoch || first.coordinators.is_empty() {
        return *view == first;
    }
    let mut members = view.chain.iter().copied().chain(view.learner());
    view.coordinators == first.coordinators
        && members.all(|member| cluster.nodes_of(chain).any(|node| node.replica() == member))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(belongs(&view, &cluster, 1), fits, "{view:?}");
        }
    }
}
