//! What a node knows of its links to others: which peers' datagrams do not come through, and whose
//! file says other things.
//!
//! It tells, in the log, in `INFO` and in `CHAINRING STATUS`, and changes nothing.

use super::{Context, Operate};
use crate::config::Settings;
use crate::status::{DifferenceStatus, LinkStatus};
use chainring_runtime::codec;
use chainring_runtime::transport::{LONGEST_GREETING, Transport, Trouble, Troubled};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long the same of a peer is not said again.
const AGAIN: Duration = Duration::from_secs(600);

/// As much of a setting's value as is shown.
const LONGEST_VALUE: usize = 64;

/// What a node greets others with: its settings, as far as they fit.
pub(crate) fn greeting(settings: &Settings) -> Vec<u8> {
    let mut settings = settings.clone();
    loop {
        // Short words: they can be written.
        let bytes = codec::encode(&settings).unwrap_or_default();
        if bytes.len() <= LONGEST_GREETING || settings.pop_last().is_none() {
            return bytes;
        }
    }
}

/// What a greeting says of these settings otherwise than this node's file. Others, and what is no
/// greeting, are ignored.
fn differences(node: u32, here: &Settings, greeting: &[u8]) -> Vec<DifferenceStatus> {
    let Ok((mut there, _)) = codec::decode_message::<Settings>(greeting) else {
        return Vec::new();
    };
    let differing = here.iter().filter_map(|(setting, here)| {
        let there = there.remove(setting).filter(|there| there != here)?;
        let there = there.chars().take(LONGEST_VALUE).flat_map(char::escape_debug).collect();
        let (setting, here) = (setting.clone(), here.clone());
        Some(DifferenceStatus { node, setting, here, there })
    });
    differing.collect()
}

/// What to do about it, in the words of the cluster file.
fn remedy(of: Trouble) -> &'static str {
    match of {
        Trouble::Foreign => {
            "another program sends to this port: stop it, or give the node another port"
        }
        Trouble::OtherVersion | Trouble::Undecodable => {
            "its program is of another version: run the same version on all nodes"
        }
        Trouble::OtherCluster => {
            "its cluster file has another `cluster`, other `lease` or `grant` in [timeouts], or other `tokens`, \
             `replicas` or `recent` in [ring]: give all nodes the same file"
        }
        Trouble::Damaged => {
            "the network damages them, or another program sends them: look at the machines between"
        }
        Trouble::WrongSource => {
            "its `udp` in this node's cluster file is not where it sends from: write the same addresses into all \
             files, and let no translation of addresses stand between"
        }
        Trouble::Unreachable => {
            "this machine knows no way from its own `udp` address to that of the node: look at both in the \
             cluster file, and at the network"
        }
        Trouble::Forbidden => "a firewall of this machine forbids it: allow UDP to that address",
        Trouble::TooLong => {
            "the network takes less at once: make `mtu` smaller in the cluster file"
        }
        Trouble::NotTaken => {
            "this machine has no room for them: look at its load and its network device"
        }
    }
}

impl<P: Operate> Context<P> {
    /// The peers whose datagrams do not come through; none in a healthy cluster.
    pub fn links(&self) -> Vec<LinkStatus> {
        let troubles = self.transport.get().map(Transport::troubles).unwrap_or_default();
        troubles.iter().map(|troubled| self.link(troubled)).collect()
    }

    fn link(&self, troubled: &Troubled) -> LinkStatus {
        let millis = u64::try_from(troubled.ago.as_millis()).unwrap_or(u64::MAX);
        LinkStatus {
            node: troubled.peer.and_then(|peer| self.node_at(peer)),
            address: troubled.last.to_string(),
            sending: troubled.trouble.is_sending(),
            what: troubled.trouble.to_string(),
            remedy: remedy(troubled.trouble).to_string(),
            count: troubled.count,
            last_ms_ago: millis,
        }
    }

    /// What other nodes' files say otherwise than this node's, as far as they have greeted it.
    pub fn differences(&self) -> Vec<DifferenceStatus> {
        let greetings = self.transport.get().map(Transport::greetings).unwrap_or_default();
        let here = self.settings();
        let said = greetings
            .iter()
            .filter_map(|(at, greeting)| Some(differences(self.node_at(*at)?, &here, greeting)));
        let mut said: Vec<_> = said.flatten().collect();
        said.sort_by(|one, other| (one.node, &one.setting).cmp(&(other.node, &other.setting)));
        said
    }

    /// What all files have to say alike, and this one says.
    pub fn settings(&self) -> Settings {
        self.with_roster(|cluster| cluster.settings())
    }

    /// The number of the node with this UDP address.
    fn node_at(&self, at: SocketAddr) -> Option<u32> {
        self.with_roster(|cluster| {
            let is_there = |udp: SocketAddr| (udp.ip(), udp.port()) == (at.ip(), at.port());
            cluster.nodes.iter().find(|node| is_there(node.udp)).map(|node| node.id)
        })
    }
}

/// What was said.
#[derive(Default)]
pub(crate) struct Notes {
    /// Of each peer and kind: how many there were, and when that was said.
    troubles: BTreeMap<(Option<SocketAddr>, Trouble), (u64, Option<Instant>)>,
    differences: BTreeSet<DifferenceStatus>,
}

impl Notes {
    /// Says in the log, once a peer and kind, what goes on not to come through, and which files
    /// differ. A single datagram is no reason for a word.
    pub fn look<P: Operate>(&mut self, node: &Context<P>) {
        let troubles = node.transport.get().map(Transport::troubles).unwrap_or_default();
        for troubled in self.news(&troubles) {
            let link = node.link(troubled);
            let (id, count, address) = (link.node, link.count, &link.address);
            tracing::warn!(node = id, count, address, "{link}");
        }
        let now = node.differences().into_iter().collect();
        for difference in self.differ(now) {
            let DifferenceStatus { node, setting, .. } = &difference;
            tracing::warn!(node, setting, "{difference}: write the same into all files");
        }
    }

    /// What there is more of than at the last look, and was not said lately.
    fn news<'a>(&mut self, troubles: &'a [Troubled]) -> Vec<&'a Troubled> {
        let mut news = Vec::new();
        for troubled in troubles {
            let key = (troubled.peer, troubled.trouble);
            let before = self.troubles.get(&key).copied();
            let said = before.and_then(|(_, said)| said);
            let goes_on = before.is_some_and(|(count, _)| troubled.count > count);
            let is_news = goes_on && said.is_none_or(|said| said.elapsed() >= AGAIN);
            news.extend(is_news.then_some(troubled));
            let said = if is_news { Some(Instant::now()) } else { said };
            self.troubles.insert(key, (troubled.count, said));
        }
        self.troubles.retain(|key, _| troubles.iter().any(|it| (it.peer, it.trouble) == *key));
        news
    }

    /// The differences that are new; those that are over are said to be.
    fn differ(&mut self, now: BTreeSet<DifferenceStatus>) -> Vec<DifferenceStatus> {
        for over in self.differences.difference(&now) {
            let is_other =
                now.iter().any(|it| (it.node, &it.setting) == (over.node, &over.setting));
            if !is_other {
                let DifferenceStatus { node, setting, .. } = over;
                tracing::info!(
                    node,
                    setting,
                    "the file of node {node} says the same of {setting} now"
                );
            }
        }
        let news = now.difference(&self.differences).cloned().collect();
        self.differences = now;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(of: &[(&str, &str)]) -> Settings {
        of.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn only_known_settings_are_compared_and_nothing_is_believed() {
        let here = settings(&[("min-copies", "2"), ("lease", "250 ms"), ("grant", "300 ms")]);
        let there = settings(&[("min-copies", "1\n[31m"), ("lease", "250 ms"), ("other", "x")]);
        let found = differences(3, &here, &greeting(&there));
        assert_eq!(
            found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["the file of node 3 says min-copies = 1\\n[31m, and this node's says 2"]
        );
        assert_eq!(differences(3, &here, b"no greeting"), []);
        let huge: Settings = (0..100).map(|n| (format!("{n:050}"), "x".into())).collect();
        assert!((500..=LONGEST_GREETING).contains(&greeting(&huge).len()));
    }

    #[test]
    fn what_goes_on_is_said_once() {
        let at = SocketAddr::from(([127, 0, 0, 1], 1));
        let troubled = |count| Troubled {
            peer: Some(at),
            trouble: Trouble::OtherCluster,
            count,
            last: at,
            ago: Duration::ZERO,
        };
        let mut notes = Notes::default();
        let mut said = |count| notes.news(&[troubled(count)]).len();
        assert_eq!([1, 1, 2, 3, 9].map(&mut said), [0, 0, 1, 0, 0]);
    }
}
