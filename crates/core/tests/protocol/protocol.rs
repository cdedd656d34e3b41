//! The protocol without planted bugs: no configuration has a violation, and each reaches the states
//! that it is made for.

use std::time::Instant;

use stateright::{Checker, Expectation, Model, UniformChooser};

use crate::configurations as of;
use crate::model::{ACKNOWLEDGED, ACKNOWLEDGED_LATER, ANSWERED, JOINED_LATER, LAPSED, REPEATED};
use crate::setup::Setup;

/// Returns `PROTOCOL_MODEL_DEPTH`: how far the bounds of configurations and random walks are extended.
fn more() -> u8 {
    std::env::var("PROTOCOL_MODEL_DEPTH").map_or(0, |depth| depth.parse().unwrap_or_default())
}

/// Searches a configuration completely. Checks that no property is violated, that the events in `happens`
/// occur, and that there are at least `min_states` states.
fn holds(setup: Setup, min_states: usize, happens: &[&'static str]) {
    let setup = Setup {
        more: more(),
        ..setup
    };
    let started = Instant::now();
    judge(&setup.checker().spawn_bfs().join(), started, min_states, happens);
}

/// Walks at random through a configuration that is too large for a complete search.
fn holds_on_walks(setup: Setup, happens: &[&'static str]) {
    let count = 60_000 * (1 + usize::from(more()) * 50);
    let started = Instant::now();
    // The fixed seed 1 makes a failure reproducible.
    let walks = setup
        .checker()
        .target_state_count(count)
        .spawn_simulation(1, UniformChooser);
    judge(&walks.join(), started, count, happens);
}

fn judge(checker: &impl Checker<Setup>, started: Instant, min_states: usize, happens: &[&'static str]) {
    let model = checker.model();
    let states = checker.unique_state_count();
    println!(
        "{}: {states} states, {} steps, depth {}, {:.1} s",
        model.name,
        checker.state_count(),
        checker.max_depth(),
        started.elapsed().as_secs_f32()
    );
    for property in model.properties() {
        let found = checker.discovery(property.name);
        match property.expectation {
            Expectation::Always => {
                let steps = found.map(stateright::Path::into_actions);
                assert!(
                    steps.is_none(),
                    "{} violates {}: {steps:?}",
                    model.name,
                    property.name
                );
            }
            _ if happens.contains(&property.name) => {
                assert!(
                    found.is_some(),
                    "{}: no state was found in which {}",
                    model.name,
                    property.name
                );
            }
            _ => {}
        }
    }
    // A configuration that shrinks may have lost the interleavings that it is made for.
    assert!(states >= min_states, "{} has become smaller", model.name);
}

#[test]
fn join() {
    holds(of::join(), 4_000, &[ANSWERED, ACKNOWLEDGED]);
}

#[test]
fn cutoffs() {
    holds(of::cutoffs(), 2_000, &[ANSWERED, ACKNOWLEDGED]);
}

#[test]
fn crash() {
    holds(of::crash(), 40_000, &[ANSWERED, ACKNOWLEDGED, LAPSED]);
}

#[test]
fn partition() {
    holds(of::partition(), 20_000, &[ANSWERED, ACKNOWLEDGED, LAPSED]);
}

#[test]
fn s16_repeats() {
    holds(of::repeats(), 20_000, &[ANSWERED, ACKNOWLEDGED, LAPSED, REPEATED]);
}

#[test]
fn s16_repeats_after_a_crash() {
    holds(
        of::repeats_after_a_crash(),
        5_000,
        &[ANSWERED, ACKNOWLEDGED, LAPSED, REPEATED],
    );
}

#[test]
fn s16_repeats_after_a_flush() {
    holds(
        of::repeats_after_a_flush(),
        5_000,
        &[ANSWERED, ACKNOWLEDGED, ACKNOWLEDGED_LATER, REPEATED],
    );
}

#[test]
fn eviction() {
    holds(of::eviction(), 20_000, &[ANSWERED, ACKNOWLEDGED, LAPSED]);
}

#[test]
fn gap() {
    holds(of::gap(), 20_000, &[ANSWERED, ACKNOWLEDGED]);
}

#[test]
fn flush() {
    holds(
        of::flush(),
        10_000,
        &[ANSWERED, ACKNOWLEDGED, LAPSED, ACKNOWLEDGED_LATER],
    );
}

#[test]
fn flush_and_join() {
    holds(
        of::flush_and_join(),
        10_000,
        &[ANSWERED, ACKNOWLEDGED, JOINED_LATER],
    );
}

#[test]
fn roll_back() {
    holds(
        of::roll_back(),
        50_000,
        &[ANSWERED, ACKNOWLEDGED, LAPSED, ACKNOWLEDGED_LATER],
    );
}

#[test]
fn failover() {
    holds(
        of::failover(),
        100_000,
        &[ANSWERED, ACKNOWLEDGED, LAPSED, ACKNOWLEDGED_LATER],
    );
}

#[test]
fn failover_without_the_journal() {
    holds(
        of::without_journal(),
        50_000,
        &[ANSWERED, ACKNOWLEDGED, LAPSED, ACKNOWLEDGED_LATER],
    );
}

#[test]
fn old_master() {
    holds(of::old_master(), 1_000, &[ACKNOWLEDGED]);
}

#[test]
fn refusals() {
    holds(of::refusals(), 10_000, &[ANSWERED, ACKNOWLEDGED]);
}

#[test]
fn refusals_of_an_old_master() {
    holds(of::refusals_of_an_old_master(), 10_000, &[ANSWERED, ACKNOWLEDGED]);
}

#[test]
fn everything() {
    holds_on_walks(of::everything(), &[ANSWERED, ACKNOWLEDGED]);
}

#[test]
fn everything_with_a_failover() {
    holds_on_walks(of::everything_with_a_failover(), &[ANSWERED, ACKNOWLEDGED]);
}
