//! What fails when, drawn from the seed.
//!
//! The seed decides the storms, the outage, and the series of draws. Which request meets which draw is a matter of
//! scheduling, so that a run can be repeated in kind, not to the letter.

use std::{ops::Range, time::Duration};

use fastrand::Rng;

/// Whom storms befall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    DynamoDb,
    Sqs,
    Cms,
}

/// How long a storm blows, and how long it is from one to the next.
const STORM: Duration = Duration::from_millis(1200);
const BETWEEN: Duration = Duration::from_millis(2500);
/// In a storm, faults are so much more frequent.
const GALE: u32 = 4;

/// When storms blow, and when SQS takes no message at all; as times since the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    storms: Vec<(Target, Range<Duration>)>,
    outage: Range<Duration>,
}

impl Plan {
    /// The plan for faults that go on for `window`, or for `longest` where that does not suffice.
    pub(crate) fn new(seed: u64, window: Duration, longest: Duration) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut targets = [Target::DynamoDb, Target::Sqs, Target::Cms];
        rng.shuffle(&mut targets);
        let mut storms = Vec::new();
        let mut begin = BETWEEN.mul_f64(rng.f64());
        // In turn, so that none is left out of a short window.
        for target in targets.into_iter().cycle() {
            if begin >= longest {
                break;
            }
            storms.push((target, begin..begin + STORM));
            begin += BETWEEN.mul_f64(0.7 + 0.6 * rng.f64());
        }
        // The middle one of the waves of clients falls into it.
        let outage = window.mul_f64(0.3 + 0.075 * rng.f64());
        Self {
            storms,
            outage: outage..outage + window.mul_f64(0.2),
        }
    }

    /// By how much faults of that target are more frequent at that time.
    pub(crate) fn gale(&self, target: Target, at: Duration) -> u32 {
        let blows =
            |(whom, when): &(Target, Range<Duration>)| *whom == target && when.contains(&at);
        if self.storms.iter().any(blows) {
            GALE
        } else {
            1
        }
    }

    /// Whether SQS takes no message at that time.
    pub(crate) fn is_out(&self, at: Duration) -> bool {
        self.outage.contains(&at)
    }
}

/// What the CMS does with the brand of that number, whatever else happens: most brands it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Taken,
    Refused,
    RefusedAfterActing,
    /// Refused after acting, and the deletion is refused as well.
    Kept,
}

impl Fate {
    const ALL: [Self; 4] = [
        Self::Taken,
        Self::Refused,
        Self::RefusedAfterActing,
        Self::Kept,
    ];

    pub(crate) const fn of(number: usize) -> Self {
        match number % 20 {
            3 => Self::Refused,
            9 => Self::RefusedAfterActing,
            1 | 14 => Self::Kept,
            _ => Self::Taken,
        }
    }

    /// The name of such a brand: its fate can be told from it.
    pub(crate) fn name(self, number: usize) -> String {
        format!("{} {number}", self.word())
    }

    pub(crate) fn of_name(name: &str) -> Self {
        let is_it = |fate: &Self| name.starts_with(fate.word());
        Self::ALL.into_iter().find(is_it).unwrap_or(Self::Taken)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Taken => "Brand",
            Self::Refused => "Unwanted brand",
            Self::RefusedAfterActing => "Regretted brand",
            Self::Kept => "Sticky brand",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Fate, Plan, Target};

    #[test]
    fn the_same_seed_makes_the_same_plan_and_another_seed_another() {
        let window = Duration::from_secs(15);
        let plan = |seed| Plan::new(seed, window, window);
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn every_target_meets_a_storm_in_a_short_window_and_sqs_is_out_once() {
        for seed in 0..1000 {
            let window = Duration::from_secs(15);
            let plan = Plan::new(seed, window, window);
            let times = || (0..150).map(|tenths| Duration::from_millis(tenths * 100));
            for target in [Target::DynamoDb, Target::Sqs, Target::Cms] {
                assert!(times().any(|at| plan.gale(target, at) > 1), "{seed}");
            }
            assert!(times().any(|at| plan.is_out(at)), "{seed}");
            assert!(!plan.is_out(window), "{seed}");
        }
    }

    #[test]
    fn a_brands_fate_is_told_by_its_name() {
        for number in 0..100 {
            let fate = Fate::of(number);
            assert_eq!(Fate::of_name(&fate.name(number)), fate);
        }
    }
}
