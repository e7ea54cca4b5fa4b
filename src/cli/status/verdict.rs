//! How a cluster is, in a word and an exit code: what a probe, a script and a tired operator look
//! at first.
//!
//! *Healthy*: every node of the cluster file does what it is there for. *Degraded*: clients are
//! served, and something is missing; the sentence says what the next failure costs. *Down*: some
//! keys cannot be written. Numbers are of what answers here: a node that this machine cannot reach
//! counts as missing, whatever others see of it.

use super::links::Links;
use super::report::{Chain, Coordinator, Report, Role};
use super::ring::{self, RingReport};
use chainring::config::Cluster;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::process::ExitCode;

/// How a cluster is.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Verdict {
    /// In a word.
    pub state: State,
    /// Why, and what to do.
    pub why: String,
}

/// How a cluster is, the better first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// When nothing is missing.
    Healthy,
    /// When clients are served, and something is missing.
    Degraded,
    /// When some keys cannot be written.
    Down,
}

impl State {
    /// The exit code of `chainring status`.
    pub fn code(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = match self.state {
            State::Healthy => "HEALTHY",
            State::Degraded => "DEGRADED",
            State::Down => "DOWN",
        };
        write!(f, "{word}: {}", self.why)
    }
}

/// So many of so many that there should be, and so many that are needed.
#[derive(Clone, Copy, Debug)]
struct Count {
    live: usize,
    of: usize,
    needed: usize,
}

impl Count {
    fn is_whole(self) -> bool {
        self.live >= self.of
    }

    fn is_enough(self) -> bool {
        self.live >= self.needed
    }

    /// How many more may fail.
    fn spare(self) -> usize {
        self.live.saturating_sub(self.needed)
    }

    fn of_coordinators(coordinators: &[Coordinator]) -> Self {
        let (live, of) =
            (coordinators.iter().filter(|one| one.reachable).count(), coordinators.len());
        Count { live, of, needed: if of == 0 { 0 } else { of / 2 + 1 } }
    }
}

/// The worst of several, with the names of what they are of.
fn worst(verdicts: Vec<(String, Verdict)>) -> Verdict {
    let state = verdicts.iter().map(|(_, verdict)| verdict.state).max();
    let state = state.unwrap_or(State::Healthy);
    if let [(_, only)] = &verdicts[..] {
        return only.clone();
    }
    let named = verdicts.iter().filter(|(_, verdict)| verdict.state == state);
    let mut why: Vec<_> =
        named.map(|(name, Verdict { why, .. })| format!("{name}: {why}")).collect();
    if state == State::Healthy {
        why = vec![format!("{} chains with every copy and coordinator", verdicts.len())];
    }
    Verdict { state, why: why.join("; ") }
}

fn nodes(ids: &BTreeSet<u32>) -> String {
    let ids: Vec<_> = ids.iter().map(u32::to_string).collect();
    format!("node{} {}", if ids.len() == 1 { "" } else { "s" }, ids.join(", "))
}

impl Report {
    /// How the cluster is.
    pub fn verdict(&self, cluster: &Cluster) -> Verdict {
        let verdict = worst(
            (self.chains.iter())
                .map(|chain| {
                    let needed = chain.least_copies(cluster);
                    (format!("chain {}", chain.chain), chain.verdict(needed))
                })
                .collect(),
        );
        self.links.judged(verdict)
    }
}

impl Links {
    /// Whose files differ is not well, whatever else is.
    fn judged(&self, verdict: Verdict) -> Verdict {
        if self.differences.is_empty() {
            return verdict;
        }
        let Verdict { state, why } = verdict;
        let state = state.max(State::Degraded);
        Verdict { state, why: why + "; the files of the nodes differ" }
    }
}

impl Chain {
    /// On how many disks it acknowledges nothing less than.
    fn least_copies(&self, cluster: &Cluster) -> usize {
        let kept = self.min_copies.unwrap_or_else(|| cluster.copies(self.chain));
        self.allowed.map_or(kept, |allowed| kept.min(allowed as usize)).max(1)
    }

    fn verdict(&self, needed: usize) -> Verdict {
        let is_live = |place: &&super::report::NodeOfChain| place.replica.is_some();
        let members = || self.nodes.iter().filter(|place| place.role.is_member());
        // Without coordinators no member is ever left out, and a write waits for every member.
        let needed = if self.coordinators.is_empty() { members().count() } else { needed };
        let copies =
            Count { live: members().filter(is_live).count(), of: self.nodes.len(), needed };
        let deciding = Count::of_coordinators(&self.coordinators);
        let gone: BTreeSet<u32> = (self.nodes.iter())
            .filter(|place| place.replica.is_none())
            .filter_map(|place| place.node)
            .collect();
        let counts = format!("{} of {} copies, {}", copies.live, copies.of, deciding.words());
        if !(copies.is_enough() && deciding.is_enough()) {
            return down(&counts, copies, deciding, &gone);
        }
        let without_lease: BTreeSet<u32> = members()
            .filter(|place| place.replica.as_ref().is_some_and(|it| it.lease == Some(false)))
            .filter_map(|place| place.node)
            .collect();
        let learning: BTreeSet<u32> = (self.nodes.iter())
            .filter(|place| place.role == Role::Learner && place.replica.is_some())
            .filter_map(|place| place.node)
            .collect();
        let waiting: BTreeSet<u32> = (self.nodes.iter())
            .filter(|place| matches!(place.role, Role::Removed | Role::Outside))
            .filter(|place| place.replica.is_some())
            .filter_map(|place| place.node)
            .collect();
        let mut notes = Vec::new();
        for (who, what) in [
            (&gone, "is not there: start it"),
            (&learning, "is learning what it missed"),
            (&waiting, "waits to be let in"),
            (&without_lease, "has no lease, and answers no reads of its own"),
        ] {
            notes.extend((!who.is_empty()).then(|| format!("{} {what}", nodes(who))));
        }
        if copies.is_whole() && deciding.is_whole() && notes.is_empty() {
            return healthy(counts, copies, deciding);
        }
        degraded(&counts, "writes", copies, deciding, &notes)
    }
}

impl Count {
    /// Of coordinators.
    fn words(self) -> String {
        match self.of {
            0 => "no coordinators".to_string(),
            of => format!("{} of {of} coordinators", self.live),
        }
    }
}

fn healthy(counts: String, copies: Count, deciding: Count) -> Verdict {
    let mut why = counts;
    if next_failure_stops(copies, deciding) {
        why += ": the next failure stops writes";
    }
    Verdict { state: State::Healthy, why }
}

fn degraded(counts: &str, what: &str, copies: Count, deciding: Count, notes: &[String]) -> Verdict {
    let mut why = counts.to_string();
    if next_failure_stops(copies, deciding) {
        why += &format!(": the next failure stops {what}");
    }
    for note in notes {
        why += &format!("; {note}");
    }
    Verdict { state: State::Degraded, why }
}

/// Whether the failure of one more, which may be a copy and a coordinator at once, is one too many.
fn next_failure_stops(copies: Count, deciding: Count) -> bool {
    copies.spare() == 0 || (deciding.of > 0 && deciding.spare() == 0)
}

fn down(counts: &str, copies: Count, deciding: Count, gone: &BTreeSet<u32>) -> Verdict {
    let mut needs = Vec::new();
    if !copies.is_enough() {
        let s = if copies.needed == 1 { "copy" } else { "copies" };
        needs.push(format!("{} {s}", copies.needed));
    }
    if !deciding.is_enough() {
        needs.push(format!("{} coordinators", deciding.needed));
    }
    let mut why = format!("{counts}, and {} are needed", needs.join(" and "));
    if needs.len() == 1 && (copies.needed == 1 && !copies.is_enough() || deciding.needed == 1) {
        why = why.replace(" are needed", " is needed");
    }
    if !gone.is_empty() {
        why += &format!(", start {}", nodes(gone));
    }
    Verdict { state: State::Down, why }
}

impl RingReport {
    /// How the ring is.
    pub fn verdict(&self) -> Verdict {
        let deciding = Count::of_coordinators(&self.coordinators);
        let members = || self.nodes.iter().filter(|place| place.role != ring::Role::Outside);
        let gone: BTreeSet<u32> = members()
            .filter(|place| place.unreachable.is_some() || place.suspected)
            .filter_map(|place| place.node)
            .collect();
        let (all, of) = (members().count(), members().count() - gone.len());
        let counts = format!("{of} of {all} nodes, {}", deciding.words());
        let replicas = usize::from(self.replicas).min(all);
        let majority = replicas / 2 + 1;
        // Of the keys that have lost most: those of which every node that is gone holds a copy.
        let copies =
            Count { live: replicas.saturating_sub(gone.len()), of: replicas, needed: majority };
        if self.without_majority > 0 || of < majority {
            let what = match self.without_majority {
                0 => "keys".to_string(),
                ranges => format!("{ranges} of {} ranges", self.ranges),
            };
            let mut why = format!("{counts}: {what} have no majority of their copies");
            if !gone.is_empty() {
                why += &format!(", start {}", nodes(&gone));
            }
            return Verdict { state: State::Down, why };
        }
        let mut notes = Vec::new();
        notes.extend((!gone.is_empty()).then(|| format!("{} not there: start it", are(&gone))));
        if !self.stable {
            notes.push(format!("{} ranges are still to be fetched", self.ranges_left));
        }
        if self.copies_missing > 0 {
            notes.push(format!("{} copies of keys are still to be copied", self.copies_missing));
        }
        if !self.links.differences.is_empty() {
            notes.push("the files of the nodes differ".to_string());
        }
        if !deciding.is_enough() {
            // Reads and writes go on: coordinators are needed only to change the ring's members.
            notes.push(format!(
                "it takes {} coordinators to replace a node that is gone",
                deciding.needed
            ));
        }
        if gone.is_empty() && notes.is_empty() && deciding.is_whole() {
            return healthy(counts, copies, Count { of: 0, ..deciding });
        }
        degraded(&counts, "writes of some keys", copies, Count { of: 0, ..deciding }, &notes)
    }
}

fn are(ids: &BTreeSet<u32>) -> String {
    format!("{} {}", nodes(ids), if ids.len() == 1 { "is" } else { "are" })
}
