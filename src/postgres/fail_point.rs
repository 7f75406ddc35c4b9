//! Points of the run loop at which a test makes this process die, or lose its connection. Only with the feature `fail-points`.
//!
//! `STAIRWELL_FAIL_POINT=<n>:kill` aborts the process at the n-th point, from 0, and `<n>:cut` drops the connection there. There are
//! two points for every message: it has been sent, and its reply has been read.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

const VARIABLE: &str = "STAIRWELL_FAIL_POINT";

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    GoOn,
    Cut,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    Kill,
    Cut,
}

static REACHED: AtomicUsize = AtomicUsize::new(0);
static ASKED: OnceLock<Option<(usize, Asked)>> = OnceLock::new();

/// Counts a point, and does what was asked for there.
pub(super) fn reach() -> Action {
    let point = REACHED.fetch_add(1, Ordering::Relaxed);
    match ASKED.get_or_init(|| std::env::var(VARIABLE).ok().and_then(|text| parse(&text))) {
        // Nothing is closed, flushed or unwound, as with SIGKILL.
        Some((at, Asked::Kill)) if *at == point => std::process::abort(),
        Some((at, Asked::Cut)) if *at == point => {
            // A session that has nothing more to say never notices.
            eprintln!("{VARIABLE}: point {point} is reached");
            Action::Cut
        }
        _ => Action::GoOn,
    }
}

fn parse(text: &str) -> Option<(usize, Asked)> {
    let (point, action) = text.split_once(':')?;
    let action = match action {
        "kill" => Asked::Kill,
        "cut" => Asked::Cut,
        _ => return None,
    };
    Some((point.parse().ok()?, action))
}
