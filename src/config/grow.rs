//! How a cluster file may change while nodes run with it: by nodes that are added, by nodes that
//! joined later and are forgotten, and in no other way.

use super::{Cluster, ConfigError, GivenOut, NodeConfig, Protocol};
use serde::Serialize;
use std::net::SocketAddr;
use std::path::Path;

/// In what a newer cluster file differs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// The nodes that it has in addition.
    pub added: Vec<NodeConfig>,
    /// The nodes that it has no more.
    pub forgotten: Vec<NodeConfig>,
}

impl Cluster {
    /// A node for this cluster with numbers that no other has, which joins a chain: the given one,
    /// or else the one with the fewest nodes. Its directory, for a cluster file in `base`, is one
    /// that is not there.
    ///
    /// # Errors
    /// When it cannot join: a sentence.
    pub fn newcomer(
        &self,
        chain: Option<u32>,
        udp: SocketAddr,
        resp: SocketAddr,
        base: &Path,
    ) -> Result<NodeConfig, String> {
        let shortest = || self.chains().min_by_key(|chain| self.nodes_of(*chain).count());
        let chain = chain.or_else(shortest).unwrap_or(1);
        let chains = self.chains().count() as u32; // as many as some node has a gateway for
        if !(1..=chains).contains(&chain) {
            return Err(format!("there is no chain {chain}; the cluster has {chains}"));
        }
        if self.coordinators(chain).is_empty() {
            return Err(format!(
                "{} has no coordinators, so its members are fixed, and nobody can join it",
                self.name_of(chain)
            ));
        }
        let GivenOut { node: highest, actor } = self.highest();
        let next = actor.checked_add(1);
        let last = next.and_then(|next| next.checked_add(2 * chains + 1));
        let (Some(next), Some(_)) = (next, last) else {
            return Err("there are no Ids left for the actors of another node".to_string());
        };
        let node = |id| NodeConfig {
            id,
            chain,
            udp,
            resp,
            replica: next,
            gateway: (0..chains).map(|chain| next + 1 + chain).collect(),
            door: (0..chains).map(|chain| next + 1 + chains + chain).collect(),
            coordinator: None,
            member: (self.has_members()).then_some(next + 1 + 2 * chains),
            joins: true,
            store: None,
            dir: None,
        };
        // What an unfinished attempt has left there is not used.
        let mut ids = highest.saturating_add(1)..;
        let id = ids.find(|id| !node(*id).directory(base).exists());
        id.map(node).ok_or_else(|| "there are no numbers left for another node".to_string())
    }

    /// The highest numbers that were ever given out.
    fn highest(&self) -> GivenOut {
        let actors = self.nodes.iter().flat_map(|node| {
            let one = [Some(node.replica), node.coordinator, node.member].into_iter().flatten();
            one.chain(node.gateway.iter()).chain(node.door.iter())
        });
        let nodes = self.nodes.iter().map(|node| node.id);
        GivenOut {
            node: nodes.max().unwrap_or(0).max(self.given_out.node),
            actor: actors.max().unwrap_or(0).max(self.given_out.actor),
        }
    }

    /// Whether failures are detected by members of its nodes.
    fn has_members(&self) -> bool {
        self.nodes.iter().any(|node| node.member.is_some())
    }

    /// What a chain is called where people read it.
    pub fn name_of(&self, chain: u32) -> String {
        match self.protocol {
            Protocol::Chain => format!("chain {chain}"),
            Protocol::Ring => "the ring".to_string(),
        }
    }

    /// The nodes that a newer file has in addition to these, and those that joined later and are
    /// forgotten in it, if that is all in which it differs.
    ///
    /// # Errors
    /// When it differs in anything else: a sentence.
    pub fn changes(&self, newer: &Cluster) -> Result<Changes, String> {
        let known = |node: &&NodeConfig| self.nodes.iter().any(|known| known.id == node.id);
        let (kept, added): (Vec<_>, Vec<_>) = newer.nodes.iter().partition(known);
        let is_forgotten = |node: &&NodeConfig| {
            node.joins
                && node.id <= newer.given_out.node
                && newer.nodes.iter().all(|kept| kept.id != node.id)
        };
        let (forgotten, stays): (Vec<_>, Vec<_>) = self.nodes.iter().partition(is_forgotten);
        // Each machine's copy may name the stores that were made there, and no others.
        let store_of = |id: u32| self.nodes.iter().find(|node| node.id == id)?.store.clone();
        let as_known = |node: &NodeConfig| match (store_of(node.id), &node.store) {
            (Some(known), Some(named)) if known != *named => node.clone(),
            (known, _) => NodeConfig { store: known, ..node.clone() },
        };
        // Each node keeps its own bounds of its front door, from its start on.
        let same = Cluster {
            nodes: kept.into_iter().map(as_known).collect(),
            given_out: self.given_out,
            door: self.door,
            ..newer.clone()
        };
        let then = Cluster { nodes: stays.into_iter().cloned().collect(), ..self.clone() };
        if same != then {
            let nodes = then.nodes.iter().filter(|node| !same.nodes.contains(node));
            let nodes: Vec<_> = nodes.map(|node| node.id.to_string()).collect();
            return Err(match &nodes[..] {
                [] => "its cluster, protocol, mtu, min-copies, timeouts, ring or order of nodes is another"
                    .to_string(),
                nodes => format!("it says something else of node {}", nodes.join(", ")),
            });
        }
        if let Some(node) = added.iter().find(|node| !node.joins) {
            return Err(format!(
                "node {} is new in it, and is not marked as one that joins (`joins = true`)",
                node.id
            ));
        }
        let owned = |nodes: Vec<&NodeConfig>| nodes.into_iter().cloned().collect();
        Ok(Changes { added: owned(added), forgotten: owned(forgotten) })
    }

    /// The text of a cluster file that names the identity of a node's store. What else is in the
    /// text stays as it is.
    ///
    /// # Errors
    /// When there is no such node, or the text cannot be right: a sentence.
    pub fn with_store(text: &str, id: u32, identity: &str) -> Result<String, String> {
        Self::parse(text).and_then(|cluster| cluster.node(id).map(|_| ())).map_err(said)?;
        let mut file: toml_edit::DocumentMut = text.parse().map_err(said)?;
        let tables = file.get_mut("node").and_then(toml_edit::Item::as_array_of_tables_mut);
        let tables = tables.ok_or("the cluster file has its nodes in no [[node]] tables")?;
        for table in tables.iter_mut().filter(|table| number(table) == Some(id.into())) {
            table.insert("store", toml_edit::value(identity));
        }
        let text = file.to_string();
        Self::parse(&text).map_err(said)?;
        Ok(text)
    }

    /// The text of a cluster file without a node that joined later, whose numbers are never given
    /// out again. What else is in the text stays as it is.
    ///
    /// # Errors
    /// When there is no such node, it was there from the beginning, or the text cannot be right: a
    /// sentence.
    pub fn forget(text: &str, id: u32) -> Result<String, String> {
        let cluster = Self::parse(text).map_err(said)?;
        let node = cluster.node(id).map_err(said)?;
        if !node.joins {
            return Err(format!(
                "node {id} was in {} from the beginning, and its stores name it for ever: it cannot be \
                 forgotten. Leave it in the file, stopped",
                cluster.name_of(node.chain)
            ));
        }
        let mut file: toml_edit::DocumentMut = text.parse().map_err(said)?;
        let tables = file.get_mut("node").and_then(toml_edit::Item::as_array_of_tables_mut);
        let tables = tables.ok_or("the cluster file has its nodes in no [[node]] tables")?;
        tables.retain(|table| number(table) != Some(id.into()));
        let highest = cluster.highest();
        let mut given_out = toml_edit::Table::new();
        given_out.insert("node", toml_edit::value(i64::from(highest.node)));
        given_out.insert("actor", toml_edit::value(i64::from(highest.actor)));
        file.insert("given-out", toml_edit::Item::Table(given_out));
        let text = file.to_string();
        Self::parse(&text).map_err(said)?;
        Ok(text)
    }

    /// The text of a cluster file with a node behind what it says already.
    ///
    /// # Errors
    /// When the result cannot be right.
    pub fn append(text: &str, node: &NodeConfig) -> Result<(Cluster, String), ConfigError> {
        #[derive(Serialize)]
        struct Tables<'a> {
            node: [&'a NodeConfig; 1],
        }
        // Numbers, addresses and short words: all have a TOML form.
        let table = toml::to_string(&Tables { node: [node] }).unwrap_or_default();
        let text = format!("{}\n\n{table}", text.trim_end());
        Ok((Cluster::parse(&text)?, text))
    }
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The number of a node in its table.
fn number(table: &toml_edit::Table) -> Option<i64> {
    table.get("id").and_then(toml_edit::Item::as_integer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chainring_model::chain::View;
    use stateright::actor::Id;

    const ONE: &str = r#"# our cluster
cluster = 42
protocol = "chain"

[[node]] # in the cellar
id = 7
udp = "127.0.0.1:7001"
resp = "127.0.0.1:6380"
replica = 0
gateway = 2
door = 4
coordinator = 9

[timeouts]
suspect = 900
"#;

    fn grown() -> (Cluster, Cluster, String) {
        let cluster = Cluster::parse(ONE).unwrap();
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let node = cluster.newcomer(None, at(7002), at(6381), Path::new("/no/such")).unwrap();
        let (grown, text) = Cluster::append(ONE, &node).unwrap();
        (cluster, grown, text)
    }

    fn added(added: Vec<NodeConfig>) -> Changes {
        Changes { added, forgotten: Vec::new() }
    }

    #[test]
    fn a_store_is_named_where_its_node_is() {
        let named = Cluster::with_store(ONE, 7, "208fb62e5ca5381198dbd2b7258e2fc0").unwrap();
        let node = Cluster::parse(&named).unwrap().node(7).unwrap().clone();
        assert_eq!(node.store.as_deref(), Some("208fb62e5ca5381198dbd2b7258e2fc0"));
        assert!(named.contains("# in the cellar") && named.ends_with("suspect = 900\n"), "{named}");
        assert!(Cluster::with_store(ONE, 8, "x").unwrap_err().contains("no node 8"));
    }

    #[test]
    fn a_forgotten_node_leaves_its_numbers_to_nobody() {
        let (cluster, grown, text) = grown();
        let forgotten = Cluster::forget(&text, 8).unwrap();
        assert!(forgotten.starts_with("# our cluster\n") && forgotten.contains("# in the cellar"));
        let shrunk = Cluster::parse(&forgotten).unwrap();
        assert_eq!(shrunk.nodes, cluster.nodes);
        assert_eq!(shrunk.given_out, GivenOut { node: 8, actor: 12 });
        assert_eq!(Cluster::parse(&shrunk.to_text()).unwrap(), shrunk);
        let known = grown.node(8).unwrap().clone();
        let changes = Changes { added: Vec::new(), forgotten: vec![known] };
        assert_eq!(grown.changes(&shrunk), Ok(changes));
        assert_eq!(shrunk.wire_number(), cluster.wire_number());

        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let next = shrunk.newcomer(None, at(7009), at(6389), Path::new("/no/such")).unwrap();
        assert_eq!((next.id, next.replica), (9, 13));
        let (again, text) = Cluster::append(&forgotten, &next).unwrap();
        assert_eq!(shrunk.changes(&again), Ok(added(vec![next])));
        let twice = Cluster::parse(&Cluster::forget(&text, 9).unwrap()).unwrap();
        assert_eq!(twice.given_out, GivenOut { node: 9, actor: 15 });

        let refused = Cluster::forget(&text, 7).unwrap_err();
        assert!(refused.contains("from the beginning"), "{refused}");
        let refused = Cluster::forget(&text, 8).unwrap_err();
        assert!(refused.contains("has no node 8"), "{refused}");
    }

    #[test]
    fn a_newcomer_has_numbers_of_its_own_and_leaves_the_rest_alone() {
        let (cluster, grown, text) = grown();
        assert!(text.starts_with(ONE.trim_end()), "comments stay");
        let node = grown.node(8).unwrap();
        assert!(node.joins && node.coordinator.is_none());
        assert_eq!((node.chain, node.replica), (1, 10));
        let first = View::new(1, vec![Id::from(0)]).decided_by(vec![Id::from(9)]);
        assert_eq!((cluster.first_view(1), grown.first_view(1)), (first.clone(), first));
        assert_eq!(cluster.changes(&grown), Ok(added(vec![node.clone()])));
        assert_eq!(cluster.changes(&cluster), Ok(Changes::default()));
        assert_eq!(grown.wire_number(), cluster.wire_number());
    }

    #[test]
    fn a_copy_that_names_other_stores_is_the_same_file_and_another_store_is_not() {
        let (cluster, grown, text) = grown();
        let name = |text: &str, store: &str| {
            let named = Cluster::with_store(text, 7, store).unwrap();
            Cluster::parse(&named).unwrap()
        };
        let newcomer = added(vec![grown.node(8).unwrap().clone()]);
        let (here, there) =
            ("208fb62e5ca5381198dbd2b7258e2fc0", "e8888807f862c244e6fb91c0e0a596e9");
        assert_eq!(name(ONE, here).changes(&grown), Ok(newcomer.clone()));
        assert_eq!(cluster.changes(&name(&text, here)), Ok(newcomer.clone()));
        assert_eq!(name(ONE, here).changes(&name(&text, here)), Ok(newcomer));
        let refused = name(ONE, here).changes(&name(&text, there)).unwrap_err();
        assert!(refused.contains("something else of node 7"), "{refused}");
    }

    #[test]
    fn other_changes_are_refused() {
        let (cluster, grown, text) = grown();
        let parse = |from: &str, to: &str| Cluster::parse(&text.replacen(from, to, 1)).unwrap();
        for (newer, what) in [
            (parse("joins = true\n", ""), "node 8 is new in it, and is not marked"),
            (parse("127.0.0.1:7001", "127.0.0.1:7009"), "something else of node 7"),
            (parse("id = 7", "id = 6\njoins = false"), "something else of node 7"),
            (parse("suspect = 900", "suspect = 800"), "timeouts"),
            (parse("cluster = 42", "cluster = 43"), "its cluster, protocol"),
        ] {
            let refused = cluster.changes(&newer).unwrap_err();
            assert!(refused.contains(what), "{refused}");
        }
        assert!(grown.changes(&cluster).unwrap_err().contains("something else of node 8"));

        let at = SocketAddr::from(([127, 0, 0, 1], 7003));
        let refused = cluster.newcomer(Some(2), at, at, Path::new("")).unwrap_err();
        assert!(refused.contains("there is no chain 2"), "{refused}");
        let fixed = Cluster::parse(&ONE.replace("coordinator = 9\n", "")).unwrap();
        let refused = fixed.newcomer(None, at, at, Path::new("")).unwrap_err();
        assert!(refused.contains("nobody can join it"), "{refused}");
    }
}
