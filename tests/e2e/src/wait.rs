//! Waiting with an end: a condition is looked at again and again, and its deadline is a failure that says what for.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// So many seconds from now.
pub fn deadline(secs: u64) -> Instant {
    Instant::now() + Duration::from_secs(secs)
}

/// Looks until there is something, and gives it.
///
/// # Panics
/// At the deadline, with what was waited for.
pub async fn until<T>(what: &str, secs: u64, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = deadline(secs);
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(PAUSE).await;
        }
    };
    match timeout_at(end, looking).await {
        Ok(found) => found,
        Err(_) => panic!("not within {secs} s: {what}"),
    }
}

/// Looks for the whole of a time at something that must hold.
///
/// # Panics
/// As soon as it does not.
pub async fn stays(what: &str, millis: u64, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_millis(millis);
    while Instant::now() < end {
        assert!(holds().await, "did not stay so: {what}");
        sleep(PAUSE).await;
    }
}
