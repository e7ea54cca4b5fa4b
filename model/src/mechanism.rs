//! Mechanisms that can be switched off by name, so that each is shown to be needed.
//!
//! A protocol is as good as the checks that fail without it. An actor asks `self.mechanisms.has(…)`
//! before it acts by a mechanism, and `lacks(…)` before it does what a mutant alone does; the
//! actors that run are made with [`Intact`], for which the answer is the constant `true`, so that
//! the question compiles to nothing. A *mutant* is the same actor made [`Without`] one mechanism,
//! and the proofs hold, for each, which claim falls: their table of controls does not compile while
//! one is missing.
//!
//! Two mechanisms are no actor's, but of the process around it, so only the proofs ask for them:
//! [`Mechanism::SaveThenSend`] (the order in which commands are carried out) and
//! [`Mechanism::StoreRequired`] (what a process does that finds no store).

use std::fmt::Debug;

/// Which mechanisms an actor has.
pub trait Mechanisms: Clone + Debug + Send + Sync + 'static {
    /// Whether `mechanism` is there.
    fn has(&self, mechanism: Mechanism) -> bool;

    /// Whether `mechanism` is not there. A branch behind this is a mutant's alone: the protocol
    /// never takes it.
    #[inline(always)]
    fn lacks(&self, mechanism: Mechanism) -> bool {
        !self.has(mechanism)
    }
}

/// All mechanisms: what runs in production, and what is claimed to be correct.
#[derive(Clone, Copy, Debug, Default)]
pub struct Intact;

/// All mechanisms but one.
#[derive(Clone, Copy, Debug)]
pub struct Without(pub Mechanism);

impl Mechanisms for Intact {
    #[inline(always)]
    fn has(&self, _: Mechanism) -> bool {
        true
    }
}

impl Mechanisms for Without {
    fn has(&self, mechanism: Mechanism) -> bool {
        self.0 != mechanism
    }
}

macro_rules! mechanisms {
    ($($(#[doc = $doc:literal])+ $variant:ident = $mutant:literal,)+) => {
        /// One mechanism of a protocol.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Mechanism {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Mechanism {
            /// Every mechanism, in the order of the protocol's text.
            pub const ALL: &[Mechanism] = &[$(Mechanism::$variant,)+];

            /// The name of the mutant that lacks this mechanism, as `chainring check --mutants`
            /// prints it.
            pub fn mutant(self) -> &'static str {
                match self {
                    $(Mechanism::$variant => $mutant,)+
                }
            }
        }
    };
}

mechanisms! {
    /// An operation that is in the log or in the operation table is not logged again.
    Deduplication = "no deduplication",
    /// Admission looks for the operation in the log too, not in the operation table alone.
    LogAdmission = "operation admitted by table alone",
    /// Operations of different incarnations of a gateway are different, and the older one is older.
    IncarnationCheck = "no incarnation check",
    /// Operations of different lanes are different.
    LanesApart = "lanes mixed up",
    /// A gateway's incarnation grows, durably, at each of its starts.
    IncarnationGrows = "incarnation reused after a restart",
    /// An update is taken only at the index after the last one.
    FifoCheck = "no FIFO check",
    /// Only the tail answers a write.
    TailReplies = "reply before the tail has it",
    /// A replica that is not the tail forwards a read of a dirty key.
    DirtyForwarded = "dirty key answered locally",
    /// A key is dirty to every reader, whichever gateway's update is pending.
    DirtyToAll = "a dirty key answered to gateways that do not write it",
    /// A replica that is not the tail lists no stretch of keys of which one is dirty.
    StretchClean = "a stretch listed with dirty keys in it",
    /// A replica acknowledges what it has applied, not what it has only received.
    ApplyThenAcknowledge = "acknowledge before applying",
    /// A duplicate update is acknowledged with the receiver's own `committed`.
    OwnAcknowledgement = "re-ack with the duplicate's index",
    /// An update is saved before it is passed on.
    SaveThenSend = "send before save",
    /// A replica that recovers resumes from the log in its store.
    LogRecovery = "log forgotten in a crash",
    /// A replica that recovers with a log sends it again.
    ResumeAfterRestart = "no resend after a restart",
    /// The head logs no more than its window holds.
    WindowBound = "window without a bound",
    /// A replica reports a neighbour that it hears nothing from.
    SilenceReported = "silence is not reported",
    /// What the successor has not acknowledged is sent again.
    Retransmission = "no retransmission",
    /// A write whose deadline has passed is unknown.
    UnknownIsUnknown = "timed-out write called refused",
    /// A gateway sends an operation again while no reply came.
    Retry = "no retry",
    /// The head answers an operation that is committed with its recorded outcome.
    RecordedOutcome = "no recorded outcome",
    /// On a new view, a replica with a successor sends it the log again.
    ResendOnInstall = "no resend on install",
    /// On a new view, the tail commits its log.
    TailCommitsLog = "a tail does not commit its log on install",
    /// A replica answers reads only while it has a lease.
    LeaseForReads = "reads without a lease",
    /// A lease is counted from when its heartbeat was sent.
    LeaseFromSending = "lease counted from receipt",
    /// A lease lasts less than its grant, by more than clocks differ.
    LeaseShorter = "a lease as long as its grant",
    /// Each heartbeat that may become the lease has a timer of its own.
    LapseEach = "one timer for all heartbeats",
    /// A grant counts only in the start of the replica that asked for it.
    BootCheck = "heartbeat without boot",
    /// A view that leaves a member out is voted for only when no grant to it may be live.
    LeaseWait = "no lease wait",
    /// A coordinator times each grant, also while an earlier one lives.
    GrantsTimed = "a grant is not timed while another one lives",
    /// Every acceptor waits for its own grants, not the proposer alone.
    EveryVoteWaits = "an acceptor votes while its own grant lives",
    /// A coordinator that voted for a view that leaves a member out grants that member nothing.
    VoteEndsGrants = "grants go on after the vote",
    /// A coordinator that starts assumes that it granted every member a lease at that moment.
    GrantsAssumed = "a restarted coordinator forgets its grants",
    /// A coordinator remembers what it granted from one view to the next.
    GrantsRemembered = "grants forgotten on an install",
    /// No coordinator wishes or votes for a view that leaves fewer copies than are to be kept.
    CopiesKept = "a chain shrinks as far as it is suspected",
    /// An acceptor votes for no such view, whatever the proposer's setting.
    CopiesVoted = "an acceptor votes for fewer copies than it keeps",
    /// A proposer votes last for a view that leaves fewer copies than others are taken to keep.
    UnusualVotedLast = "a proposer votes first for what others refuse",
    /// A head logs nothing new while its chain has fewer members than copies are to be kept.
    CopiesAwaited = "updates are taken on fewer copies",
    /// An only member takes and acknowledges updates only while it has a lease.
    AloneWithLease = "an only member goes on without a lease",
    /// A replica takes updates and acknowledgements of its own epoch only.
    EpochCheck = "no epoch check",
    /// A member that returns learns what it lacks, before it says that it has everything.
    JoinsByLearning = "rejoin without joining",
    /// A learner removes what it held.
    LearnerEmptied = "a learner keeps what it held",
    /// A learner is sent rows, and updates only when its scan is done.
    RowsNotOperations = "operations instead of rows to a learner",
    /// The operation table is transferred, too.
    LanesTransferred = "operation table left out of the transfer",
    /// A scan ends behind the last operation of the table, also where there is no data.
    TableWhole = "a scan without data ends with its first part",
    /// A key that was deleted leaves a tombstone while the scan has not come to it.
    TombstonesKept = "tombstone dropped during the scan",
    /// A learner takes rows and changes of its own teaching only.
    RowsOfThisSince = "rows of an earlier since accepted",
    /// A tail heeds its learner only in what it says in this teaching.
    CaughtOfThisSince = "caught of an earlier since accepted",
    /// Coordinators forget reports that do not bear on the view that they follow.
    ReportsHeeded = "ready of an earlier since accepted",
    /// A learner takes each part of its scan once.
    PartsOnce = "a part taken twice",
    /// A learner takes each change once.
    ChangesOnce = "a change taken twice",
    /// A learner takes every change of a message, and then says that it has them.
    ChangesWhole = "the first of several changes taken for all of them",
    /// A learner keeps the newer of two rows of a key.
    RowsByAge = "an older row replaces a newer one",
    /// A learner keeps the newer of two operations of a lane.
    LanesByAge = "an older operation replaces a newer one in the table",
    /// A tail goes on teaching the same learner in the next view.
    TeachingGoesOn = "every view ends what is retained",
    /// A member that returns removes what it had received and did not know committed.
    LogDropped = "who returns keeps its uncommitted entries",
    /// A learner that was in its scan when it went away begins anew.
    WholePrefix = "half a scan taken for a prefix",
    /// A tail lets a learner go on that lacks nothing but what it retains.
    ResumeWithin = "a tail lets go on who lacks what it has trimmed",
    /// A tail lets a learner go on whose last operation is in its own history, at that index.
    PrefixOfThisHistory = "a prefix of another history taken for its own",
    /// A tail that starts resumes with what it retained.
    RetainedRecovered = "retained entries forgotten in a crash",
    /// A learner takes changes only after the first part has said where they begin.
    ScanBeforeChanges = "changes before the first part",
    /// A learner's place in its scan survives a crash.
    PlaceDurable = "scan place forgotten in a crash",
    /// That a tail has handed over survives a crash.
    HandoverDurable = "handover forgotten in a crash",
    /// That a tail has handed over is forgotten when its learner is another one.
    HandoverEnds = "handover kept for another since",
    /// A tail calls its learner ready when it has caught up with everything.
    ReadyWhenCaughtUp = "ready before the learner acknowledged everything",
    /// A tail retains an entry until its learner has caught up with it.
    TrimWhenCaughtUp = "tail trims retained entries early",
    /// A tail that has handed over commits what its learner has acknowledged, and nothing else.
    LearnerCommits = "tail commits on its own after the handover",
    /// A tail that has handed over does not answer reads of dirty keys.
    HandedOverWaits = "tail answers dirty keys after the handover",
    /// A learner answers no reads.
    LearnerSilent = "a learner answers reads",
    /// An actor that has lost its store does not start with a new one.
    StoreRequired = "start without a store taken for a fresh node",
    /// An acceptor's promise is saved before it is given.
    PromiseSaved = "an acceptor forgets its promise",
    /// Of the votes that a majority shows it, a proposer takes up the newest.
    NewestVote = "a proposer takes up the oldest vote that it is shown",
    /// For an epoch that is decided, an acceptor answers with the view, and never promises or
    /// votes.
    DecidedAnswers = "an acceptor promises for a decided epoch",
    /// Ring: answers count as a quorum when they are a majority of a replica set.
    QuorumMajority = "quorum of one",
    /// Ring: a read answers what a quorum has voted for, and completes anything else.
    ReadQuorum = "read answers the highest ballot seen",
    /// Ring: a node accepts no ballot below the one that it has promised.
    PromiseKept = "accept below the promise",
    /// Ring: a promise survives a crash.
    PromiseDurable = "promise forgotten across a crash",
    /// Ring: a ballot serves one attempt of one operation only.
    BallotPerAttempt = "ballot shared by two lanes",
    /// Ring: the ballots of a gateway's starts differ.
    BallotIncarnation = "ballot reused after a restart",
    /// Ring: an attempt looks for its operation among the recent ones.
    Recent = "no recent",
    /// Ring: what an attempt finds is held against the smallest version that any attempt saw.
    SmallestBase = "base version of the last attempt",
    /// Ring: an operation that was found among the recent ones is accepted at a quorum before it is
    /// told.
    FoundAccepted = "answer from recent without a quorum",
    /// Ring: what an operation is refused for is accepted at a quorum before that is told.
    RefusalAccepted = "refusal without a quorum",
    /// Ring: nor is it told before an earlier attempt, which saw more, can take effect no more.
    RefusalOfAll = "refused while an earlier attempt is open",
    /// Ring: a tombstone is purged when all replicas hold it.
    PurgeAll = "purge before all hold it",
    /// Ring: a tombstone is purged when no higher ballot was promised.
    PurgePromise = "purge below a promise",
    /// Ring: what is missing reads as having promised the ballots of what was purged.
    BallotFloor = "purge without ballot floor",
    /// Ring: what is missing reads as of a version beyond what was purged.
    VersionFloor = "purge without version floor",
    /// Ring: a newcomer fetches the floors too.
    FloorsFetched = "floors not fetched",
    /// Ring: the ballots of an epoch are higher than those of the one before.
    BallotEpoch = "ballot without epoch",
    /// Ring: a message is served in its own epoch only.
    RingEpochCheck = "no epoch check on the ring",
    /// Ring: in a joint view a quorum is a majority of both replica sets.
    QuorumJoint = "joint view with one majority only",
    /// Ring: a newcomer votes, and reports, when it has fetched everything.
    FetchThenVote = "newcomer votes before its fetch ends",
    /// Ring: a newcomer fetches from a majority of the old replicas.
    FetchMajority = "fetch from one old replica",
    /// Ring: a newcomer forgets what it held before.
    FetchForgets = "newcomer merges what it held before",
    /// Ring: a node that was a newcomer in the view before fetches again.
    FetchEachView = "newcomer does not fetch again",
    /// Ring: a register that was fetched does not count for a read.
    CopyIsNoVote = "a copy counts as a vote",
    /// Ring: a register that was copied from another replica does not count for a read.
    RepairIsNoVote = "a repaired copy counts as a vote",
    /// Ring: a register is copied from another replica only where it is newer.
    RepairNewer = "an older copy replaces a newer register",
    /// Ring: what was purged is not copied from another replica.
    RepairFloor = "a repaired copy brings back what was purged",
    /// A view is decided by a majority of coordinators.
    ViewsByMajority = "suspicion removes without consensus",
    /// Ring: nodes that are gone are given up when a majority of the coordinators would do so.
    GiveUpByMajority = "one coordinator gives up for all",
    /// Ring: a new ring alone is decided when every newcomer has reported.
    ReportsAwaited = "stable view decided early",
    /// A row of a member is taken only if it is newer: by incarnation, then by status.
    NewerRowsOnly = "a stale table accepted",
    /// A dead member's row stays on the table.
    TombstonesOfMembers = "the dead forgotten at once",
    /// A member that hears worse of itself than it knows takes a higher incarnation.
    Refutation = "a suspicion not refuted",
    /// It saves that incarnation before it says so.
    RefutationSaved = "a refutation forgotten in a crash",
    /// A member's incarnation grows, durably, at each of its starts.
    LivesCounted = "a member restarts in its old incarnation",
    /// Members compare tables also with those that they hold dead.
    DeadSought = "no exchange with those held dead",
    /// A gateway of a chain asks the coordinators for views, again and again.
    GatewaysFollow = "a gateway does not ask for views",
    /// A coordinator answers a heartbeat of an older epoch with the newest view.
    OldHeartbeatsAnswered = "a heartbeat of an older epoch gets no answer",
    /// A replica that is in no view asks to join, again and again.
    JoinsAgain = "a replica asks to join once",
    /// A learner that hears nothing asks again.
    LearnsAgain = "a learner asks once",
    /// A coordinator whose ballot gets nowhere begins another one.
    ProposesAgain = "a coordinator proposes once",
    /// An acceptor that hears of no decision proposes what it has voted for.
    VotesFinished = "an undecided vote is left undecided",
    /// Ring: a gateway that gets no answers asks again.
    AsksAgain = "a gateway of a ring asks once",
    /// Ring: a read with a quorum of votes that do not agree waits no longer for other votes.
    ReadsComplete = "a read waits for every replica",
    /// Ring: a gateway that was refused begins another attempt after a while.
    BackoffEnds = "a refused attempt is the last",
    /// Ring: a newcomer that hears nothing fetches, and reports, again.
    FetchesAgain = "a newcomer fetches once",
    /// Ring: nodes ask the coordinators for views, and to come or to go, again and again.
    NodesFollow = "a node asks for views once",
}
