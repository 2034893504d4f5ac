use std::{collections::VecDeque, time::Duration};

use workflow::Timestamp;

use super::{FORGET, LONGEST_PAUSE, PATIENCE, PAUSE, Pace, RARE, Turn, USED};

const START: Timestamp = Timestamp::from_millis(1_795_427_107_966);
const SECOND: Duration = Duration::from_secs(1);

fn after(millis: u64) -> Timestamp {
    START.plus(Duration::from_millis(millis))
}

/// A process that may make so many calls in a second.
fn paced(rate: f64) -> Pace {
    Pace::new(Some(rate / USED))
}

/// When a run may begin that joins the line at that time; no other joins it.
fn begin(pace: &Pace, mut now: Timestamp) -> Timestamp {
    let ticket = pace.join_line(now, 0);
    while let Turn::At(at) = ticket.turn(now, None) {
        now = at;
    }
    now
}

fn accept(pace: &Pace, calls: u32) {
    for _ in 0..calls {
        pace.accepted();
    }
}

/// A 429 at that time, to a call that was made then. Answers when the process may go on.
fn limit(pace: &Pace, now: Timestamp, retry_after: Option<Duration>) -> Timestamp {
    pace.limited(now, now, retry_after);
    now.plus(pace.pause(now))
}

/// How far apart the next two calls are.
fn interval(pace: &Pace, now: Timestamp) -> Duration {
    let first = begin(pace, now);
    first.until(begin(pace, first))
}

#[test]
fn calls_are_spaced_evenly_and_a_process_that_was_idle_has_no_burst() {
    let pace = paced(4.0);
    for begun in [0, 60_000] {
        let mut now = after(begun);
        for millis in [0, 250, 500, 750] {
            now = begin(&pace, now);
            assert_eq!(now, after(begun + millis));
        }
    }
}

#[test]
fn a_share_that_is_finer_than_a_millisecond_is_kept() {
    let pace = paced(3_000.0);
    let mut now = START;
    for _ in 0..3_000 {
        now = begin(&pace, now);
    }
    let took = START.until(now).as_millis();
    assert!((999..=1_001).contains(&took), "{took}");
}

#[test]
fn without_a_configured_rate_and_a_429_nothing_waits() {
    let pace = Pace::new(None);
    for _ in 0..1_000 {
        assert_eq!(begin(&pace, START), START);
        assert_eq!(pace.reserve(START, None), Ok(START));
    }
}

#[test]
fn runs_begin_in_the_order_in_which_they_joined_the_line() {
    let pace = paced(1.0);
    let tickets = [0, 0, 0].map(|random| pace.join_line(START, random));
    let [first, second, third] = &tickets;
    assert_eq!(third.turn(START, None), Turn::At(after(2_000)));
    assert_eq!(second.turn(START, None), Turn::At(after(1_000)));
    assert_eq!(first.turn(START, None), Turn::Now);
}

#[test]
fn a_run_that_gives_up_or_is_dropped_leaves_the_line() {
    let pace = paced(1.0);
    let first = pace.join_line(START, 0);
    let second = pace.join_line(START, 0);
    assert_eq!(second.turn(START, Some(after(999))), Turn::TooLate);
    assert_eq!(
        second.turn(START, Some(after(1_000))),
        Turn::At(after(1_000))
    );
    drop(first);
    assert_eq!(second.turn(START, Some(START)), Turn::Now);
}

#[test]
fn a_run_that_has_begun_goes_ahead_of_the_line() {
    let pace = paced(1.0);
    begin(&pace, START);
    let waiting = pace.join_line(START, 0);
    assert_eq!(waiting.turn(START, None), Turn::At(after(1_000)));
    assert_eq!(pace.reserve(START, None), Ok(after(1_000)));
    assert_eq!(waiting.turn(START, None), Turn::At(after(2_000)));
}

#[test]
fn a_call_that_would_wait_for_more_than_two_seconds_reserves_nothing() {
    let pace = paced(2.0);
    for call in 0..=4 {
        let at = after(call * 500);
        assert_eq!(pace.reserve(START, None), Ok(at));
    }
    let wait = PATIENCE.saturating_add(Duration::from_millis(500));
    assert_eq!(pace.reserve(START, None), Err(wait));
    assert_eq!(pace.reserve(START, None), Err(wait), "nothing was reserved");
    let latest = Some(after(2_400));
    assert_eq!(pace.reserve(after(500), latest), Err(PATIENCE));
}

#[test]
fn where_calls_are_far_apart_a_run_that_has_begun_borrows_a_read_and_a_write() {
    let pace = paced(0.1);
    begin(&pace, START);
    assert_eq!(pace.reserve(START, None), Ok(START));
    assert_eq!(pace.reserve(START, None), Ok(after(2_000)));
    assert_eq!(pace.reserve(after(2_000), None), Err(10 * SECOND));
    assert_eq!(begin(&pace, after(2_000)), after(30_000), "it is paid back");
}

#[test]
fn a_429_pauses_the_process_for_as_long_as_it_says_up_to_a_day() {
    for (retry_after, pause) in [
        (None, PAUSE),
        (Some(Duration::ZERO), Duration::ZERO),
        (Some(30 * SECOND), 30 * SECOND),
        (Some(1_000 * LONGEST_PAUSE), LONGEST_PAUSE),
    ] {
        for pace in [Pace::new(None), paced(10.0)] {
            limit(&pace, START, retry_after);
            assert_eq!(pace.pause(START), pause);
            assert_eq!(begin(&pace, START), START.plus(pause));
        }
    }
    let pace = Pace::new(None);
    limit(&pace, START, Some(30 * SECOND));
    limit(&pace, START, Some(SECOND));
    assert_eq!(pace.reserve(START, None), Err(30 * SECOND));
}

#[test]
fn the_first_429_halves_the_rate_of_the_last_second() {
    let pace = Pace::new(None);
    for call in 0..100 {
        begin(&pace, after(call * 50));
    }
    let now = limit(&pace, after(4_950), None);
    assert_eq!(interval(&pace, now), Duration::from_millis(100));
}

#[test]
fn the_calls_that_were_under_way_cut_the_rate_no_further() {
    let pace = Pace::new(None);
    for _ in 0..10 {
        begin(&pace, START);
    }
    for millis in [20, 30, 1_900] {
        pace.limited(START, after(millis), None);
    }
    assert_eq!(pace.pause(after(1_900)), PAUSE, "they prolong the pause");
    assert_eq!(interval(&pace, after(2_900)), Duration::from_millis(200));
    let now = limit(&pace, after(3_200), None);
    assert_eq!(interval(&pace, now), Duration::from_millis(400));
}

#[test]
fn accepted_calls_take_the_rate_back_and_beyond_and_a_rare_429_costs_a_fifth() {
    let pace = Pace::new(None);
    for _ in 0..20 {
        begin(&pace, START);
    }
    let now = limit(&pace, START, None);
    let is_about = |now, rate: f64| {
        let found = interval(&pace, now);
        let difference = found.abs_diff(Duration::from_secs_f64(rate.recip()));
        assert!(difference <= Duration::from_millis(1), "{rate}: {found:?}");
    };
    for (second, calls, rate) in [(0, 0, 10.0), (1, 20, 15.0), (2, 20, 20.0), (3, 40, 30.0)] {
        accept(&pace, calls);
        is_about(now.plus(second * SECOND), rate);
    }
    let now = limit(&pace, now.plus(4 * SECOND), None);
    is_about(now, 24.0);
}

#[test]
fn with_a_configured_rate_a_rare_429_is_a_pause_and_frequent_ones_lower_it() {
    let pace = paced(4.0);
    let mut now = START;
    let mut interval_after_429 = |accepted| {
        accept(&pace, accepted);
        now = limit(&pace, now.plus(SECOND), None);
        interval(&pace, now).as_millis()
    };
    let intervals = [0, RARE, 0, 0, RARE].map(&mut interval_after_429);
    // 4 calls a second, 4, 3.2, 1.6; then a fifth less than what ten accepted calls have brought back.
    assert_eq!(intervals.get(..4), Some(&[250, 250, 313, 625][..]));
    assert!((625..780).contains(intervals.last().unwrap_or(&0)));
    accept(&pace, 1_000);
    assert_eq!(
        interval(&pace, now.plus(SECOND)).as_millis(),
        250,
        "no faster"
    );
}

#[test]
fn a_rate_that_was_learnt_is_forgotten_in_time() {
    let pace = Pace::new(None);
    limit(&pace, START, None);
    let almost = START.plus(FORGET).minus(SECOND);
    assert_ne!(interval(&pace, almost), Duration::ZERO);
    let later = START.plus(FORGET).plus(10 * SECOND);
    assert_eq!(interval(&pace, later), Duration::ZERO);
}

#[test]
fn processes_that_were_idle_begin_apart() {
    let begun = [0, 25, 50, 99].map(|random| {
        let pace = paced(1.0);
        match pace.join_line(START, random).turn(START, None) {
            Turn::At(at) => START.until(at).as_millis(),
            _ => 0,
        }
    });
    assert_eq!(begun, [0, 250, 500, 990]);
    let busy = paced(1.0);
    begin(&busy, START);
    let ticket = busy.join_line(after(1_100), 50);
    assert_eq!(ticket.turn(after(1_100), None), Turn::Now);
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_up() {
    let pace = paced(1.0);
    begin(&pace, START);
    limit(&pace, START, Some(30 * SECOND));
    let back = START.minus(Duration::from_hours(1));
    assert_eq!(begin(&pace, back), back.plus(30 * SECOND));
}

/// One process against a CMS that takes so many calls in any ten seconds. Answers how many are taken in a second, and which part is
/// refused, once the first ten minutes are over.
fn against(limit: u32) -> (f64, f64) {
    let (span, most) = (10 * SECOND, usize::try_from(limit).unwrap_or(usize::MAX));
    let pace = Pace::new(None);
    let (mut now, mut taken) = (START, VecDeque::new());
    let (mut calls, mut refused) = (0, 0);
    let (begun, end) = (after(600_000), after(4_200_000));
    while now < end {
        now = begin(&pace, now);
        while taken
            .front()
            .is_some_and(|at: &Timestamp| at.until(now) >= span)
        {
            taken.pop_front();
        }
        let is_refused = taken.len() >= most;
        if is_refused {
            pace.limited(now, now, None);
        } else {
            taken.push_back(now);
            pace.accepted();
        }
        if now >= begun {
            calls += 1;
            refused += u32::from(is_refused);
        }
        now = now.plus(Duration::from_millis(1));
    }
    let accepted = f64::from(calls - refused);
    (accepted / 3_600.0, f64::from(refused) / f64::from(calls))
}

#[test]
fn in_the_long_run_few_calls_are_refused_and_most_of_the_limit_is_used() {
    for in_ten_seconds in [5, 30, 200, 1_000] {
        let (accepted, refused) = against(in_ten_seconds);
        let limit = f64::from(in_ten_seconds) / 10.0;
        println!(
            "limit {limit}: {accepted:.2} a second, {:.1} % refused",
            100.0 * refused
        );
        assert!(refused < 0.08, "limit {limit}: {refused}");
        assert!(accepted > 0.6 * limit, "limit {limit}: {accepted}");
    }
}
