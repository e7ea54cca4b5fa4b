//! The controls: protocols that lack one mechanism, and the property that falls.

use crate::catalogue::{self, Entry, Steps};
use crate::checker::crash_points::Order;
use crate::checker::graph::CAN_FINISH;
use crate::checker::run::{Options, Report, Search, Watcher};
use crate::checker::schedule::Followed;
use crate::ring;
use chainring_model::Mechanism;
use serde::Serialize;
use std::time::Instant;

/// A protocol that lacks one mechanism, where that shows, and how.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// What it lacks.
    pub lacks: Mechanism,
    /// The configuration that shows it.
    pub entry: Entry,
    /// The property that must fall.
    pub property: &'static str,
    /// The run that shows it, where it is known rather than searched for: see
    /// [`schedule`](mod@crate::checker::schedule).
    pub schedule: Option<&'static str>,
}

/// How a mutant was caught.
#[derive(Clone, Debug, Serialize)]
pub struct Catch {
    /// The mutant's name.
    pub mutant: &'static str,
    /// The model that shows it.
    pub model: &'static str,
    /// The property that had to fall.
    pub property: &'static str,
    /// Whether it fell.
    pub caught: bool,
    /// The step of its schedule that was not possible.
    pub stuck: Option<String>,
    /// How many steps the counterexample has: the shortest one, or that of the schedule.
    pub length: usize,
    /// How many unique states had been found by then.
    pub states: usize,
    /// The counterexample.
    pub report: Report,
}

impl Mutant {
    /// Looks for the property's shortest counterexample, or follows the schedule.
    pub fn hunt(&self) -> Catch {
        self.hunt_watched(None)
    }

    /// The same, and tells how far the search is.
    pub fn hunt_watched(&self, progress: Option<Watcher>) -> Catch {
        if let Some(schedule) = self.schedule {
            return self.follow(schedule);
        }
        let options = Options {
            search: Search::Breadth,
            threads: 1, // so that lengths and counts are the same every time
            until: Some(self.property),
            progress,
        };
        let report = self.entry.run(Some(self.lacks), &options);
        let verdict = report.verdict(self.property);
        let trace = verdict.and_then(|verdict| verdict.trace.as_ref());
        Catch {
            mutant: self.lacks.mutant(),
            model: self.entry.name,
            property: self.property,
            caught: verdict.is_some_and(|verdict| !verdict.stands),
            stuck: None,
            length: trace.map_or(0, |trace| trace.steps.len()),
            states: report.unique_states,
            report,
        }
    }

    fn follow(&self, schedule: &str) -> Catch {
        let start = Instant::now();
        let Followed { fell, stuck, trace } =
            self.entry.follow(Some(self.lacks), schedule, self.property);
        let length = trace.steps.len();
        let caught = fell.is_some();
        let report = Report {
            name: self.entry.name.to_string(),
            configuration: self.entry.configuration(),
            exhaustive: false,
            unique_states: length,
            states: length,
            depth: length,
            seconds: start.elapsed().as_secs_f64(),
            properties: fell.into_iter().collect(),
        };
        let (mutant, model, property) = (self.lacks.mutant(), self.entry.name, self.property);
        Catch { mutant, model, property, caught, stuck, length, states: length, report }
    }
}

/// The runs that are known.
fn schedule(lacks: Mechanism) -> Option<&'static str> {
    match lacks {
        Mechanism::EveryVoteWaits => Some(VOTES_WHILE_ITS_GRANT_LIVES),
        Mechanism::VoteEndsGrants => Some(GRANTS_AFTER_ITS_VOTE),
        of_ring => ring::schedule(of_ring),
    }
}

/// The proposer's own grant has ended, and that of the other who votes has not: the two of them decide, and
/// two others' grants are a lease still.
const VOTES_WHILE_ITS_GRANT_LIVES: &str = "
    r1 > c1, c2: Heartbeat; c1, c2 > r1: Lease      // a lease, by a majority
    c0: Suspect(r1); c0: Drive; c0 > c1: Prepare; c1 > c0: Promise
    c0: Expire(r1)                                  // its own grant, which r1 does not count
    c0 > c1: Accept; c1 > c0: Accepted              // the one who votes while its grant lives
    c0 > r0: Install; g0 > r0: Request; r0 > g0: Reply
    g0 > r1: Request; r1 > g0: Reply                // and r1 has never heard of what is written
";

/// Two have voted for a view without the member; then its heartbeat comes to one of them, who grants.
const GRANTS_AFTER_ITS_VOTE: &str = "
    c0: Suspect(r1); c0: Drive; c0 > c1: Prepare; c1 > c0: Promise
    c0, c1: Expire(r1)
    c0 > c1: Accept; c1 > c0: Accepted              // decided, rightly
    r1 > c1, c2: Heartbeat; c1, c2 > r1: Lease      // c1 has not heard of the decision, but it has voted
    c0 > r0: Install; g0 > r0: Request; r0 > g0: Reply
    g0 > r1: Request; r1 > g0: Reply
";

/// Every mutant, in the order of the protocol's text.
pub fn all() -> Vec<Mutant> {
    Mechanism::ALL.iter().map(|lacks| of(*lacks)).collect()
}

/// The mutant that lacks this mechanism.
pub fn of(lacks: Mechanism) -> Mutant {
    use Mechanism::*;
    let (model, property) = match lacks {
        Deduplication => ("chain-count", "linearizable"),
        LogAdmission => ("chain-crash", "at most once"),
        IncarnationCheck => ("chain-count", "linearizable"),
        LanesApart => ("chain-lanes", "linearizable"),
        ResumeAfterRestart => ("chain-resume", CAN_FINISH),
        WindowBound => ("chain-full", "bounded"),
        UnknownIsUnknown => ("chain-unknown", "refused is refused"),
        IncarnationGrows => ("chain-count", "incarnations grow"),
        FifoCheck => ("chain-crash", "in-process requests"),
        TailReplies => ("chain-crash", "held"),
        DirtyForwarded => ("chain-reads", "linearizable"),
        DirtyToAll => ("chain-crash", "linearizable"),
        StretchClean => ("chain-list", "linearizable"),
        ApplyThenAcknowledge => ("chain-reads", "stable"),
        OwnAcknowledgement => ("chain-reads", "stable"),
        SaveThenSend => ("chain-torn", "in-process requests"),
        LogRecovery => ("chain-crash", "durable"),
        SilenceReported => ("chain-silent", "no dead end"),
        Retransmission => ("chain-lossy", CAN_FINISH),
        Retry => ("chain-lossy", CAN_FINISH),
        RecordedOutcome => ("chain-lossy", CAN_FINISH),
        ResendOnInstall => ("chain-views", "no dead end"),
        TailCommitsLog => ("chain-views", "no dead end"),
        LeaseForReads => ("chain-lease", "linearizable"),
        LeaseFromSending => ("chain-lease", "linearizable"),
        LeaseShorter => ("chain-lease", "linearizable"),
        LapseEach => ("chain-lease", "linearizable"),
        GrantsTimed => ("chain-lease", "linearizable"),
        BootCheck => ("chain-lease-crash", "linearizable"),
        LeaseWait => ("chain-lease", "linearizable"),
        EveryVoteWaits => ("chain-lease-council", "linearizable"),
        VoteEndsGrants => ("chain-lease-council", "linearizable"),
        GrantsAssumed => ("chain-lease-crash", "linearizable"),
        GrantsRemembered => ("chain-views-leases", "linearizable"),
        CopiesKept => ("copies", "copies"),
        CopiesVoted => ("copies-lax", "copies"),
        CopiesAwaited => ("grow-copies", "copies"),
        EpochCheck => ("grow-late", "linearizable"),
        JoinsByLearning => ("grow-old", "in-process requests"),
        LearnerEmptied => ("grow-old", "agreement"),
        RowsNotOperations => ("grow-one", "linearizable"),
        LanesTransferred => ("grow-one", "agreement"),
        TableWhole => ("grow-lanes", "agreement"),
        TombstonesKept => ("grow-keys", "agreement"),
        RowsOfThisSince => ("grow-again", "retained"),
        CaughtOfThisSince => ("grow-again", "retained"),
        ReportsHeeded => ("grow-again", "in-process requests"),
        PartsOnce => ("grow-keys", "agreement"),
        ChangesOnce => ("grow-keys", "agreement"),
        RowsByAge => ("grow-keys", "agreement"),
        LanesByAge => ("grow-one", "agreement"),
        TeachingGoesOn => ("grow-two", "retained"),
        LogDropped => ("return-away", "update propagation"),
        WholePrefix => ("return-learner", "agreement"),
        ResumeWithin => ("return-trimmed", "retained"),
        PrefixOfThisHistory => ("return-other", "agreement"),
        RetainedRecovered => ("grow-lossy", CAN_FINISH),
        ScanBeforeChanges => ("grow-empty", "in-process requests"),
        PlaceDurable => ("grow-crash", "agreement"),
        HandoverDurable => ("grow-crash", "stable"),
        HandoverEnds => ("grow-again", "handover"),
        ReadyWhenCaughtUp => ("grow-one", "in-process requests"),
        TrimWhenCaughtUp => ("grow-one", "retained"),
        LearnerCommits => ("grow-one", "linearizable"),
        HandedOverWaits => ("grow-one", "linearizable"),
        LearnerSilent => ("grow-stale", "linearizable"),
        StoreRequired => ("grow-disk", "held"),
        PromiseSaved => ("coordinators", "one view an epoch"),
        DecidedAnswers => ("coordinators", "one view an epoch"),
        NewerRowsOnly => ("members-stale", "the dead stay dead"),
        TombstonesOfMembers => ("members-stale", "the dead stay dead"),
        Refutation => ("members-two", "what is said is refuted"),
        RefutationSaved => ("members-crash", "a restart is a new life"),
        LivesCounted => ("members-crash", "a restart is a new life"),
        DeadSought => ("members-lossy", CAN_FINISH),
        of_ring => ring::mutant(of_ring),
    };
    let mut entry = catalogue::find(model).expect("the table above names models of the catalogue");
    if lacks == SaveThenSend {
        entry.steps = Steps::CrashPoints(Order::SendFirst);
    }
    Mutant { lacks, entry, property, schedule: schedule(lacks) }
}
