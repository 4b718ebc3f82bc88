//! How fast the API server is asked, and how long something that failed is left alone.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests that may follow one another at once, as many times the rate; kubectl's own proportion (50 a second, 300 at once).
const BURST: u32 = 6;

/// Spaces requests out: a bounded number at once, then so many a second (the generic cell rate algorithm).
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// When the next request would be due if there were no burst.
    due: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        Self { interval: Duration::from_secs(1) / per_second.max(1), due: Mutex::new(Instant::now()) }
    }

    /// How long a request that comes now must wait; it counts as made.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        // one second's worth of requests is `1 / interval`, the burst some times that
        let burst = Duration::from_secs(u64::from(BURST)).saturating_sub(self.interval);
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (*due).max(now);
        *due = at + self.interval;
        at.saturating_duration_since(now).saturating_sub(burst)
    }
}

/// How long to leave the server alone before attempt number `attempt` (from 0), half of it at random: clients that failed
/// together do not come back together.
pub(super) fn backoff(attempt: u32) -> Duration {
    let whole = Duration::from_millis(250) * 2_u32.pow(attempt.min(6));
    // the standard library's hasher is seeded anew each time
    let random = RandomState::new().build_hasher().finish() % 1000;
    whole / 2 + whole / 2 * u32::try_from(random).unwrap_or_default() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_at_once_and_then_the_rate_holds() {
        let pace = Pace::new(50);
        let now = Instant::now();
        let waits: Vec<Duration> = (0..400).map(|_| pace.wait(now)).collect();
        assert_eq!(waits.iter().filter(|wait| wait.is_zero()).count(), 300);
        assert_eq!(waits[399], Duration::from_millis(20) * 100);
        // whoever waited long enough may burst again
        assert_eq!(pace.wait(now + Duration::from_secs(60)), Duration::ZERO);
    }

    #[test]
    fn backoff_grows_and_is_bounded() {
        for attempt in 0..40 {
            let wait = backoff(attempt);
            assert!(wait >= Duration::from_millis(125) * 2_u32.pow(attempt.min(6)) && wait <= Duration::from_secs(16));
        }
    }
}
