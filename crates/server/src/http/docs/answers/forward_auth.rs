//! How a front proxy is refused.

use super::{CROSS_SITE, Named, Said, problem};

const WANTING: Said = (
    "Not an editor",
    403,
    "insufficient_permission",
    "Permission required: role=editor",
);
const POLICY: Said = (
    "Nobody may",
    403,
    "policy_denied",
    "The policy lets nobody do this",
);

pub(super) fn own() -> Named {
    vec![
        (
            "VerifyBadRequest",
            problem(
                "The question cannot be understood, or what it is about can be understood in more ways than one.",
                &[],
                &[
                    (
                        "A requirement of nothing",
                        400,
                        "invalid_request",
                        "the requirement `role` names nothing",
                    ),
                    (
                        "A path with two readings",
                        400,
                        "ambiguous_request",
                        "The original request can be read in more than one way: the path holds an encoded slash (%2F)",
                    ),
                ],
            ),
        ),
        (
            "VerifyDenied",
            problem("Whoever asks may not, or nobody may.", &[], &[WANTING, POLICY]),
        ),
        (
            "VerifyDeniedOrCrossSite",
            problem(
                "Whoever asks may not, nobody may, or a cookie came from another site.",
                &[],
                &[WANTING, POLICY, CROSS_SITE],
            ),
        ),
    ]
}
