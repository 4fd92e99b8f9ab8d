//! Finds out whether Redis answers, so that no request has to.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use crate::link::Shared;

/// Between two looks at a Redis that answers: requests notice sooner where there are any.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Between two tries to reach one that is away.
const PAUSE: Duration = Duration::from_millis(250);
/// One that goes away again and again is left alone for as long as this.
const PAUSE_MAX: Duration = Duration::from_secs(8);
/// One that answered for as long as this has not gone away again, but anew.
const STEADY: Duration = Duration::from_secs(10);

/// Probes until dropped. Between two connections lies a pause, which doubles while they do not last: so a Redis that
/// answers now and then is asked, and spoken of, ever less often.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut pause = PAUSE;
    let mut since = Instant::now();
    loop {
        if let Some((number, connection)) = shared.standing() {
            let _either = timeout(LOOK_EVERY, shared.doubted.notified()).await;
            if let Err(why) = shared.probe(connection).await {
                shared.lose(number, &why);
            }
            if shared.standing().is_none() {
                pause = if since.elapsed() < STEADY { (2 * pause).min(PAUSE_MAX) } else { PAUSE };
            }
        } else {
            sleep(pause).await;
            if let Ok(connection) = shared.connect().await {
                since = Instant::now();
                shared.join(connection);
            }
        }
    }
}
