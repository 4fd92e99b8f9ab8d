//! Whether processes use a store.

use std::time::Duration;

use argus_domain::lease::{Live, ServiceKind};
use tokio::time::sleep;

use crate::{Side, TransferError};

/// How long one looks longer than a session's ttl: what a beat may take on its way.
const MARGIN: Duration = Duration::from_millis(500);

/// Refuses a store in which a session of any service still beats. Sessions that processes left when they were killed do
/// not beat: where there are sessions, this looks for as long as the longest of them may be silent.
///
/// # Errors
/// [`TransferError::InUse`].
pub async fn wait_for_beats(sides: &[&Side]) -> Result<(), TransferError> {
    let before = looks(sides).await?;
    let Some(ttl) = before.iter().flatten().map(|(_, live)| live.ttl).max() else { return Ok(()) };
    sleep(ttl + MARGIN).await;
    for ((side, before), after) in sides.iter().zip(before).zip(looks(sides).await?) {
        let moved = after.iter().find(|(kind, now)| {
            let same = |(other, then): &&(ServiceKind, Live)| other == kind && then.session == now.session;
            before.iter().find(same).is_none_or(|(_, then)| then.beats != now.beats)
        });
        if let Some((kind, _)) = moved {
            return Err(TransferError::InUse { name: side.name.clone(), service: kind.name() });
        }
    }
    Ok(())
}

/// The sessions of each store.
async fn looks(sides: &[&Side]) -> Result<Vec<Vec<(ServiceKind, Live)>>, TransferError> {
    let mut all = Vec::new();
    for side in sides {
        let mut sessions = Vec::new();
        for kind in ServiceKind::ALL {
            let view = side.leases.look(kind).await.map_err(|why| side.failed(why))?;
            sessions.extend(view.members.into_iter().map(|live| (kind, live)));
        }
        all.push(sessions);
    }
    Ok(all)
}
