//! What Chainring claims about its protocols, and what checks it.
//!
//! The actors in here are the values of `chainring-model` that run in production, interpreted by
//! stateright's checker instead of by a network and a disk:
//!
//! - [`checker`] explores a system of actors, whichever they are: [`checker::model::Checked`] is
//!   the model around it, [`checker::crash_points`] one that tears an actor's step apart and
//!   crashes it in between;
//! - [`history`] records what clients saw, and [`history::linearizable`] judges whether it is
//!   linearizable;
//! - [`chain`], [`ring`], [`coordinators`] and [`membership`] have a folder each, of one shape:
//!   `setup` makes models of configurations, `world` is what properties look at, `invariants` are
//!   those that must hold, `reached` what must be possible, `reductions` what need not be told
//!   apart, `model` the model of a configuration, `models` the configurations by name, `mutants`
//!   (the ring's alone) the schedules of controls whose runs are too long to be searched for,
//!   `simulate` the protocol as it is simulated;
//! - [`claim`] names what is claimed, [`catalogue`] lists all models by name, and [`mutants`] those
//!   that must fail: one for each mechanism;
//! - [`simulate`] takes a random walk through systems that are too large to be explored, in virtual
//!   time, and [`simulations`] lists those.

// A match over an enum names all of its variants, so that a new message is seen to everywhere.
#![cfg_attr(not(test), deny(clippy::wildcard_enum_match_arm))]

pub mod catalogue;
pub mod claim;
pub mod history;
pub mod mutants;
pub mod simulate;
pub mod simulations;

/// What explores a system of actors, whichever they are.
pub mod checker {
    pub mod checked;
    pub mod clock;
    pub mod crash_points;
    pub mod entry;
    pub mod explore;
    pub mod graph;
    pub mod intern;
    pub mod liveness;
    pub mod model;
    pub mod reduce;
    pub mod run;
    pub mod schedule;
    pub mod state;
    mod stateright;
    mod step;

    pub use stateright::CAPTION;
    #[cfg(test)]
    pub(crate) use stateright::to_stateright;
}

/// Chains.
pub mod chain {
    pub mod invariants;
    pub mod liveness;
    mod model;
    pub mod models;
    mod reached;
    pub mod reductions;
    mod setup;
    pub(crate) mod simulate;
    #[cfg(test)]
    mod tests;
    pub mod world;

    pub use reached::Reached;
    pub use setup::{Absent, Client, Mortal, Setup, Since, Stored, names};
    pub use world::FIRST_EPOCH;
}

/// Rings.
pub mod ring {
    pub(crate) mod invariants;
    pub mod liveness;
    mod model;
    pub mod models;
    pub mod mutants;
    mod reached;
    mod reductions;
    mod setup;
    pub(crate) mod simulate;
    pub mod world;

    pub use invariants::of_ring;
    pub use reached::Reached;
    pub use setup::{Client, How, Mortal, Planted, Setup, names};
    pub use world::{Action, ProofActor, ProofStore, RingModel, State, System, finished};
}

/// Coordinators by themselves.
pub mod coordinators {
    pub mod invariants;
    pub mod liveness;
    pub mod models;
    mod reached;
    mod setup;
    pub mod world;

    pub use setup::Setup;
}

/// Members by themselves.
pub mod membership {
    pub mod invariants;
    pub mod liveness;
    pub mod models;
    mod reached;
    mod setup;
    pub mod world;

    pub use reached::Reached;
    pub use setup::Setup;
    pub use world::{MembershipModel, agree};
}
