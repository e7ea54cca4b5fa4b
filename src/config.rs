//! The cluster file: which nodes are in the cluster, and where.
//!
//! ```toml
//! cluster = 42            # datagrams and stores of other clusters are refused
//! protocol = "chain"      # or "ring"
//! mtu = 1400              # optional: the largest datagram
//! min-copies = 2          # optional, for chains only: see `Cluster::copies`
//!
//! retain-bytes = 16777216 # optional, for chains only: see `Cluster::retains`
//! [timeouts]              # optional, in milliseconds: see `TimeoutsConfig`
//! suspect = 300
//!
//! [ring]                  # optional, for a ring only: see `RingConfig`
//! replicas = 3
//! on-quorum-loss = "wait" # or "reform"
//!
//! [door]                  # optional: see `DoorConfig`
//! connections = 10000
//!
//! [[node]]                # nodes stand in their chain in the order of this file
//! id = 1
//! chain = 1               # which chain its replica is in; 1 where it is left out
//! udp = "127.0.0.1:7001"  # where its actors hear each other
//! resp = "127.0.0.1:6380" # where Redis clients connect
//! replica = 0             # the `Id`s of its actors, as traces and proofs print them
//! gateway = 3             # with several chains a list, one for each: [3, 6]
//! door = 6                # the same
//! coordinator = 9         # optional: it is one of those that decide its chain's views
//! member = 12             # optional, in a ring: it takes part in detecting failures
//! joins = true            # optional: not in the first view; `chainring join` writes it
//! store = "9f2c…"         # optional: the identity of its store; `chainring init` prints it
//! dir = "node-1"          # optional: its data, relative to this file
//!
//! [given-out]             # optional: `chainring forget` writes it; no number is given out twice
//! node = 4                # the highest number that a node ever had
//! actor = 15              # and the highest `Id`
//! ```
//!
//! A ring is one chain in the words of this file: its `replica`s are the nodes of the ring, in no
//! order.
//!
//! A chain whose nodes have no coordinators keeps its members for ever. Keys are spread over the
//! chains by [`shard`](crate::gateway::shard); so the number of chains is fixed when the cluster is
//! made.
//!
//! A file that cannot be right is refused with a sentence that names the line.

mod check;
mod door;
mod file;
mod grow;
mod ring;
mod settings;
mod timeouts;

pub use door::DoorConfig;
pub use file::write;
pub use grow::Changes;
pub use ring::{OnQuorumLoss, RingConfig};
pub use settings::Settings;
pub use timeouts::TimeoutsConfig;

use chainring_model::{chain, ring as model_ring};
use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use thiserror::Error;
use toml::Spanned;
use xxhash_rust::xxh3::xxh3_64;

/// A cluster file that makes sense.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cluster {
    /// The cluster's number.
    pub cluster: u64,
    /// What its nodes run.
    pub protocol: Protocol,
    /// The largest datagram, in bytes of payload.
    pub mtu: usize,
    /// How many copies a chain keeps, where that is not the default.
    pub min_copies: Option<u32>,
    /// How long to wait for what, where that is not the default.
    pub timeouts: TimeoutsConfig,
    /// How many bytes of what it has committed a replica of a chain retains, where that is not the
    /// default; see [`retains`](Self::retains).
    pub retain_bytes: Option<u32>,
    /// How a ring places keys; the default in a cluster that is none.
    pub ring: RingConfig,
    /// Up to where numbers were given out to nodes that are forgotten.
    pub given_out: GivenOut,
    /// What the front doors take on.
    pub door: DoorConfig,
    /// The nodes; those of a chain in its order.
    pub nodes: Vec<NodeConfig>,
}

/// Up to where numbers were given out: those of nodes that are in the file no more. A second store
/// under an `Id` would be given what belongs to the first.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GivenOut {
    /// The highest number of a node.
    #[serde(default)]
    pub node: u32,
    /// The highest `Id` of an actor.
    #[serde(default)]
    pub actor: u32,
}

/// What the nodes of a cluster run.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Chain replication.
    #[default]
    Chain,
    /// A quorum ring.
    Ring,
}

/// One node of a cluster.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The node's number; what `chainring node --id` takes.
    pub id: u32,
    /// The chain that its replica is in, from 1.
    #[serde(default = "first_chain", skip_serializing_if = "is_first_chain")]
    pub chain: u32,
    /// Where its actors hear those of other nodes.
    pub udp: SocketAddr,
    /// Where Redis clients connect.
    pub resp: SocketAddr,
    /// The `Id` of its replica.
    pub replica: u32,
    /// The `Id`s of its gateways, one for each chain.
    pub gateway: PerChain,
    /// The `Id`s of its front door, as client of each gateway.
    pub door: PerChain,
    /// The `Id` of its coordinator, if it has one: of the same chain as the replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordinator: Option<u32>,
    /// The `Id` of its member, if it has one: it helps to detect failures in a ring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<u32>,
    /// Whether it is not in the first view of its chain, and has to join.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joins: bool,
    /// The identity of its replica's store, as `chainring init` prints it: no other store is taken
    /// for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Its data; relative to the cluster file. `node-ID` where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
}

/// `Id`s of actors that a node has for each chain. In a file with one chain it is a number, not a
/// list.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged, expecting = "an Id, or a list with an Id for each chain")]
pub enum PerChain {
    /// Of the only chain.
    One(u32),
    /// Of each chain, in the order of the chains.
    Each(Vec<u32>),
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

/// The text of a cluster file, as it is written.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    cluster: u64,
    protocol: Protocol,
    #[serde(default = "default_mtu")]
    mtu: Spanned<usize>,
    #[serde(default, rename = "min-copies", skip_serializing_if = "Option::is_none")]
    min_copies: Option<Spanned<u32>>,
    #[serde(default, rename = "retain-bytes", skip_serializing_if = "Option::is_none")]
    retain_bytes: Option<Spanned<u32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeouts: Option<Spanned<TimeoutsConfig>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ring: Option<Spanned<RingConfig>>,
    #[serde(default, rename = "given-out", skip_serializing_if = "Option::is_none")]
    given_out: Option<GivenOut>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    door: Option<Spanned<DoorConfig>>,
    #[serde(default)]
    node: Vec<Spanned<NodeConfig>>,
}

fn default_mtu() -> Spanned<usize> {
    Spanned::new(0..0, 1400)
}

fn first_chain() -> u32 {
    1
}

fn is_first_chain(chain: &u32) -> bool {
    *chain == first_chain()
}

impl Protocol {
    /// As the file spells it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Chain => "chain",
            Protocol::Ring => "ring",
        }
    }
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
            ConfigError::Wrong { line: before.matches('\n').count() + 1, what }
        };
        let file: File = toml::from_str(text)
            .map_err(|error| wrong(error.span().unwrap_or(0..0), error.message().to_string()))?;
        check::file(&file, text.len()).map_err(|(span, what)| wrong(span, what))?;
        Ok(Cluster {
            cluster: file.cluster,
            protocol: file.protocol,
            mtu: file.mtu.into_inner(),
            min_copies: file.min_copies.map(Spanned::into_inner),
            timeouts: file.timeouts.map(Spanned::into_inner).unwrap_or_default(),
            retain_bytes: file.retain_bytes.map(Spanned::into_inner),
            ring: file.ring.map(Spanned::into_inner).unwrap_or_default(),
            given_out: file.given_out.unwrap_or_default(),
            door: file.door.map(Spanned::into_inner).unwrap_or_default(),
            nodes: file.node.into_iter().map(Spanned::into_inner).collect(),
        })
    }

    /// The text of a cluster file that says this.
    pub fn to_text(&self) -> String {
        let unspanned = 0..0;
        let timeouts = (self.timeouts != TimeoutsConfig::default()).then_some(self.timeouts);
        let ring = (self.protocol == Protocol::Ring).then_some(self.ring);
        let door = (self.door != DoorConfig::default()).then_some(self.door);
        let file = File {
            cluster: self.cluster,
            protocol: self.protocol,
            mtu: Spanned::new(unspanned.clone(), self.mtu),
            min_copies: self.min_copies.map(|copies| Spanned::new(unspanned.clone(), copies)),
            timeouts: timeouts.map(|timeouts| Spanned::new(unspanned.clone(), timeouts)),
            retain_bytes: self.retain_bytes.map(|bytes| Spanned::new(unspanned.clone(), bytes)),
            ring: ring.map(|ring| Spanned::new(unspanned.clone(), ring)),
            given_out: (self.given_out != GivenOut::default()).then_some(self.given_out),
            door: door.map(|door| Spanned::new(unspanned.clone(), door)),
            node: (self.nodes.iter())
                .map(|node| Spanned::new(unspanned.clone(), node.clone()))
                .collect(),
        };
        // Numbers, addresses and short words: all have a TOML form.
        toml::to_string(&file).unwrap_or_default()
    }

    /// How many bytes of what it has committed a replica of a chain retains: which rows each entry
    /// touched, so that a member that was away needs no more than what it missed. An entry counts
    /// for its key and 64 bytes, whatever its value is: 16 MiB, the default, are some 200,000
    /// entries. With 0 every member that returns copies everything. Each node may have another
    /// number.
    pub fn retains(&self) -> usize {
        self.retain_bytes.map_or(16 << 20, |bytes| bytes as usize)
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

    /// The numbers of the chains.
    pub fn chains(&self) -> impl Iterator<Item = u32> {
        1..=self.nodes.iter().map(|node| node.chain).max().unwrap_or(0)
    }

    /// The nodes of a chain, in order, those that joined it later included.
    pub fn nodes_of(&self, chain: u32) -> impl Iterator<Item = &NodeConfig> {
        self.nodes.iter().filter(move |node| node.chain == chain)
    }

    /// The replicas that a chain begins with, in order.
    pub fn first_members(&self, chain: u32) -> Vec<Id> {
        let members = self.nodes_of(chain).filter(|node| !node.joins);
        members.map(NodeConfig::replica).collect()
    }

    /// The coordinators of a chain.
    pub fn coordinators(&self, chain: u32) -> Vec<Id> {
        self.nodes_of(chain).filter_map(NodeConfig::coordinator).collect()
    }

    /// How many copies a chain keeps: no view leaves fewer members while others may come back, and
    /// nothing new is taken while there are fewer. Two, where it is not said, or one where fewer
    /// than three nodes are in the chain from the beginning.
    ///
    /// It need not be the same in every copy of the file: coordinators follow the majority of
    /// themselves, a head itself, and neither acknowledges anything on fewer disks than it was
    /// told. So it may be changed by one node's restart after the other, and the [number of the
    /// wire](Self::wire_number) does not cover it.
    pub fn copies(&self, chain: u32) -> usize {
        self.min_copies.map_or(self.usual_copies(chain), |copies| copies as usize)
    }

    /// How many copies a chain keeps where the file does not say it.
    pub fn usual_copies(&self, chain: u32) -> usize {
        if self.first_members(chain).len() >= 3 { 2 } else { 1 }
    }

    /// The view that a chain begins with.
    pub fn first_view(&self, chain: u32) -> chain::View {
        chain::View::new(1, self.first_members(chain)).decided_by(self.coordinators(chain))
    }

    /// The view that a ring begins with.
    pub fn first_ring(&self) -> model_ring::View {
        let RingConfig { tokens, replicas, .. } = self.ring;
        let ring = model_ring::Ring::with(self.first_members(1), tokens, replicas);
        model_ring::View::stable(1, ring).decided_by(self.coordinators(1))
    }

    /// The number that the cluster's datagrams carry.
    ///
    /// A lease is safe because every coordinator waits longer than any member counts, and the nodes
    /// of a ring have to agree on where keys are. So nodes whose files differ in that must not hear
    /// each other, and this number covers it: it can be changed while the whole cluster is down,
    /// and a node with another file is alone.
    pub fn wire_number(&self) -> u64 {
        let agreed = match self.protocol {
            Protocol::Chain => {
                let views = self.timeouts.views();
                [views.lease, views.grant].map(|time| time.as_micros().to_le_bytes()).concat()
            }
            Protocol::Ring => self.ring.agreed(),
        };
        self.cluster ^ xxh3_64(&agreed)
    }
}

impl NodeConfig {
    /// The `Id` of its replica.
    pub fn replica(&self) -> Id {
        id(self.replica)
    }

    /// The `Id`s of its gateways, one for each chain.
    pub fn gateways(&self) -> impl Iterator<Item = Id> {
        self.gateway.iter().map(id)
    }

    /// The `Id`s of its front door, one for each chain.
    pub fn doors(&self) -> impl Iterator<Item = Id> {
        self.door.iter().map(id)
    }

    /// The `Id` of its coordinator.
    pub fn coordinator(&self) -> Option<Id> {
        self.coordinator.map(id)
    }

    /// The `Id` of its member.
    pub fn member(&self) -> Option<Id> {
        self.member.map(id)
    }

    /// The `Id`s of all that lives in the node.
    pub fn actors(&self) -> impl Iterator<Item = Id> {
        let one = [Some(self.replica()), self.coordinator(), self.member()].into_iter().flatten();
        one.chain(self.gateways()).chain(self.doors())
    }

    /// Where its data is, for a cluster file in the directory `base`.
    pub fn directory(&self, base: &Path) -> PathBuf {
        match &self.dir {
            Some(dir) => base.join(dir),
            None => base.join(format!("node-{}", self.id)),
        }
    }
}

fn id(number: u32) -> Id {
    Id::from(number as usize)
}

impl PerChain {
    /// The numbers, in the order of the chains.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        let numbers = match self {
            PerChain::One(number) => std::slice::from_ref(number),
            PerChain::Each(numbers) => numbers,
        };
        numbers.iter().copied()
    }
}

impl FromIterator<u32> for PerChain {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        match numbers.into_iter().collect::<Vec<_>>()[..] {
            [one] => PerChain::One(one),
            ref several => PerChain::Each(several.to_vec()),
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
    fn chains_have_their_nodes_views_and_coordinators() {
        let node = |id: u32, rest: &str| {
            let (udp, resp) = (7000 + id, 8000 + id);
            format!(
                "[[node]]\nid = {id}\nudp = \"10.0.0.1:{udp}\"\nresp = \"10.0.0.1:{resp}\"\n\
                 replica = {id}\ngateway = [1{id}, 2{id}]\ndoor = [3{id}, 4{id}]\n{rest}\n"
            )
        };
        let nodes = [
            node(1, "coordinator = 51"),
            node(2, "chain = 2"),
            node(3, "joins = true"),
            node(4, "chain = 1\ncoordinator = 54"),
            node(5, "coordinator = 55"),
        ];
        let head = "cluster = 42\nprotocol = \"chain\"\n[timeouts]\nsuspect = 900\n";
        let text = format!("{head}{}", nodes.concat());
        let cluster = Cluster::parse(&text).unwrap();
        assert_eq!(Cluster::parse(&cluster.to_text()).unwrap(), cluster);
        assert_eq!(cluster.chains().collect::<Vec<_>>(), [1, 2]);
        let ids = |ids: &[usize]| ids.iter().copied().map(Id::from).collect::<Vec<_>>();
        let first = chain::View::new(1, ids(&[1, 4, 5])).decided_by(ids(&[51, 54, 55]));
        assert_eq!(cluster.first_view(1), first);
        assert_eq!(cluster.first_view(2), chain::View::new(1, ids(&[2])));
        assert_eq!(cluster.nodes_of(1).map(|node| node.id).collect::<Vec<_>>(), [1, 3, 4, 5]);
        assert_eq!(cluster.nodes[0].actors().collect::<Vec<_>>(), ids(&[1, 51, 11, 21, 31, 41]));
        assert_eq!(cluster.timeouts.suspect, Some(900));

        // Suspicion is each coordinator's own business; leases are shared.
        let other = |from: &str, to: &str| Cluster::parse(&text.replace(from, to)).unwrap();
        let number = cluster.wire_number();
        assert_eq!(other("suspect = 900", "suspect = 800").wire_number(), number);
        assert_ne!(other("suspect = 900", "grant = 301").wire_number(), number);
        assert_ne!(other("suspect = 900", "lease = 249").wire_number(), number);
        assert_ne!(other("cluster = 42", "cluster = 43").wire_number(), number);

        for (from, to, what) in [
            ("coordinator = 55", "", "chain 1 has 2 coordinators"),
            ("chain = 2", "chain = 2\njoins = true", "chain 2 has no node that is in it from the"),
        ] {
            let error = Cluster::parse(&text.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn a_ring_has_a_table_of_its_own() {
        let ring = TWO.replace("\"chain\"", "\"ring\"\n[ring]\ntokens = 8\nreplicas = 2");
        let cluster = Cluster::parse(&ring).unwrap();
        assert_eq!(Cluster::parse(&cluster.to_text()).unwrap(), cluster);
        let first = cluster.first_ring();
        assert_eq!((first.old.tokens.len(), first.old.replicas), (16, 2));
        assert_eq!(cluster.ring.gives_up_after(), None);

        let other = |more: &str| Cluster::parse(&ring.replace("replicas = 2", more)).unwrap();
        let gives_up = other("replicas = 2\non-quorum-loss = \"reform\"\nreform-after = 3");
        assert_eq!(gives_up.ring.gives_up_after(), Some(std::time::Duration::from_secs(3)));
        assert_eq!(gives_up.wire_number(), cluster.wire_number());
        assert_ne!(other("replicas = 3").wire_number(), cluster.wire_number());
        assert_ne!(other("recent = 3").wire_number(), cluster.wire_number());

        for (from, to, what) in [
            ("\"ring\"", "\"chain\"", "protocol is not \"ring\""),
            ("tokens = 8", "tokens = 0", "tokens = 0 is not between"),
            ("replicas = 2", "replicas = 10", "replicas = 10 is not between"),
            ("replicas = 2", "recent = 0", "recent = 0 is not between"),
            ("replicas = 2", "on-quorum-loss = \"pray\"", "unknown variant `pray`"),
            ("door = 4", "door = 4\nchain = 2", "a ring is one"),
        ] {
            let error = Cluster::parse(&ring.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn the_front_doors_have_a_table_of_their_own() {
        assert!(!Cluster::parse(TWO).unwrap().to_text().contains("[door]"));
        let table = "\"chain\"\n[door]\nconnections = 50\nwaiting-mib = 8\nmemory-mib = 32";
        let cluster = Cluster::parse(&TWO.replace("\"chain\"", table)).unwrap();
        assert_eq!(Cluster::parse(&cluster.to_text()).unwrap(), cluster);
        let limits = cluster.door.limits();
        assert_eq!((limits.connections, limits.waiting_bytes), (50, 8 << 20));
        assert_eq!((limits.memory_bytes, limits.command_bytes), (32 << 20, 8 << 20));
        assert_eq!(cluster.wire_number(), Cluster::parse(TWO).unwrap().wire_number());
    }

    #[test]
    fn the_deployment_example_is_a_cluster() {
        let text = include_str!("../examples/deploy/cluster/cluster.toml");
        let cluster = Cluster::parse(text).unwrap();
        assert_eq!(cluster.nodes.len(), 3);
        assert_eq!(cluster.first_view(1).coordinators.len(), 3);
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
            ("cluster = 42", "cluster = 42\nmin-copies = 0", 2, "no copy would hold"),
            ("cluster = 42", "cluster = 42\nmin-copies = 3", 2, "has 2 members"),
            ("cluster = 42", "cluster = ", 1, ""),
            (
                "gateway = 3",
                "gateway = [3, 7]",
                12,
                "a gateway for each of the 1 chains, and has 2",
            ),
            ("gateway = 3", "gateway = [3, 3]", 12, "gateway = 3 is the gateway of node 2 already"),
            ("gateway = 3", "gateway = \"3\"", 17, "an Id, or a list with an Id for each chain"),
            ("door = 5", "door = 5\nchain = 2", 4, "a gateway for each of the 2 chains, and has 1"),
            ("door = 5", "door = 5\nchain = 0", 12, "chains are numbered from 1"),
            ("door = 4", "door = 4\njoins = true\ncoordinator = 9", 4, "cannot have a coordinator"),
            (
                "door = 4",
                "door = 4\ncoordinator = 1",
                13,
                "replica = 1 is the coordinator of node 1",
            ),
            ("\"chain\"", "\"chain\"\n[timeouts]\nlease = 900", 3, "is not less than grant = 300"),
            ("\"chain\"", "\"chain\"\n[timeouts]\nleash = 9", 4, "unknown field `leash`"),
            ("\"chain\"", "\"chain\"\n[door]\nconections = 9", 4, "unknown field `conections`"),
            ("\"chain\"", "\"chain\"\n[door]\nconnections = 0", 3, "connections = 0 is not"),
            ("\"chain\"", "\"chain\"\n[door]\nwaiting-mib = 1", 3, "waiting-mib = 1 is not"),
            ("\"chain\"", "\"chain\"\n[door]\nmemory-mib = 255", 3, "not between 256 and"),
            ("\"chain\"", "\"chain\"\n[door]\nunfinished-after = 0", 3, "after = 0 is not"),
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
