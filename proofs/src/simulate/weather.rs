//! What goes wrong in a run, and how often. Each seed has a weather of its own, in which some of
//! what may go wrong does not: faults that mask each other are so also seen apart. (Groce et al.,
//! "Swarm Testing", ISSTA '12.)

use super::dice::Dice;
use std::ops::Range;

/// Virtual time, in microseconds.
pub type Micros = u64;

/// A millisecond.
pub const MS: Micros = 1000;

/// A second.
pub const SECOND: Micros = 1000 * MS;

/// What goes wrong, and how often, until it calms down. Chances are in a million.
#[derive(Clone, Debug)]
pub struct Weather {
    /// When it calms down: from then on messages arrive soon, and everyone is up.
    pub calm: Micros,
    /// How long an actor's turn takes, before it looks into its inbox again.
    pub turn: Range<Micros>,
    /// How long a commit takes, before what was said in its turn leaves.
    pub commit: Range<Micros>,
    /// How long a message usually takes.
    pub delay: Range<Micros>,
    /// How often it is lost.
    pub lost: u64,
    /// How often there are two of it.
    pub doubled: u64,
    /// How often it takes much longer, so that younger ones overtake it.
    pub slow: u64,
    /// How often it comes so late that the world has changed.
    pub late: u64,
    /// How much later that is, at the most.
    pub lateness: Micros,
    /// How far a clock's rate is from true, at the most.
    pub drift: u64,
    /// The mean time between crashes, if there are any.
    pub crash: Option<Micros>,
    /// How often a crash takes the disk as well.
    pub disk: u64,
    /// The mean time between pauses of a process.
    pub pause: Option<Micros>,
    /// The mean time between partitions.
    pub cut: Option<Micros>,
    /// The mean time between slow links.
    pub drag: Option<Micros>,
}

impl Weather {
    /// That of a seed.
    pub fn draw(dice: &mut Dice) -> Self {
        let often =
            |dice: &mut Dice| dice.pick(&[None, Some(4 * SECOND), Some(SECOND), Some(400 * MS)]);
        Weather {
            calm: dice.within(6 * SECOND..14 * SECOND),
            turn: dice.pick(&[0..20, 10..300, 10..300, 100..3 * MS]),
            commit: dice.pick(&[0..10, 50..500, 200..4 * MS]),
            delay: dice.pick(&[50..100, 50..500, 100..2 * MS, 500..12 * MS]),
            lost: dice.pick(&[0, 5_000, 50_000, 200_000]),
            doubled: dice.pick(&[0, 20_000, 200_000]),
            slow: dice.pick(&[0, 10_000, 100_000]),
            late: dice.pick(&[0, 1_000, 5_000, 20_000]),
            lateness: dice.pick(&[SECOND, 8 * SECOND]),
            drift: dice.pick(&[0, 10_000, 50_000]),
            crash: often(dice),
            disk: dice.pick(&[0, 0, 100_000]),
            pause: often(dice),
            cut: often(dice),
            drag: often(dice),
        }
    }

    /// How long a message takes that is on its way through a network that is calm, or through this
    /// one.
    pub fn journey(&self, dice: &mut Dice, is_calm: bool) -> Micros {
        if is_calm {
            return dice.within(50..MS);
        }
        let usual = dice.within(self.delay.clone());
        let more = match () {
            () if dice.chance(self.late) => dice.below(self.lateness),
            () if dice.chance(self.slow) => dice.below(100 * MS),
            () => 0,
        };
        usual + more
    }

    /// How long something that goes wrong lasts: mostly shorter than any actor notices, or long
    /// enough to be suspected.
    pub fn spell(&self, dice: &mut Dice) -> Micros {
        match dice.below(3) {
            0 => dice.within(MS..100 * MS),
            1 => dice.within(100 * MS..600 * MS),
            _ => dice.within(400 * MS..2500 * MS),
        }
    }
}
