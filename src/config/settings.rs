//! What the files of all nodes have to say alike, by name.
//!
//! Nodes tell each other these settings in the greetings of their
//! [transports](chainring_runtime::transport), so that a difference is said on both sides. They
//! decide nothing by it. Two files may differ for a while, as when one node after the other is
//! started with a new one; and what is unsafe when it differs is in the [number of the
//! wire](Cluster::wire_number) too.

use super::{Cluster, Protocol};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// Settings by name, as words.
pub type Settings = BTreeMap<String, String>;

impl Cluster {
    /// What all files of this cluster have to say alike.
    pub fn settings(&self) -> Settings {
        let mut settings = match self.protocol {
            Protocol::Chain => self.settings_of_chains(),
            Protocol::Ring => self.ring.settings(),
        };
        settings.insert("cluster".to_string(), self.cluster.to_string());
        settings.insert("protocol".to_string(), self.protocol.name().to_string());
        for chain in self.chains() {
            let first = (self.first_members(chain), self.coordinators(chain));
            let print = format!("of fingerprint {:016x}", xxh3_64(format!("{first:?}").as_bytes()));
            settings.insert(of_chain(self, "first members and coordinators", chain), print);
        }
        settings
    }

    fn settings_of_chains(&self) -> Settings {
        let views = self.timeouts.views();
        let times = [
            ("lease", views.lease),
            ("grant", views.grant),
            ("suspect", views.suspect.start),
            ("heartbeat", (views.heartbeat.start + views.heartbeat.end) / 2),
        ];
        let times =
            times.map(|(name, time)| (name.to_string(), format!("{} ms", time.as_millis())));
        let copies = self
            .chains()
            .map(|chain| (of_chain(self, "min-copies", chain), self.copies(chain).to_string()));
        times.into_iter().chain(copies).collect()
    }
}

/// A setting that each chain has.
fn of_chain(cluster: &Cluster, name: &str, chain: u32) -> String {
    match cluster.chains().count() {
        1 => name.to_string(),
        _ => format!("{name} of chain {chain}"),
    }
}
