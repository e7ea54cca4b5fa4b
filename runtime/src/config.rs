//! The cluster file: who is in the cluster, and where.
//!
//! ```toml
//! cluster = 42            # datagrams and stores of other clusters are refused
//! protocol = "chain"
//! mtu = 1400              # optional: the largest datagram
//!
//! [[node]]                # nodes stand in the chain in the order of this file
//! id = 1
//! udp = "127.0.0.1:7001"  # where its actors hear each other
//! resp = "127.0.0.1:6380" # where Redis clients connect
//! replica = 0             # the `Id`s of its actors, as traces and proofs print them
//! gateway = 3
//! door = 6
//! store = "9f2c…"         # optional: the identity of its store; `chainring init` prints it
//! dir = "node-1"          # optional: its data, relative to this file
//! ```
//!
//! A file that cannot be right is refused with a sentence that names the line.

use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use thiserror::Error;
use toml::Spanned;

/// A cluster file that makes sense.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cluster {
    /// The cluster's number.
    pub cluster: u64,
    /// What its nodes run.
    pub protocol: Protocol,
    /// The largest datagram, in bytes of payload.
    pub mtu: usize,
    /// The nodes, in the order of the chain.
    pub nodes: Vec<NodeConfig>,
}

/// What the nodes of a cluster run.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Chain replication.
    Chain,
}

/// One node of a cluster.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The node's number; what `chainring node --id` takes.
    pub id: u32,
    /// Where its actors hear those of other nodes.
    pub udp: SocketAddr,
    /// Where Redis clients connect.
    pub resp: SocketAddr,
    /// The `Id` of its replica.
    pub replica: u32,
    /// The `Id` of its gateway.
    pub gateway: u32,
    /// The `Id` of its front door, the gateway's client.
    pub door: u32,
    /// The identity of its replica's store, as `chainring init` prints it: no other store is taken for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Its data; relative to the cluster file. `node-ID` where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
}

/// Why a cluster file is refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// When the file cannot be read.
    #[error("cannot read the cluster file {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// When the file is not what a cluster file is.
    #[error("the cluster file is wrong in line {line}: {what}")]
    Wrong {
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what to do.
        what: String,
    },
    /// When the file has no such node.
    #[error("the cluster file has no node {id}; it has {known}")]
    NoNode {
        /// What was asked for.
        id: u32,
        /// The ids that are there.
        known: String,
    },
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    cluster: u64,
    protocol: Protocol,
    #[serde(default = "default_mtu")]
    mtu: Spanned<usize>,
    #[serde(default)]
    node: Vec<Spanned<NodeConfig>>,
}

fn default_mtu() -> Spanned<usize> {
    Spanned::new(0..0, 1400)
}

impl Cluster {
    /// Reads and checks a cluster file.
    ///
    /// # Errors
    /// When it cannot be read, or cannot be right.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let failed = |source| ConfigError::Read { path: path.to_path_buf(), source };
        Self::parse(&std::fs::read_to_string(path).map_err(failed)?)
    }

    /// Checks the text of a cluster file.
    ///
    /// # Errors
    /// When it cannot be right: [`ConfigError::Wrong`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let wrong = |span: Range<usize>, what: String| {
            let before = text.get(..span.start).unwrap_or(text);
            Err(ConfigError::Wrong { line: before.matches('\n').count() + 1, what })
        };
        let file: File = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                return wrong(error.span().unwrap_or(0..0), error.message().to_string());
            }
        };
        if file.node.is_empty() {
            return wrong(
                text.len()..text.len(),
                "there is no [[node]]; a cluster needs one".into(),
            );
        }
        let mtu = *file.mtu.get_ref();
        if !(256..=65_507).contains(&mtu) {
            let what = format!("mtu = {mtu} is not between 256 and 65507");
            return wrong(file.mtu.span(), what);
        }
        let mut ids = BTreeMap::new();
        let mut actors = BTreeMap::new();
        let mut addresses = BTreeMap::new();
        for spanned in &file.node {
            let node = spanned.get_ref();
            if ids.insert(node.id, ()).is_some() {
                let what = format!("another node before this one has id = {} too", node.id);
                return wrong(spanned.span(), what);
            }
            for (role, actor) in
                [("replica", node.replica), ("gateway", node.gateway), ("door", node.door)]
            {
                if let Some((other, owner)) = actors.insert(actor, (role, node.id)) {
                    let what = format!(
                        "{role} = {actor} is the {other} of node {owner} already; \
                         every actor of a cluster needs an Id of its own"
                    );
                    return wrong(spanned.span(), what);
                }
            }
            for (kind, address) in [("udp", node.udp), ("resp", node.resp)] {
                let taken = addresses.insert((kind, address), node.id);
                if let Some(owner) = taken.filter(|_| address.port() != 0) {
                    let what = format!("{kind} = \"{address}\" is node {owner}'s already");
                    return wrong(spanned.span(), what);
                }
            }
            if node.udp.port() == 0 || node.udp.ip().is_unspecified() {
                let what = format!(
                    "udp = \"{}\" is no address that other nodes can send to; \
                     give the node's own address and a port",
                    node.udp
                );
                return wrong(spanned.span(), what);
            }
        }
        Ok(Cluster {
            cluster: file.cluster,
            protocol: file.protocol,
            mtu,
            nodes: file.node.into_iter().map(Spanned::into_inner).collect(),
        })
    }

    /// The text of a cluster file that says this.
    pub fn to_text(&self) -> String {
        let file = File {
            cluster: self.cluster,
            protocol: self.protocol,
            mtu: Spanned::new(0..0, self.mtu),
            node: self.nodes.iter().map(|node| Spanned::new(0..0, node.clone())).collect(),
        };
        // Numbers, addresses and short words: all have a TOML form.
        toml::to_string(&file).unwrap_or_default()
    }

    /// The node of this number.
    ///
    /// # Errors
    /// When there is none.
    pub fn node(&self, id: u32) -> Result<&NodeConfig, ConfigError> {
        let node = self.nodes.iter().find(|node| node.id == id);
        node.ok_or_else(|| {
            let known: Vec<_> = self.nodes.iter().map(|node| node.id.to_string()).collect();
            ConfigError::NoNode { id, known: known.join(", ") }
        })
    }
}

impl NodeConfig {
    /// The `Id` of its replica.
    pub fn replica(&self) -> Id {
        Id::from(self.replica as usize)
    }

    /// The `Id` of its gateway.
    pub fn gateway(&self) -> Id {
        Id::from(self.gateway as usize)
    }

    /// The `Id` of its front door.
    pub fn door(&self) -> Id {
        Id::from(self.door as usize)
    }

    /// Where its data is, for a cluster file in the directory `base`.
    pub fn directory(&self, base: &Path) -> PathBuf {
        match &self.dir {
            Some(dir) => base.join(dir),
            None => base.join(format!("node-{}", self.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"cluster = 42
protocol = "chain"

[[node]]
id = 1
udp = "127.0.0.1:7001"
resp = "127.0.0.1:6380"
replica = 0
gateway = 2
door = 4

[[node]]
id = 2
udp = "127.0.0.1:7002"
resp = "127.0.0.1:6381"
replica = 1
gateway = 3
door = 5
"#;

    #[test]
    fn what_is_written_is_what_was_read() {
        let cluster = Cluster::parse(TWO).unwrap();
        assert_eq!(cluster.nodes.len(), 2);
        assert_eq!(cluster.mtu, 1400);
        assert_eq!(Cluster::parse(&cluster.to_text()).unwrap(), cluster);
        assert_eq!(cluster.node(2).unwrap().directory(Path::new("/x")), Path::new("/x/node-2"));
        let error = cluster.node(3).unwrap_err().to_string();
        assert_eq!(error, "the cluster file has no node 3; it has 1, 2");
    }

    #[test]
    fn the_deployment_example_is_a_cluster() {
        let text = include_str!("../../examples/deploy/cluster.toml");
        let cluster = Cluster::parse(text).unwrap();
        assert_eq!(cluster.nodes.len(), 3);
        let data = cluster.nodes[0].directory(Path::new("/etc/chainring"));
        assert_eq!(data, Path::new("/var/lib/chainring/node-1"));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (from, to, line, what) in [
            ("id = 2", "id = 1", 12, "another node before this one has id = 1 too"),
            ("replica = 1", "replica = 4", 12, "replica = 4 is the door of node 1 already"),
            ("7002", "7001", 12, "udp = \"127.0.0.1:7001\" is node 1's already"),
            ("udp = \"127.0.0.1:7002\"", "udp = \"0.0.0.0:7002\"", 12, "no address that other"),
            ("gateway = 3", "gatewy = 3", 17, "unknown field `gatewy`"),
            ("\"127.0.0.1:6381\"", "\"localhost\"", 15, "invalid socket address syntax"),
            ("protocol = \"chain\"", "protocol = \"raft\"", 2, "unknown variant `raft`"),
            ("cluster = 42", "cluster = 42\nmtu = 9", 2, "mtu = 9 is not between"),
            ("cluster = 42", "cluster = ", 1, ""),
        ] {
            let text = TWO.replacen(from, to, 1);
            let error = Cluster::parse(&text).unwrap_err().to_string();
            let begins = format!("the cluster file is wrong in line {line}: ");
            assert!(error.starts_with(&begins) && error.contains(what), "{error}");
        }
        let empty = Cluster::parse("cluster = 1\nprotocol = \"chain\"\n").unwrap_err();
        assert!(empty.to_string().contains("there is no [[node]]"), "{empty}");
    }
}
