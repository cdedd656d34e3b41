//! Planted bugs in the code that drives the protocol: the check must find a counterexample for each.

use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::configurations as of;
use crate::model::{I1, I2, I5, I6, NO_FALSE_ALARM};
use crate::setup::{Bug, Setup};

/// Searches for the shortest violation of a property, and fails without one.
fn is_found(setup: &Setup, bug: impl Into<Option<Bug>>, property: &'static str) {
    let bug = bug.into();
    let model = Setup { bug, ..setup.clone() };
    // Breadth first, and only until the first violation: the shortest counterexample.
    let first_violation = HasDiscoveries::AnyOf([property].into());
    let checker = model.checker().finish_when(first_violation).spawn_bfs().join();
    let states = checker.unique_state_count();
    let found = checker.discovery(property);
    assert!(
        found.is_some(),
        "{bug:?} was not found in {}: {states} states",
        setup.name
    );
    let steps: Vec<_> = found.into_iter().flat_map(Path::into_actions).collect();
    let planted = bug.map_or("no bug".to_owned(), |bug| format!("{bug:?}"));
    println!(
        "{planted} in {}: {} steps against {property}, {states} states: {steps:?}",
        setup.name,
        steps.len()
    );
}

/// Searches all states, and fails with a violation: another rule makes this bug harmless.
fn is_harmless(setup: &Setup, bug: Bug) {
    let model = Setup {
        bug: Some(bug),
        ..setup.clone()
    };
    let checker = model.checker().spawn_bfs().join();
    for property in [I1, I2, I5, I6] {
        assert!(
            checker.discovery(property).is_none(),
            "{bug:?} violates {property}"
        );
    }
    assert!(
        checker.unique_state_count() > 1_000,
        "{}: too few states were searched",
        setup.name
    );
}

/// Broken assumption about the store rather than a bug of the protocol: see `Epoch`.
#[test]
fn a_roll_back_that_shows_the_same_epoch() {
    is_found(&of::same_epoch(), None, I1);
}

#[test]
fn acknowledging_before_applying() {
    is_found(&of::gap(), Bug::AckBeforeApply, I1);
}

#[test]
fn following_from_behind_the_snapshot() {
    is_found(&of::join(), Bug::TailAfterSnapshot, I1);
}

#[test]
fn a_lease_from_the_replys_time() {
    is_found(&of::partition(), Bug::LeaseFromReply, I1);
}

#[test]
fn no_generation_check() {
    is_found(&of::flush(), Bug::NoGenerationCheck, I1);
}

#[test]
fn cutoffs_by_their_minimum() {
    is_found(&of::cutoffs(), Bug::CutoffByMinimum, I1);
}

#[test]
fn a_gap_ignored() {
    is_found(&of::gap(), Bug::GapIgnored, I1);
}

#[test]
fn acknowledging_while_the_snapshot_loads_ends_no_wait_for_a_lease_since_a_join_gives_it_up() {
    is_harmless(&of::gap(), Bug::AckWhileLoading);
}

#[test]
fn a_lease_before_everything_is_applied() {
    is_found(&of::partition(), Bug::LeaseBeforeApplied, I1);
}

#[test]
fn no_wait_for_the_leases_of_an_earlier_term() {
    is_found(&of::flush(), Bug::NoSettling, I1);
}

#[test]
fn the_register_read_before_the_commit() {
    is_found(&of::old_master(), Bug::RegisterReadBeforeCommit, I2);
}

#[test]
fn leases_read_before_the_entry_is_published() {
    is_found(&of::join(), Bug::HoldersReadBeforePublish, I1);
}

#[test]
fn clocks_taken_to_go_at_one_speed() {
    is_found(&of::partition(), Bug::NoDriftAllowance, I1);
}

#[test]
fn renewals_counted_anew() {
    is_found(&of::eviction(), Bug::RenewalsCountedAnew, I1);
}

#[test]
fn a_refusal_by_cutoff_not_kept() {
    is_found(&of::refusals(), Bug::RefusalNotKept, I6);
}

#[test]
fn memory_left_out_of_a_direct_answer() {
    is_found(&of::refusals_of_an_old_master(), Bug::MemoryNotAsked, I6);
}

#[test]
fn a_snapshot_with_cutoffs_first_refuses_nobody_since_a_join_gives_the_lease_up() {
    is_harmless(&of::gap(), Bug::CutoffsBeforeSpares);
}

#[test]
fn a_late_answer_taken_for_a_loss() {
    is_found(&of::gap(), Bug::LateAnswerIsLoss, NO_FALSE_ALARM);
}

/// Regression test: a logout that was given up and repeated was answered while another instance still
/// accepted the token.
#[test]
fn s16_a_repeat_answered_by_ones_own_refusal() {
    is_found(&of::repeats(), Bug::RepeatBelievesRefusal, I1);
    is_found(&of::repeats_after_a_crash(), Bug::RepeatBelievesRefusal, I1);
}

#[test]
fn s16_a_repeat_answered_once_the_entry_is_published() {
    is_found(&of::repeats(), Bug::RepeatBelievesPublished, I1);
}
