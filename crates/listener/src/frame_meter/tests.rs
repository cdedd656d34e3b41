//! Control frames that run out, and requests that earn them.

use std::time::Duration;

use super::*;
use crate::events::IgnoredEvents;

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, 1][..], payload].concat()
}

fn meter() -> FrameMeter<()> {
    let mut meter = FrameMeter::new((), &IgnoredEvents);
    assert!(meter.count_frames(PREFACE));
    meter
}

const OTHERS: [(u8, &[u8]); 8] = [
    (FRAME_TYPE_DATA, &[]),
    (2, &[0; 5]),
    (3, &[0; 4]),
    (4, &[]),
    (6, &[0; 8]),
    (8, &[0; 4]),
    (9, &[0; 3]),
    (0xfa, &[0; 30]),
];

#[test]
fn w15_frames_that_ask_for_nothing_run_out_whichever_they_are_and_however_they_are_cut() {
    for (kind, payload) in OTHERS {
        let (mut meter, bytes) = (meter(), frame(kind, 0, payload));
        for _ in 0..MAX_CONTROL_FRAMES {
            assert!(bytes.chunks(2).all(|piece| meter.count_frames(piece)), "{kind}");
        }
        assert!(
            !meter.count_frames(&bytes.repeat(usize::try_from(MAX_CONTROL_FRAMES).unwrap())),
            "{kind}"
        );
    }
}

#[test]
fn w15_requests_and_their_bytes_pay_for_what_they_need() {
    let mut meter = meter();
    let request = [
        frame(FRAME_TYPE_HEADERS, FLAG_END_STREAM | 4, &[0x82; 40]),
        frame(8, 0, &[0; 4]),
        frame(6, 0, &[0; 8]),
        frame(FRAME_TYPE_DATA, 0, &[1]),
        frame(3, 0, &[0; 4]),
    ]
    .concat();
    assert!(meter.count_frames(&request.repeat(10_000)));
    let pings = frame(6, 0, &[0; 8]).repeat(10);
    let paid = [frame(FRAME_TYPE_HEADERS, 4, &[0x82; 40]), pings].concat();
    assert!(
        !meter.count_frames(&paid.repeat(10_000)),
        "more than each pays for"
    );
}

#[test]
fn w15_an_idle_connection_earns_its_pings_back_and_http_1_is_not_counted() {
    let start = Instant::now();
    let mut account = ControlFrameBudget::new(start);
    account.remaining = 0;
    account.refill(start + Duration::from_millis(500));
    assert_eq!(account.remaining, CONTROL_FRAMES_PER_SECOND / 2);
    account.refill(start + Duration::from_secs(3_600));
    assert_eq!(account.remaining, MAX_CONTROL_FRAMES);
    account.remaining = 0;
    (0..10).for_each(|_| account.credit_sent_bytes(SENT_BYTES_PER_CONTROL_FRAME / 2));
    assert_eq!(
        account.remaining, 5,
        "an answer that is read pays for its acknowledgements"
    );
    let mut other = FrameMeter::new((), &IgnoredEvents);
    assert!(other.count_frames(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(10_000)));
    assert_eq!(other.parse_state, FrameParseState::NotHttp2);
}
