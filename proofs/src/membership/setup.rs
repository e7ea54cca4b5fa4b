//! Members by themselves, as values: do the dead stay dead, and do tables converge?

use super::invariants::of_members;
use super::reached::Reached;
use super::world::{Lives, MembershipModel, ProofActor, ProofStore, witness};
use crate::checker::model::Checked;
use crate::checker::reduce::Pruning;
use chainring_model::Mechanisms;
use chainring_model::membership::{Member, Msg, Timeouts, Timer};
use stateright::actor::{ActorModelAction, Envelope, Id};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

/// A system to check.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Of each member, how many periods it begins in a life, at the most.
    pub periods: Vec<u64>,
    /// Which members compare tables, as often as they like.
    pub comparing: Vec<usize>,
    /// Whether questions are asked again, and others help.
    pub tries: u32,
    /// How many crashes, each with a recovery, in all.
    pub crashes: u8,
    /// Which actors may crash.
    pub mortal: Vec<usize>,
    /// Which members are cut off, so that nothing reaches them.
    pub cut_off: Option<usize>,
    /// Which members may leave.
    pub leaver: Option<usize>,
    /// Whether no other has heard of the last member at the start, and it has heard of the first
    /// one only.
    pub newcomer: bool,
    /// Whether messages are lost for good.
    pub lossy: bool,
    /// What must be reachable.
    pub reached: Vec<Reached>,
}

impl Setup {
    /// Members that only answer, by default.
    pub fn new(periods: impl IntoIterator<Item = u64>) -> Self {
        Setup {
            periods: periods.into_iter().collect(),
            comparing: Vec::new(),
            tries: 0,
            crashes: 0,
            mortal: Vec::new(),
            cut_off: None,
            leaver: None,
            newcomer: false,
            lossy: false,
            reached: Vec::new(),
        }
    }

    /// With these members comparing tables.
    pub fn comparing(mut self, members: impl IntoIterator<Item = usize>) -> Self {
        self.comparing = members.into_iter().collect();
        self
    }

    /// With so many crashes, of these members.
    pub fn crashes(mut self, crashes: u8, mortal: impl IntoIterator<Item = usize>) -> Self {
        (self.crashes, self.mortal) = (crashes, mortal.into_iter().collect());
        self
    }

    /// With this to be reached.
    pub fn reached(mut self, reached: impl IntoIterator<Item = Reached>) -> Self {
        self.reached = reached.into_iter().collect();
        self
    }

    /// Members by number.
    fn ids(&self) -> impl Iterator<Item = Id> {
        (0..self.periods.len()).map(Id::from)
    }

    /// The node that a member speaks for.
    fn node(member: Id) -> Id {
        Id::from(10 + usize::from(member))
    }

    /// Which members a member has heard of at the start.
    fn seeds(&self, of: Id) -> BTreeMap<Id, Id> {
        let last = Id::from(self.periods.len() - 1);
        let knows = |other: &Id| match self.newcomer {
            false => true,
            true if of == last => usize::from(*other) == 0,
            true => *other != last,
        };
        self.ids().filter(knows).map(|other| (other, Self::node(other))).collect()
    }

    /// Short suspicions, news that is told once.
    fn timeouts(&self) -> Timeouts {
        let (tries, relays) = (self.tries, 1);
        Timeouts { tries, relays, suspicion: 0..0, retell: 0, ..Timeouts::default() }
    }

    /// The model that checks this.
    pub fn model<M: Mechanisms>(&self, mechanisms: &M, pruning: Pruning) -> MembershipModel<M> {
        let mortal: Vec<_> = self.mortal.iter().copied().map(Id::from).collect();
        let mut model =
            Checked::new(Lives::default()).crashes(self.crashes, mortal).pruning(pruning);
        if self.lossy {
            model = model.lossy();
        }
        for id in self.ids() {
            let mut store = ProofStore::default();
            ProofActor::init(&mut store);
            let (node, seeds) = (Self::node(id), self.seeds(id));
            let timeouts = self.timeouts();
            let member = Member::with(node, seeds, None, timeouts, mechanisms.clone());
            model = model.actor(member, Some(store));
        }
        if let Some(leaver) = self.leaver.map(Id::from) {
            model = model.in_flight([Envelope { src: leaver, dst: leaver, msg: Msg::Leave }]);
        }
        let this = self.clone();
        let model = model.witness(witness).scope(move |system, action| match action {
            ActorModelAction::Timeout(id, Timer::Probe) => {
                let index = usize::from(*id);
                let Some(state) = &*system.actor_states[index] else { return false };
                state.round < this.periods[index]
            }
            ActorModelAction::Timeout(id, Timer::Exchange) => {
                this.comparing.contains(&usize::from(*id))
            }
            ActorModelAction::Deliver { dst, .. } => this.cut_off != Some(usize::from(*dst)),
            ActorModelAction::Drop(_)
            | ActorModelAction::Timeout(..)
            | ActorModelAction::Crash(_)
            | ActorModelAction::Recover(_)
            | ActorModelAction::SelectRandom { .. } => true,
        });
        let model = of_members().into_iter().fold(model, Checked::property);
        self.reached.iter().map(|reached| reached.property()).fold(model, Checked::property)
    }
}

impl Display for Setup {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let list = |numbers: &[usize]| {
            let names: Vec<_> = numbers.iter().map(|number| format!("m{number}")).collect();
            names.join(", ")
        };
        let periods: Vec<_> = self.periods.iter().map(u64::to_string).collect();
        let network = if self.lossy { "lossy, duplicating" } else { "duplicating" };
        let (count, periods) = (self.periods.len(), periods.join(", "));
        write!(f, "{count} members with at most {periods} periods a life")?;
        if self.newcomer {
            write!(f, ", the last one a newcomer")?;
        }
        if self.tries > 0 {
            write!(f, ", who ask again")?;
        }
        if !self.comparing.is_empty() {
            write!(f, ", tables compared by {}", list(&self.comparing))?;
        }
        if let Some(cut_off) = self.cut_off {
            write!(f, ", m{cut_off} cut off")?;
        }
        if let Some(leaver) = self.leaver {
            write!(f, ", m{leaver} may leave")?;
        }
        write!(f, ", {network} network")?;
        if self.crashes > 0 {
            let s = if self.crashes == 1 { "" } else { "es" };
            write!(f, ", {} crash{s} of {} with recovery", self.crashes, list(&self.mortal))?;
        }
        Ok(())
    }
}
