//! Messages that wait are sent together: a message of its own costs a system call each, a batch one.

use futures::Stream;
use prost::Message;
use tokio::sync::mpsc;

/// Most messages of a batch.
const ITEMS_MAX: usize = 128;
/// A batch that has grown this large goes out.
pub(crate) const BYTES_MAX: usize = 1024 * 1024;

/// The batches of a queue; ends with it.
pub(crate) fn batches<T, B>(
    queue: mpsc::Receiver<T>,
    pack: fn(Vec<T>) -> B,
) -> impl Stream<Item = B> + Send + 'static
where
    T: Message + 'static,
    B: Send + 'static,
{
    futures::stream::unfold(queue, move |mut queue| async move {
        let first = queue.recv().await?;
        let mut bytes = first.encoded_len();
        let mut items = vec![first];
        while items.len() < ITEMS_MAX && bytes < BYTES_MAX {
            let Ok(item) = queue.try_recv() else { break };
            bytes += item.encoded_len();
            items.push(item);
        }
        Some((pack(items), queue))
    })
}
