#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use workflow::Timestamp;

use super::{
    Change, Circuit, CircuitConfig, ClosedBy, Failure, OpenedBy, PROBE_LEASE, ProbeToken, SLACK,
    TEXT, WINDOW, cut,
};

const START: Timestamp = Timestamp::from_millis(1_795_427_107_966);
const YEAR: Duration = Duration::from_hours(365 * 24);

fn later(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

fn config() -> CircuitConfig {
    CircuitConfig::default()
}

fn failure<'a>(key: &'a str, probe: Option<&'a ProbeToken>) -> Failure<'a> {
    Failure {
        key: Some(key),
        cause: "503",
        retry_after: None,
        probe,
    }
}

fn unauthorized(probe: Option<&ProbeToken>) -> Failure<'_> {
    Failure {
        key: None,
        cause: "401",
        retry_after: None,
        probe,
    }
}

fn fail(circuit: &mut Circuit, key: &str, now: Timestamp) -> Option<Change> {
    circuit.fail(&failure(key, None), now, &config())
}

fn opened(now: Timestamp) -> Circuit {
    let mut circuit = Circuit::default();
    circuit.fail(&unauthorized(None), now, &config());
    circuit
}

fn probed(circuit: &mut Circuit, token: &str, now: Timestamp) -> Option<ProbeToken> {
    let token = ProbeToken::new(token);
    let change = circuit.begin_probe(&token, now, &config());
    change.map(|_| token)
}

fn probe_at(circuit: &Circuit) -> Timestamp {
    let opening = circuit.open.as_ref().unwrap();
    opening.probing().unwrap().probe_at
}

#[test]
fn five_different_keys_within_a_minute_open_it() {
    let mut circuit = Circuit::default();
    for (number, key) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let now = later(number as u64);
        assert_eq!(fail(&mut circuit, key, now), Some(Change::Counted));
        assert_eq!(fail(&mut circuit, key, now), None, "the same key");
        assert!(circuit.allows(None));
    }
    assert_eq!(fail(&mut circuit, "e", later(60)), Some(Change::Opened));
    assert!(!circuit.allows(None));
    assert!(circuit.failing.is_empty());
    assert_eq!(circuit.open_for(later(65)), Duration::from_secs(5));
    assert_eq!(fail(&mut circuit, "f", later(61)), None);
}

#[test]
fn a_failure_counts_for_a_minute() {
    let mut circuit = Circuit::default();
    for key in ["a", "b", "c", "d"] {
        fail(&mut circuit, key, START);
    }
    let now = START.plus(WINDOW).plus(Duration::from_millis(1));
    assert!(circuit.has_failing(START.plus(WINDOW)));
    assert!(!circuit.has_failing(now));
    assert_eq!(circuit.clone().succeed(None, now), None, "none to clear");
    assert_eq!(fail(&mut circuit, "e", now), Some(Change::Counted));
    assert_eq!(circuit.failing.len(), 1);
}

#[test]
fn a_success_forgets_the_failures() {
    let mut circuit = Circuit::default();
    for key in ["a", "b", "c", "d"] {
        fail(&mut circuit, key, START);
    }
    assert_eq!(circuit.succeed(None, START), Some(Change::Cleared));
    assert_eq!(circuit.succeed(None, START), None);
    for key in ["a", "b", "c", "d"] {
        assert_eq!(fail(&mut circuit, key, START), Some(Change::Counted));
    }
}

#[test]
fn refused_credentials_open_it_at_once() {
    let mut circuit = Circuit::default();
    let change = circuit.fail(&unauthorized(None), START, &config());
    assert_eq!(change, Some(Change::Opened));
    assert_eq!(circuit.open.unwrap().cause, "401");
}

#[test]
fn the_first_probe_begins_a_minute_after_it_opened_or_a_little_earlier() {
    let due = later(60).minus(SLACK);
    let mut circuit = opened(START);
    let early = due.minus(Duration::from_millis(1));
    assert_eq!(probed(&mut circuit, "a", early), None);
    assert!(probed(&mut circuit, "a", due).is_some());
}

#[test]
fn one_probe_at_a_time_is_allowed_and_a_lost_one_is_repeated_a_minute_later_without_a_longer_wait()
{
    let mut circuit = opened(START);
    let first = probed(&mut circuit, "first", later(60));
    assert!(circuit.allows(first.as_ref()));
    assert!(!circuit.allows(None));
    assert_eq!(probed(&mut circuit, "second", later(60)), None);
    assert_eq!(probed(&mut circuit, "second", later(114)), None);
    let second = probed(&mut circuit, "second", later(120));
    assert!(circuit.allows(second.as_ref()));
    assert!(!circuit.allows(first.as_ref()));
    assert_eq!(probe_at(&circuit), later(60));
}

#[test]
fn a_late_probe_neither_closes_it_nor_prolongs_it() {
    let mut circuit = opened(START);
    let late = probed(&mut circuit, "late", later(60));
    probed(&mut circuit, "current", later(120)).unwrap();
    let before = circuit.clone();
    assert_eq!(circuit.succeed(late.as_ref(), later(121)), None);
    let late = late.as_ref();
    let change = circuit.fail(&failure("a", late), later(121), &config());
    assert_eq!(change, None);
    assert_eq!(circuit, before);
}

#[test]
fn a_probe_has_a_verdict_also_after_its_lease_while_no_other_has_begun() {
    let mut circuit = opened(START);
    let probe = probed(&mut circuit, "a", later(60));
    let late = later(60).plus(PROBE_LEASE).plus(PROBE_LEASE);
    assert_eq!(circuit.succeed(probe.as_ref(), late), Some(Change::Closed));
    assert_eq!(circuit.closed.unwrap().by, ClosedBy::Probe);
}

#[test]
fn the_waits_between_probes_double_up_to_fifteen_minutes() {
    let (mut circuit, mut now) = (opened(START), START);
    let mut waits = Vec::new();
    for _ in 0..40 {
        waits.push(now.until(probe_at(&circuit)).as_secs() / 60);
        now = probe_at(&circuit);
        let probe = probed(&mut circuit, "a", now);
        let change = circuit.fail(&failure("a", probe.as_ref()), now, &config());
        assert_eq!(change, Some(Change::ProbeFailed));
        assert!(!circuit.allows(probe.as_ref()), "the token is spent");
    }
    assert_eq!(waits.get(..6).unwrap(), [1, 2, 4, 8, 15, 15]);
    assert_eq!(waits.last(), Some(&15));
    assert_eq!(circuit.open.unwrap().opened_at, START);
}

#[test]
fn the_cause_is_the_latest_probe_s() {
    let mut circuit = opened(START);
    let probe = probed(&mut circuit, "a", later(60));
    circuit.fail(&failure("a", probe.as_ref()), later(60), &config());
    assert_eq!(circuit.open.unwrap().cause, "503");
}

#[test]
fn a_clock_a_year_ahead_holds_it_open_no_longer() {
    let mut circuit = opened(START.plus(YEAR));
    assert!(probed(&mut circuit, "a", START).is_some(), "probe_at");
    let mut circuit = opened(START);
    assert!(probed(&mut circuit, "ahead", START.plus(YEAR)).is_some());
    let probe = probed(&mut circuit, "a", later(60));
    assert!(probe.is_some(), "the lease");
    let mut circuit = opened(START);
    let ahead = probed(&mut circuit, "ahead", START.plus(YEAR));
    circuit.fail(&failure("a", ahead.as_ref()), later(60), &config());
    assert!(probed(&mut circuit, "a", later(120)).is_some(), "the probe");
    assert_eq!(
        circuit.open_for(START.minus(YEAR)),
        Duration::ZERO,
        "the age"
    );
    let mut circuit = Circuit::default();
    for key in ["a", "b", "c", "d"] {
        fail(&mut circuit, key, START.plus(YEAR));
    }
    assert_eq!(fail(&mut circuit, "e", START), Some(Change::Counted));
}

#[test]
fn every_wait_that_a_right_clock_writes_is_kept() {
    let mut circuit = opened(START);
    for _ in 0..8 {
        let now = probe_at(&circuit);
        let probe = probed(&mut circuit, "a", now);
        circuit.fail(&failure("a", probe.as_ref()), now, &config());
        // By a clock that is a little behind.
        assert_eq!(probed(&mut circuit, "early", now.minus(SLACK)), None);
    }
}

fn asking(retry_after: Duration, probe: Option<&ProbeToken>) -> Failure<'_> {
    Failure {
        retry_after: Some(retry_after),
        ..unauthorized(probe)
    }
}

#[test]
fn a_probe_waits_for_retry_after_but_for_no_more_than_a_day() {
    let hours = Duration::from_hours;
    for (retry_after, wait) in [
        (Duration::ZERO, Duration::from_mins(1)),
        (Duration::from_secs(59), Duration::from_mins(1)),
        (hours(1), hours(1)),
        (hours(24), hours(24)),
        (1_000 * YEAR, hours(24)),
        (Duration::MAX, hours(24)),
    ] {
        let mut circuit = Circuit::default();
        circuit.fail(&asking(retry_after, None), START, &config());
        let due = START.plus(wait);
        assert_eq!(probe_at(&circuit), due, "opened: {retry_after:?}");
        let probe = probed(&mut circuit, "a", due);
        let failed_at = due.plus(Duration::from_secs(1));
        circuit.fail(&asking(retry_after, probe.as_ref()), failed_at, &config());
        let doubled = due.plus(Duration::from_mins(2));
        let due = doubled.max(failed_at.plus(retry_after.min(hours(24))));
        assert_eq!(probe_at(&circuit), due, "a probe failed: {retry_after:?}");
        let early = due.minus(SLACK).minus(Duration::from_millis(1));
        assert_eq!(probed(&mut circuit, "early", early), None);
        assert!(probed(&mut circuit, "b", due).is_some());
    }
}

#[test]
fn a_clock_a_year_ahead_holds_no_retry_after_open_either() {
    let day = Duration::from_hours(24);
    let mut circuit = Circuit::default();
    circuit.fail(&asking(day, None), START, &config());
    let behind = START.minus(SLACK);
    assert_eq!(probed(&mut circuit, "a", behind), None, "a right clock");
    let beyond = behind.minus(Duration::from_millis(1));
    assert!(probed(&mut circuit, "a", beyond).is_some(), "a wrong one");
}

#[test]
fn an_item_that_does_not_say_how_long_its_wait_is_waits_for_the_longest_between_two_probes() {
    let item = |probe_at: Timestamp| {
        let mut circuit = opened(START);
        if let Some(OpenedBy::System(probing)) = circuit.open.as_mut().map(|open| &mut open.by) {
            (probing.probe_at, probing.wait_millis) = (probe_at, None);
        }
        let item: HashMap<String, AttributeValue> = serde_dynamo::to_item(&circuit).unwrap();
        serde_dynamo::from_item::<_, Circuit>(item).unwrap()
    };
    let longest = START.plus(config().probe_max);
    assert_eq!(probed(&mut item(longest), "a", START), None);
    let beyond = longest.plus(SLACK).plus(Duration::from_millis(1));
    assert!(probed(&mut item(beyond), "a", START).is_some());
}

#[test]
fn texts_are_cut_to_200_characters() {
    assert_eq!(cut("short"), "short");
    for character in ["x", "é", "🦀"] {
        assert_eq!(cut(&character.repeat(500)), character.repeat(TEXT));
    }
}

#[test]
fn an_item_has_these_attributes() {
    let mut circuit = opened(START);
    circuit.revision = Some("a".to_owned());
    probed(&mut circuit, "token", later(60));
    let item: HashMap<String, AttributeValue> = serde_dynamo::to_item(&circuit).unwrap();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |number: u64| AttributeValue::N(number.to_string());
    let map = |entries: Vec<(&str, AttributeValue)>| {
        let entries = entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value));
        AttributeValue::M(entries.collect())
    };
    let lease = map(vec![
        ("token", text("token")),
        ("until", number(later(120).as_millis())),
    ]);
    let system = map(vec![
        ("probe_at", number(later(60).as_millis())),
        ("wait_millis", number(60_000)),
        ("failed_probes", number(0)),
        ("lease", lease),
    ]);
    let open = map(vec![
        ("cause", text("401")),
        ("opened_at", number(START.as_millis())),
        ("by", map(vec![("system", system)])),
    ]);
    let expected = map(vec![("revision", text("a")), ("open", open)]);
    assert_eq!(AttributeValue::M(item), expected);
}

/// What may happen to a circuit, drawn from a seed.
#[derive(Debug)]
enum Event {
    Failed(Option<ProbeToken>),
    Unauthorized(Option<ProbeToken>),
    Succeeded(Option<ProbeToken>),
    Probe(ProbeToken),
    Opened,
    Closed,
}

#[derive(Debug, Default)]
struct Counts {
    closed_by_probe: u32,
    late_verdicts: u32,
    probes_failed: u32,
    refused_by_operator: u32,
}

/// Tokens of all probes so far are used again, also those that were replaced or are not known at all.
fn event(random: &mut fastrand::Rng, tokens: &mut Vec<ProbeToken>) -> Event {
    let probe = tokens
        .get(random.usize(..tokens.len() + 2))
        .or_else(|| tokens.last().filter(|_| random.bool()))
        .cloned();
    match random.u8(..32) {
        0..8 => Event::Failed(probe),
        8 => Event::Unauthorized(probe),
        9..15 => Event::Succeeded(probe),
        15..30 => {
            let token = ProbeToken::new(format!("{:x}", random.u64(..)));
            tokens.push(token.clone());
            Event::Probe(token)
        }
        30 => Event::Opened,
        _ => Event::Closed,
    }
}

fn apply(circuit: &mut Circuit, event: &Event, key: &str, now: Timestamp) -> Option<Change> {
    match event {
        Event::Failed(probe) => circuit.fail(&failure(key, probe.as_ref()), now, &config()),
        Event::Unauthorized(probe) => circuit.fail(&unauthorized(probe.as_ref()), now, &config()),
        Event::Succeeded(probe) => circuit.succeed(probe.as_ref(), now),
        Event::Probe(token) => circuit.begin_probe(token, now, &config()),
        Event::Opened => Some(circuit.open(OpenedBy::Operator, None, "maintenance", now)),
        Event::Closed => circuit.close(ClosedBy::Operator, None, Some("over"), now),
    }
}

/// The token of the probe that began last, as this test has counted it; `None` once the probe is over.
fn current(latest: Option<&ProbeToken>, event: &Event) -> bool {
    match event {
        Event::Failed(probe) | Event::Unauthorized(probe) | Event::Succeeded(probe) => {
            probe.is_some() && probe.as_ref() == latest
        }
        _ => false,
    }
}

#[test]
fn in_any_order_of_events_the_holder_of_the_token_alone_closes_it_and_an_operator_s_open_stays() {
    let mut counts = Counts::default();
    for seed in 0..2_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut circuit, mut now) = (Circuit::default(), START);
        let (mut tokens, mut latest) = (Vec::new(), None);
        for _ in 0..100 {
            now = now.plus(Duration::from_secs(random.u64(..90)));
            let key = random.u8(..8).to_string();
            let event = event(&mut random, &mut tokens);
            let before = circuit.clone();
            let change = apply(&mut circuit, &event, &key, now);
            let story = || format!("seed {seed}: {event:?} of {before:?}");

            let is_command = matches!(event, Event::Opened | Event::Closed);
            let is_current = current(latest.as_ref(), &event);
            match before.open.as_ref().map(|opening| &opening.by) {
                Some(OpenedBy::Operator) if !is_command => {
                    assert_eq!(change, None, "{}", story());
                    assert_eq!(circuit, before, "{}", story());
                    counts.refused_by_operator += 1;
                }
                Some(OpenedBy::System(_)) if !is_command && !matches!(event, Event::Probe(_)) => {
                    assert_eq!(change.is_some(), is_current, "{}", story());
                    counts.late_verdicts += u32::from(!is_current);
                }
                _ => {}
            }
            match change {
                Some(Change::ProbeBegun) => {
                    let Event::Probe(token) = &event else {
                        unreachable!("{}", story())
                    };
                    latest = Some(token.clone());
                }
                Some(Change::Closed) if !is_command => {
                    assert!(matches!(event, Event::Succeeded(_)), "{}", story());
                    counts.closed_by_probe += 1;
                    latest = None;
                }
                Some(Change::ProbeFailed) => {
                    counts.probes_failed += 1;
                    latest = None;
                }
                Some(Change::Opened | Change::Closed) => latest = None,
                Some(Change::Counted | Change::Cleared) | None => {}
            }
            assert!(circuit.failing.len() < config().failures, "{}", story());
            let is_either = !circuit.is_open() || circuit.failing.is_empty();
            assert!(is_either, "{}", story());
        }
    }
    println!("{counts:?}");
    assert!(counts.closed_by_probe > 100);
    assert!(counts.late_verdicts > 100);
    assert!(counts.probes_failed > 100);
    assert!(counts.refused_by_operator > 100);
}
