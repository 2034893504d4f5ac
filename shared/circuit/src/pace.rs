//! The rate at which one process calls the service: its share of the configured rate, and less while the CMS answers 429.
//!
//! Calls are spaced evenly, without a burst (GCRA, a token bucket that holds one token). A run waits in line for its first call
//! before it begins; what it calls later goes ahead of the line, since runs that have begun hold leases. Pure logic: the caller
//! passes the time in, and sleeps.
//!
//! A 429 pauses the process for as long as it says. What becomes of the rate then:
//!
//! | the 429 comes | at the configured rate | at a rate that was learnt | without a rate |
//! |---|---|---|---|
//! | after ten accepted calls or more | it stays | a fifth less | half of what the last second had |
//! | sooner | a fifth less | half | the same |
//!
//! Each accepted call raises a rate that was learnt a little, and never above the configured one. Since that counts calls and not time, the part of the calls that are
//! refused is the same for a slow CMS and for a fast one: about one in forty.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use workflow::Timestamp;

/// How long a 429 without `Retry-After` pauses the process. Also the shortest time between two cuts.
const PAUSE: Duration = Duration::from_secs(1);
/// The upper bound of a pause, even if `Retry-After` asks for more.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(24);
/// How long a run that has begun waits for its next call.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many accepted calls take the rate back to where it was cut.
const RECOVERY: f64 = 40.0;
/// A 429 that comes after so many accepted calls is rare: the rate is about right.
const RARE: u32 = 10;
/// What is left of a rate that is about right.
const SMALL_CUT: f64 = 0.8;
/// What is left of any other.
const CUT: f64 = 0.5;
/// After how long without a 429 the rate that was learnt is forgotten.
const FORGET: Duration = Duration::from_mins(15);
/// The lowest rate that is learnt, in calls a second: one call in an invocation.
const LOWEST: f64 = 0.04;
/// How much of its share a process uses. Writes and the network make calls arrive less evenly than they are spaced, and a CMS
/// that counts strictly would refuse the one that comes a few milliseconds early.
const USED: f64 = 0.95;
/// In what time the calls of a process without a rate are counted.
const RECENT: Duration = Duration::from_secs(1);

/// The pace of one process.
#[derive(Debug, Default)]
pub struct Pace {
    /// The process's share of the configured rate, in calls a second.
    share: Option<f64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the next call may be made. Since the Unix epoch, as [`Timestamp`] is; a millisecond is too coarse for a share.
    next: Duration,
    /// When the CMS will take calls again, as it said.
    paused_until: Timestamp,
    /// The runs that wait to begin, the first one in front.
    line: VecDeque<u64>,
    tickets: u64,
    /// The time that was passed in last.
    seen: Timestamp,
    /// The calls of the last second; empty while there is a rate.
    recent: VecDeque<Timestamp>,
    learnt: Option<Learnt>,
    /// How many calls were accepted since the 429 that counted last.
    accepted: u32,
    /// A 429 to a call that was made earlier does not count once more.
    counted_until: Timestamp,
    limited_at: Timestamp,
}

/// What 429s have taught.
#[derive(Clone, Copy, Debug)]
struct Learnt {
    /// To what the rate was cut, in calls a second.
    cut_to: f64,
    /// What an accepted call adds to it.
    step: f64,
}

/// A place in the line of runs that wait to begin. Dropping it leaves the line.
pub struct Ticket<'a> {
    pace: &'a Pace,
    number: u64,
}

/// Whether a run may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Now: its first call is paid for.
    Now,
    /// Perhaps then: ask again.
    At(Timestamp),
    /// Not in time.
    TooLate,
}

impl Pace {
    /// The pace of a process whose share of the configured rate is `share`, in calls per second. If it is `None`, there is no limit
    /// until the CMS answers 429.
    #[must_use]
    pub fn new(share: Option<f64>) -> Self {
        Self {
            share: share.map(|share| share * USED),
            state: Mutex::new(State {
                // A configured rate is taken for right.
                accepted: if share.is_some() { RARE } else { 0 },
                ..State::default()
            }),
        }
    }

    /// Joins the end of the line. A process that was idle lets a random part of the time between two calls pass: otherwise all
    /// processes would begin at once where the sweep sends many reminders, and their first calls would be a burst.
    pub fn join_line(&self, now: Timestamp, random: u64) -> Ticket<'_> {
        let mut state = self.state_at(now);
        let interval = state.interval(self.share, now);
        let is_idle = state.next.saturating_add(interval) < state.next_at(now);
        if state.line.is_empty() && is_idle {
            let percent = u32::try_from(random % 100).unwrap_or(0);
            state.next = since_epoch(now).saturating_add(interval / 100 * percent);
        }
        state.tickets += 1;
        let number = state.tickets;
        state.line.push_back(number);
        Ticket { pace: self, number }
    }

    /// Reserves a call for a run that has begun: answers when it may be made, which is at most two seconds from now. Otherwise
    /// nothing is reserved, and the answer is the wait.
    ///
    /// Where calls are further apart than a second, the run borrows two calls, a read and the write behind it, and the line waits
    /// for them. It would never get to its write otherwise.
    pub fn reserve(
        &self,
        now: Timestamp,
        latest: Option<Timestamp>,
    ) -> Result<Timestamp, Duration> {
        let mut state = self.state_at(now);
        let interval = state.interval(self.share, now);
        let borrowed = interval.saturating_mul(2).saturating_sub(PATIENCE);
        let at = moment(state.next.saturating_sub(borrowed));
        let at = at.max(state.paused_until).max(now);
        let patience = now.plus(PATIENCE);
        if at > latest.map_or(patience, |latest| latest.min(patience)) {
            return Err(now.until(at));
        }
        state.take(interval, now);
        Ok(at)
    }

    /// How long the CMS still wants to be left alone.
    pub fn pause(&self, now: Timestamp) -> Duration {
        now.until(self.state_at(now).paused_until)
    }

    /// The CMS took a call.
    pub fn accepted(&self) {
        let mut state = self.state();
        state.accepted = state.accepted.saturating_add(1);
    }

    /// The CMS answered 429 to a call that was made at `made_at`. The calls that were under way when the process paused do not
    /// count once more.
    ///
    /// ```text
    /// call a ──► 429: half the rate, a pause ──────────► call c ──► 429: half of that
    /// call b ─────────► 429: the pause may become longer
    /// ```
    pub fn limited(&self, made_at: Timestamp, now: Timestamp, retry_after: Option<Duration>) {
        let pause = retry_after.unwrap_or(PAUSE).min(LONGEST_PAUSE);
        let mut state = self.state_at(now);
        let rate = state.rate(self.share, now);
        state.paused_until = state.paused_until.max(now.plus(pause));
        state.next = state.next.max(since_epoch(state.paused_until));
        state.limited_at = now;
        if made_at < state.counted_until {
            return;
        }
        state.counted_until = now.plus(pause.max(PAUSE));
        let is_rare = mem::take(&mut state.accepted) >= RARE;
        let kept = match (&state.learnt, self.share) {
            // Calls came a little closer together than they were spaced.
            (None, Some(_)) if is_rare => return,
            (None, Some(_)) => SMALL_CUT,
            (Some(_), _) if is_rare => SMALL_CUT,
            (Some(_), _) | (None, None) => CUT,
        };
        let rate = rate.unwrap_or_else(|| state.recent_rate(now));
        let cut_to = (rate * kept).max(LOWEST);
        let step = (rate - cut_to).max(0.0) / RECOVERY;
        state.recent.clear();
        state.learnt = Some(Learnt { cut_to, step });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A clock that was set back takes the moments along. Otherwise nothing would be called until it is there again.
    fn state_at(&self, now: Timestamp) -> MutexGuard<'_, State> {
        let mut state = self.state();
        let set_back = now.until(state.seen);
        if !set_back.is_zero() {
            state.next = state.next.saturating_sub(set_back);
            state.paused_until = state.paused_until.minus(set_back);
        }
        state.seen = now;
        state
    }
}

impl Ticket<'_> {
    /// Whether the run may begin, which it has to do by `latest`. A turn is an estimate: it comes later where runs that have
    /// begun make further calls or the rate falls.
    #[must_use]
    pub fn turn(&self, now: Timestamp, latest: Option<Timestamp>) -> Turn {
        let mut state = self.pace.state_at(now);
        let interval = state.interval(self.pace.share, now);
        let mut line = state.line.iter();
        let place = line.position(|number| *number == self.number);
        let place = u32::try_from(place.unwrap_or(0)).unwrap_or(u32::MAX);
        let next = state.next_at(now);
        let at = moment(next.saturating_add(interval.saturating_mul(place))).max(now);
        if latest.is_some_and(|latest| at > latest) {
            return Turn::TooLate;
        }
        if at > now {
            return Turn::At(at);
        }
        state.take(interval, now);
        Turn::Now
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.pace.state();
        state.line.retain(|number| *number != self.number);
    }
}

impl State {
    /// The current rate in calls per second; `None` if there is no limit.
    fn rate(&mut self, share: Option<f64>, now: Timestamp) -> Option<f64> {
        if self.limited_at.until(now) >= FORGET {
            self.learnt = None;
        }
        let accepted = f64::from(self.accepted);
        let learnt = |learnt: Learnt| learnt.step.mul_add(accepted, learnt.cut_to);
        let rate = self.learnt.map(learnt);
        if rate.zip(share).is_some_and(|(rate, share)| rate >= share) {
            self.learnt = None;
            return share;
        }
        rate.or(share)
    }

    /// How far apart calls are.
    fn interval(&mut self, share: Option<f64>, now: Timestamp) -> Duration {
        self.rate(share, now).map_or(Duration::ZERO, |rate| {
            Duration::try_from_secs_f64(rate.recip()).unwrap_or(LONGEST_PAUSE)
        })
    }

    /// When the next call may be made. A process that was idle has saved nothing up, but for the part of a millisecond by
    /// which a sleep was too long.
    fn next_at(&self, now: Timestamp) -> Duration {
        const LESS_THAN_A_TICK: Duration = Duration::from_nanos(999_999);
        self.next
            .max(since_epoch(now).saturating_sub(LESS_THAN_A_TICK))
    }

    /// Uses up one call.
    fn take(&mut self, interval: Duration, now: Timestamp) {
        self.next = self.next_at(now).saturating_add(interval);
        if interval.is_zero() {
            self.recent.push_back(now);
            self.recent_rate(now);
        }
    }

    /// How many calls were made in the last second; at least one.
    fn recent_rate(&mut self, now: Timestamp) -> f64 {
        let is_old = |at: &Timestamp| at.until(now) >= RECENT;
        while self.recent.front().is_some_and(is_old) {
            self.recent.pop_front();
        }
        f64::from(u32::try_from(self.recent.len().max(1)).unwrap_or(u32::MAX))
    }
}

const fn since_epoch(moment: Timestamp) -> Duration {
    Duration::from_millis(moment.as_millis())
}

/// The first whole millisecond that is not before `since_epoch`.
fn moment(since_epoch: Duration) -> Timestamp {
    let millis = since_epoch.as_nanos().div_ceil(1_000_000);
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
