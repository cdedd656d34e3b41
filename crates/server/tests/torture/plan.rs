//! What is to be run: how long, which faults, by which seed; and where the results go.

use std::path::PathBuf;
use std::time::Duration;

use crate::arrangement::Arrangement;
use crate::faults::FaultKind;

/// How long the faults go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// Each fault once.
    OneRound,
    /// Round after round, for so long.
    Lasting(Duration),
}

/// One run of one arrangement.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) length: Length,
    pub(crate) seed: u64,
    pub(crate) faults: Vec<FaultKind>,
    /// The shortest time that a fault lasts; the longest is twice that.
    pub(crate) hold: Duration,
    /// The shortest quiet time before a fault; the longest is twice that.
    pub(crate) quiet: Duration,
}

impl Plan {
    /// As the environment says: `MAXLAB_TORTURE_MINUTES`, `MAXLAB_TORTURE_SEED`, and `MAXLAB_TORTURE_FAULTS`, a comma
    /// list of the table's names. Without it, the short form that continuous integration runs.
    ///
    /// # Panics
    /// When the environment says what makes no sense.
    pub(crate) fn of(arrangement: Arrangement) -> Self {
        let minutes: Option<f64> = setting("MAXLAB_TORTURE_MINUTES").map(|text| text.parse().unwrap());
        let seed = setting("MAXLAB_TORTURE_SEED").map_or_else(any_seed, |text| text.parse().unwrap());
        let faults = chosen(arrangement, setting("MAXLAB_TORTURE_FAULTS").as_deref());
        match minutes {
            Some(minutes) => Self {
                length: Length::Lasting(Duration::from_secs_f64(minutes * 60.0)),
                seed,
                faults,
                hold: Duration::from_millis(1_500),
                quiet: Duration::from_millis(1_500),
            },
            None => Self {
                length: Length::OneRound,
                seed,
                faults,
                hold: Duration::from_millis(900),
                quiet: Duration::from_millis(250),
            },
        }
    }

    /// The long form, whose results are kept.
    pub(crate) fn is_long(&self) -> bool {
        self.length != Length::OneRound
    }
}

/// The folder that results are written to: `MAXLAB_TORTURE_OUT`, or one beside the build products.
pub(crate) fn out() -> PathBuf {
    setting("MAXLAB_TORTURE_OUT").map_or_else(
        || PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("torture"),
        PathBuf::from,
    )
}

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Short enough to be typed.
fn any_seed() -> u64 {
    uuid::Uuid::new_v4().as_fields().0.into()
}

fn chosen(arrangement: Arrangement, wanted: Option<&str>) -> Vec<FaultKind> {
    let mut faults = arrangement.faults();
    if let Some(names) = wanted {
        let names: Vec<_> = names.split(',').map(str::trim).collect();
        faults.retain(|kind| names.contains(&kind.name()));
        assert!(
            !faults.is_empty(),
            "no fault of {} is among {names:?}",
            arrangement.name()
        );
    }
    faults
}
