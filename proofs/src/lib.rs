//! What Chainring claims about its protocols, and what checks it.
//!
//! The actors in here are the values of `chainring-model` that run in production, interpreted by
//! stateright's checker instead of by a network and a disk:
//!
//! - [`checked::Checked`] is the model around a system of actors; [`torn::Torn`] is one that tears an
//!   actor's step apart and crashes it in between;
//! - [`system`] is what their states are, made of parts that are stored once ([`shared`]);
//! - [`chain`], [`ring`], [`council`] and [`membership`] make models of chains, of rings, of coordinators by
//!   themselves, and of members by themselves;
//! - [`history`] records what clients saw, and [`possible`] judges whether it is linearizable;
//! - [`invariants`] has every property, one a file;
//! - [`catalogue`] lists the configurations by name, and [`mutants`] those that must fail, some of them
//!   driven by a script ([`drive`](mod@drive));
//! - [`run`] explores one and reports, and [`explore`] opens it in stateright's Explorer;
//! - [`simulate`] takes a random walk through systems that are too large to be explored, in virtual time.

pub mod catalogue;
pub mod chain;
pub mod checked;
pub mod clock;
pub mod council;
pub mod drive;
pub mod explore;
pub mod graph;
pub mod history;
pub mod invariants;
pub mod membership;
pub mod mutants;
pub mod possible;
pub mod ring;
pub mod run;
pub mod shared;
pub mod simulate;
pub mod spent;
pub mod system;
pub mod torn;
pub mod world;
