//! What the file of a ring says of it: the table `[ring]`.

use super::{Protocol, Settings};
use chainring_model::ring::RECENT;
use chainring_model::ring::place::{REPLICAS, TOKENS};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a ring places keys, and what it does where it has lost too much.
///
/// All but `on-quorum-loss` and `reform-after` are fixed when the cluster is made: nodes that do
/// not agree on them do not hear each other.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct RingConfig {
    /// How many tokens a member has.
    pub tokens: u32,
    /// How many replicas a key has.
    pub replicas: u8,
    /// How many operations a register remembers: a retry that comes later than so many others is
    /// unknown.
    pub recent: usize,
    /// What is done about a range that has lost the majority of its replicas.
    pub on_quorum_loss: OnQuorumLoss,
    /// After how many seconds without a majority `on-quorum-loss = "reform"` gives the lost ones
    /// up.
    pub reform_after: u32,
}

/// What is done about a range that has lost the majority of its replicas.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnQuorumLoss {
    /// Nothing: it waits for one of them, whose disk has what was acknowledged.
    #[default]
    Wait,
    /// They are given up, and with them what only they had.
    Reform,
}

impl Default for RingConfig {
    fn default() -> Self {
        RingConfig {
            tokens: TOKENS,
            replicas: REPLICAS,
            recent: RECENT,
            on_quorum_loss: OnQuorumLoss::Wait,
            reform_after: 10,
        }
    }
}

impl RingConfig {
    /// After how long the lost ones are given up; `None` for never.
    pub fn gives_up_after(&self) -> Option<Duration> {
        (self.on_quorum_loss == OnQuorumLoss::Reform)
            .then(|| Duration::from_secs(self.reform_after.into()))
    }

    /// What the files of all nodes have to say alike, by name.
    pub(super) fn settings(&self) -> Settings {
        let what = match self.gives_up_after() {
            None => "wait".to_string(),
            Some(after) => format!("reform after {} s", after.as_secs()),
        };
        let RingConfig { tokens, replicas, recent, .. } = self;
        let numbers = [
            ("tokens", tokens.to_string()),
            ("replicas", replicas.to_string()),
            ("recent", recent.to_string()),
        ];
        let all = numbers.into_iter().chain([("on-quorum-loss", what)]);
        all.map(|(name, value)| (name.to_string(), value)).collect()
    }

    /// What all nodes have to agree on, as bytes.
    pub(super) fn agreed(&self) -> Vec<u8> {
        let numbers = [u64::from(self.tokens), u64::from(self.replicas), self.recent as u64];
        numbers.map(u64::to_le_bytes).concat()
    }

    /// What is wrong with it, in a sentence.
    pub(super) fn mistake(&self, protocol: Protocol) -> Option<String> {
        let RingConfig { tokens, replicas, recent, .. } = *self;
        if protocol != Protocol::Ring {
            return Some("there is a table [ring], and protocol is not \"ring\"".to_string());
        }
        if !(1..=4096).contains(&tokens) {
            return Some(format!("tokens = {tokens} is not between 1 and 4096"));
        }
        if !(1..=9).contains(&replicas) {
            return Some(format!("replicas = {replicas} is not between 1 and 9"));
        }
        if !(1..=1024).contains(&recent) {
            return Some(format!("recent = {recent} is not between 1 and 1024"));
        }
        None
    }
}
