//! Scripts by CID, kept in memory up to a number of bytes.

use std::{collections::BTreeMap, sync::Arc};

use argus_domain::module::Cid;
use argus_ports::{ContentError, ContentStore};
use bytes::Bytes;
use tokio::sync::Mutex;

/// A cache before the content store. What a CID names never changes, so nothing in it grows stale.
pub struct Modules {
    content: Arc<dyn ContentStore>,
    bytes_max: u64,
    module_bytes_max: u64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    modules: BTreeMap<Cid, (Bytes, u64)>,
    bytes: u64,
    uses: u64,
}

impl Modules {
    /// An empty cache that keeps at most `bytes_max`, and fetches nothing above `module_bytes_max`.
    pub fn new(content: Arc<dyn ContentStore>, bytes_max: u64, module_bytes_max: u64) -> Self {
        Self { content, bytes_max, module_bytes_max, kept: Mutex::default() }
    }

    /// The bytes of a script, from memory or from the content store.
    pub async fn get(&self, cid: &Cid) -> Result<Bytes, ContentError> {
        if let Some(found) = self.kept.lock().await.touch(cid) {
            return Ok(found);
        }
        let bytes = self.content.get(cid, self.module_bytes_max).await?;
        self.kept.lock().await.keep(cid.clone(), bytes.clone(), self.bytes_max);
        Ok(bytes)
    }
}

impl Kept {
    fn touch(&mut self, cid: &Cid) -> Option<Bytes> {
        self.uses += 1;
        let (bytes, used) = self.modules.get_mut(cid)?;
        *used = self.uses;
        Some(bytes.clone())
    }

    fn keep(&mut self, cid: Cid, bytes: Bytes, bytes_max: u64) {
        self.uses += 1;
        let size = |b: &Bytes| b.len() as u64;
        self.bytes += size(&bytes);
        if let Some((old, _)) = self.modules.insert(cid, (bytes, self.uses)) {
            self.bytes -= size(&old);
        }
        while self.bytes > bytes_max {
            // A few thousand entries at most: a scan costs less than keeping them in order of use would.
            let Some(oldest) = self.modules.iter().min_by_key(|(_, (_, used))| *used).map(|(c, _)| c.clone())
            else {
                return;
            };
            if let Some((old, _)) = self.modules.remove(&oldest) {
                self.bytes -= size(&old);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let cid = |n: u8| Cid(n.to_string());
        let ten = Bytes::from_static(&[0; 10]);
        let mut kept = Kept::default();
        kept.keep(cid(1), ten.clone(), 20);
        kept.keep(cid(2), ten.clone(), 20);
        assert!(kept.touch(&cid(1)).is_some());
        kept.keep(cid(3), ten.clone(), 20);
        assert!(kept.touch(&cid(2)).is_none());
        assert!(kept.touch(&cid(1)).is_some());
        assert_eq!(kept.bytes, 20);
        kept.keep(cid(4), Bytes::from_static(&[0; 30]), 20);
        assert_eq!(kept.bytes, 0);
    }
}
