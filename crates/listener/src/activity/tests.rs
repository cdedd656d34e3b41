//! Deadlines of a connection in each of its states.

use super::*;

const PATIENCE: ConnectionTimeouts = ConnectionTimeouts {
    header: Duration::from_secs(10),
    idle: Duration::from_secs(75),
    exchange: Duration::from_secs(180),
};

/// A connection, and what its clock shows after so many seconds.
fn connection() -> (ActivityState, impl Fn(u64) -> Instant) {
    let start = Instant::now();
    (ActivityState::new(start), move |seconds| {
        start + Duration::from_secs(seconds)
    })
}

#[test]
fn each_state_has_its_deadline() {
    let (mut state, at) = connection();
    assert_eq!(state.deadline(PATIENCE), at(10), "a silent new connection");
    state.mark_received(at(5));
    assert_eq!(state.deadline(PATIENCE), at(10), "its bytes buy no time");
    state.begin_request(at(6), false);
    assert_eq!(state.deadline(PATIENCE), at(186), "an exchange that does not end");
    state.end_request(at(7), false);
    assert_eq!(state.deadline(PATIENCE), at(82), "an idle connection");
    state.mark_received(at(30));
    state.mark_received(at(39));
    assert_eq!(
        state.deadline(PATIENCE),
        at(40),
        "a head counts from its first byte"
    );
}

#[test]
fn a_body_is_no_head() {
    let (mut state, at) = connection();
    state.begin_request(at(0), false);
    state.mark_received(at(1));
    state.end_request(at(2), false);
    assert_eq!(state.deadline(PATIENCE), at(77));
}

#[test]
fn pings_of_an_idle_http2_connection_are_no_head() {
    let (mut state, at) = connection();
    state.begin_request(at(0), true);
    state.begin_request(at(1), true);
    state.end_request(at(2), false);
    assert_eq!(state.deadline(PATIENCE), at(182), "one stream is open still");
    state.end_request(at(3), false);
    state.mark_received(at(4));
    assert_eq!(state.deadline(PATIENCE), at(78));
}

#[test]
fn w3_at_the_end_an_answer_that_is_not_read_has_little_time() {
    let (mut state, at) = connection();
    state.begin_request(at(0), true);
    state.begin_request(at(0), true);
    state.mark_answered(at(1));
    let mut idle = ActivityState::new(at(0));
    idle.shutdown_began_at = Some(at(5));
    assert_eq!(
        idle.deadline(PATIENCE),
        at(5) + LAST_ANSWER_GRACE,
        "no request is begun"
    );
    state.shutdown_began_at = Some(at(5));
    assert_eq!(state.deadline(PATIENCE), at(181), "one is being worked on");
    state.mark_answered(at(6));
    assert_eq!(state.deadline(PATIENCE), at(6) + LAST_ANSWER_GRACE);
    state.end_request(at(7), true);
    assert_eq!(
        state.deadline(PATIENCE),
        at(7) + LAST_ANSWER_GRACE,
        "the other was read"
    );
}

#[tokio::test]
async fn a_head_that_begins_while_idle_is_noticed_in_time() {
    let patience = ConnectionTimeouts {
        header: Duration::from_millis(60),
        ..PATIENCE
    };
    let activity = ConnectionActivity::new(patience);
    drop(activity.begin_request(false));
    let start = Instant::now();
    let late = async {
        sleep_until(start + Duration::from_millis(40)).await;
        activity.mark_received();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = activity.timed_out() => {}
        () = late => {}
    }
    let cut = start.elapsed();
    assert!(cut >= Duration::from_millis(100), "cut too early: {cut:?}");
    assert!(cut < Duration::from_secs(30), "cut too late: {cut:?}");
}

#[tokio::test]
async fn an_answer_that_goes_on_is_no_silence() {
    let patience = ConnectionTimeouts {
        exchange: Duration::from_millis(60),
        ..PATIENCE
    };
    let activity = ConnectionActivity::new(patience);
    let start = Instant::now();
    let mut stream = activity.begin_request(false);
    stream.mark_answered();
    let going_on = async {
        sleep_until(start + Duration::from_millis(40)).await;
        stream.mark_progress();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = activity.timed_out() => {}
        () = going_on => {}
    }
    let cut = start.elapsed();
    assert!(cut >= Duration::from_millis(100), "cut too early: {cut:?}");
    assert!(cut < Duration::from_secs(30), "cut too late: {cut:?}");
}
