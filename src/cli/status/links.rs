//! How nodes hear each other: whose datagrams do not come through, and whose files differ.

use chainring::status::{DifferenceStatus, LinkStatus, NodeStatus, RingNodeStatus};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

/// How long ago a datagram in trouble came that is worth a word still.
const LATELY_MS: u64 = 60_000;

/// What is wrong between the nodes of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Links {
    /// What the nodes' files have to say alike and do not: of each setting, which node says what.
    pub differences: BTreeMap<String, BTreeMap<String, BTreeSet<u32>>>,
    /// Of each node that was asked, the peers whose datagrams do not come through there.
    pub links: BTreeMap<u32, Vec<LinkStatus>>,
}

/// What a node says of itself, whatever it runs.
pub struct Said<'a> {
    node: u32,
    settings: &'a BTreeMap<String, String>,
    links: &'a [LinkStatus],
    differences: &'a [DifferenceStatus],
}

impl<'a> From<&'a NodeStatus> for Said<'a> {
    fn from(status: &'a NodeStatus) -> Self {
        let NodeStatus { node, settings, links, differences, .. } = status;
        Said { node: *node, settings, links, differences }
    }
}

impl<'a> From<&'a RingNodeStatus> for Said<'a> {
    fn from(status: &'a RingNodeStatus) -> Self {
        let RingNodeStatus { node, settings, links, differences, .. } = status;
        Said { node: *node, settings, links, differences }
    }
}

impl Links {
    /// Puts together what the nodes say that answer. What one that does not answer has told others
    /// counts, too.
    pub fn of<'a, T: Into<Said<'a>>>(answered: impl Iterator<Item = T>) -> Self {
        let answered: Vec<Said<'_>> = answered.map(T::into).collect();
        let mut found = Links::default();
        let mut say = |setting: &String, value: &String, node| {
            let values = found.differences.entry(setting.clone()).or_default();
            values.entry(value.clone()).or_default().insert(node);
        };
        for said in &answered {
            for (setting, value) in said.settings {
                say(setting, value, said.node);
            }
            for DifferenceStatus { node, setting, there, .. } in said.differences {
                if answered.iter().all(|other| other.node != *node) {
                    say(setting, there, *node);
                }
            }
        }
        found.differences.retain(|_, values| values.len() > 1);
        let troubled = answered.iter().filter(|said| !said.links.is_empty());
        found.links = troubled.map(|said| (said.node, said.links.to_vec())).collect();
        found
    }
}

impl Display for Links {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (setting, values) in &self.differences {
            let said = values.iter().map(|(value, nodes)| {
                let nodes: Vec<_> = nodes.iter().map(|node| format!("node {node}")).collect();
                format!("{value} at {}", nodes.join(", "))
            });
            let said = said.collect::<Vec<_>>().join("; ");
            writeln!(
                f,
                "  the files of the nodes DIFFER in {setting}: {said}: write the same into all"
            )?;
        }
        for (at, links) in &self.links {
            for link in links {
                let LinkStatus { count, last_ms_ago, .. } = link;
                let when = match last_ms_ago {
                    ..LATELY_MS => "lately",
                    _ => "long ago",
                };
                writeln!(f, "  node {at} counts {count}, {when}: {link}")?;
            }
        }
        Ok(())
    }
}
