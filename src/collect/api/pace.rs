//! How fast the API server is asked, and how long something that failed is left alone.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests that may follow one another at once, as many times the rate; kubectl's own proportion (50 a second, 300 at once).
const BURST: u32 = 6;
/// Longest time between two requests to a server that goes on refusing.
const SLOWEST: Duration = Duration::from_secs(1);
/// What an answer takes off the time between two requests while that is longer than asked for: one part in so many. At 50 answers a
/// second the rate doubles in four seconds.
const REGAINED: u32 = 256;

/// Spaces requests out: a bounded number at once, then so many a second (the generic cell rate algorithm). A server that refuses
/// because there are too many is asked half as often, and slowly more again while it answers.
#[derive(Debug)]
pub(super) struct Pace {
    asked_for: Duration,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    interval: Duration,
    /// When the next request would be due if there were no burst.
    due: Instant,
    /// Until then refusals are of requests that were under way when the first of them came.
    slowed_until: Instant,
}

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        let asked_for = Duration::from_secs(1) / per_second.max(1);
        let begun = Instant::now();
        Self { asked_for, now: Mutex::new(Now { interval: asked_for, due: begun, slowed_until: begun }) }
    }

    /// How long a request that comes now must wait; it counts as made.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let mut pace = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let at = pace.due.max(now);
        pace.due = at + pace.interval;
        at.saturating_duration_since(now).saturating_sub(self.burst())
    }

    /// The server refused because there are too many requests: none for `wait`, then half as many, and no burst.
    pub(super) fn refused(&self, now: Instant, wait: Duration) {
        let mut pace = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now < pace.slowed_until {
            return;
        }
        pace.interval = (pace.interval * 2).min(SLOWEST.max(self.asked_for));
        pace.slowed_until = now + wait;
        pace.due = pace.due.max(now + wait + self.burst());
    }

    /// The server answered.
    pub(super) fn answered(&self) {
        let mut pace = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        pace.interval = (pace.interval - pace.interval / REGAINED).max(self.asked_for);
    }

    /// What may be ahead of the rate: one second's worth of requests is `1 / interval`, the burst some times that.
    fn burst(&self) -> Duration {
        Duration::from_secs(u64::from(BURST)).saturating_sub(self.asked_for)
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
    fn a_server_that_refuses_is_left_alone_and_asked_half_as_often() {
        let pace = Pace::new(50);
        let now = Instant::now();
        pace.refused(now, Duration::from_secs(1));
        // refusals of what was under way meanwhile are the same one
        pace.refused(now + Duration::from_millis(500), Duration::from_secs(1));
        assert_eq!(pace.wait(now), Duration::from_secs(1));
        assert_eq!(pace.wait(now), Duration::from_millis(1040));
        pace.refused(now + Duration::from_secs(2), Duration::from_secs(1));
        pace.wait(now + Duration::from_secs(2));
        assert_eq!(pace.wait(now + Duration::from_secs(2)), Duration::from_millis(1080));
        // however often it refuses, it is asked once a second
        for second in 0..20 {
            pace.refused(now + Duration::from_secs(10 + 2 * second), Duration::from_secs(1));
        }
        let later = now + Duration::from_secs(60);
        let first = pace.wait(later);
        assert!(pace.wait(later) <= first + Duration::from_secs(1));
        // answers bring back what was asked for, and no more than that
        (0..2000).for_each(|_| pace.answered());
        let far = now + Duration::from_secs(600);
        let waits: Vec<Duration> = (0..301).map(|_| pace.wait(far)).collect();
        assert_eq!((waits[299], waits[300]), (Duration::ZERO, Duration::from_millis(20)));
    }

    #[test]
    fn backoff_grows_and_is_bounded() {
        for attempt in 0..40 {
            let wait = backoff(attempt);
            assert!(wait >= Duration::from_millis(125) * 2_u32.pow(attempt.min(6)) && wait <= Duration::from_secs(16));
        }
    }
}
