//! The recorder sees the steps of its own task only.

use super::*;

fn step(finding: &str) -> TraceStep {
    TraceStep::new(TraceJudge::Token, TraceVerdict::Noted, finding)
}

#[tokio::test]
async fn steps_are_recorded_in_their_order_and_only_while_somebody_asks() {
    note(|| step("before"));
    let (result, steps) = record(async {
        note(|| step("first"));
        tokio::task::yield_now().await;
        note(|| step("second").with_remedy("change it"));
        7
    })
    .await;
    note(|| step("after"));
    assert_eq!(result, 7);
    assert_eq!(steps, [step("first"), step("second").with_remedy("change it")]);
}

#[tokio::test]
async fn two_explanations_at_once_do_not_mix() {
    let explain = |name: &'static str| {
        record(async move {
            for _ in 0..3 {
                note(|| step(name));
                tokio::task::yield_now().await;
            }
        })
    };
    let ((_, one), (_, other)) = tokio::join!(explain("one"), explain("other"));
    assert_eq!(one, vec![step("one"); 3]);
    assert_eq!(other, vec![step("other"); 3]);
}

#[test]
fn nothing_is_described_without_a_recorder() {
    // Without a subscriber the log is not at DEBUG.
    note(|| panic!("described without a reader"));
}
