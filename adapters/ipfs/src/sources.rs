//! Who is asked for a block that is not at home: the operator's own node and gateways, in a race.

use std::time::Duration;

use argus_ports::ContentError;
use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};

use crate::{gateways::Gateway, name::Name, node::Node};

/// The next source is asked when the one before has not answered for so long, or has failed.
const HEAD_START: Duration = Duration::from_millis(500);
/// Rounds over all sources while none can be reached, and the pause before the second; it doubles.
const ROUNDS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(250);

/// What one source came to.
pub(crate) enum Answer {
    Block(Bytes),
    /// Other bytes than the name says.
    Other,
    Absent,
    TooLarge,
    Fault(String),
}

/// Somebody who may have a block.
pub(crate) enum Source {
    Node(Node),
    Gateway(Gateway),
}

impl Source {
    async fn ask(&self, name: &Name, max: u64) -> Answer {
        let answer = match self {
            Self::Node(node) => node.block(name, max).await,
            Self::Gateway(gateway) => gateway.block(name, max).await,
        };
        match answer {
            Answer::Block(bytes) if bytes.len() as u64 > max => Answer::TooLarge,
            Answer::Block(bytes) if !name.names(&bytes) => {
                tracing::warn!(source = self.url(), cid = %name.cid(), "the source sent other bytes");
                Answer::Other
            }
            other => other,
        }
    }

    fn url(&self) -> &str {
        match self {
            Self::Node(node) => node.url(),
            Self::Gateway(gateway) => gateway.url(),
        }
    }
}

/// A block of at most `max` bytes from the first source that has the right one.
///
/// # Errors
/// What says most about the content. Only where nobody could be reached is everybody asked again, a few times.
pub(crate) async fn fetch(sources: &[Source], name: &Name, max: u64) -> Result<Bytes, ContentError> {
    let mut pause = PAUSE;
    for _ in 1..ROUNDS {
        match race(sources, name, max).await {
            Err(ContentError::Unavailable(_)) => tokio::time::sleep(pause).await,
            other => return other,
        }
        pause *= 2;
    }
    race(sources, name, max).await
}

async fn race(sources: &[Source], name: &Name, max: u64) -> Result<Bytes, ContentError> {
    let (mut lied, mut large, mut absent, mut faults) = (false, false, false, Vec::new());
    let mut waiting = sources.iter();
    let mut asked = FuturesUnordered::new();
    loop {
        if asked.is_empty() {
            let Some(next) = waiting.next() else { break };
            asked.push(next.ask(name, max));
        }
        let has_more = !waiting.as_slice().is_empty();
        let answer = tokio::select! {
            answer = asked.next() => answer,
            () = tokio::time::sleep(HEAD_START), if has_more => {
                asked.extend(waiting.next().map(|next| next.ask(name, max)));
                continue;
            }
        };
        match answer {
            Some(Answer::Block(bytes)) => return Ok(bytes),
            Some(Answer::Other) => lied = true,
            Some(Answer::Absent) => absent = true,
            Some(Answer::TooLarge) => large = true,
            Some(Answer::Fault(fault)) => faults.push(fault),
            None => {}
        }
    }
    if large {
        Err(ContentError::TooLarge { max })
    } else if lied {
        Err(ContentError::Mismatch(name.cid()))
    } else if faults.is_empty() && (absent || sources.is_empty()) {
        Err(ContentError::Absent(name.cid()))
    } else {
        Err(ContentError::Unavailable(faults.join("; ")))
    }
}
