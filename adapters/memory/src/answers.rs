//! Requests by name, and their answers.

use argus_domain::{B256, time::Timestamp};
use argus_ports::{AnswerStore, KeptAnswer, Leave, NamedRequest, RequestName, StoreError};
use async_trait::async_trait;

use crate::state::MemoryStore;

pub(crate) struct Entry {
    hash: B256,
    holder: [u8; 16],
    until: Timestamp,
    answer: Option<KeptAnswer>,
}

impl Entry {
    fn is_held_by(&self, holder: [u8; 16]) -> bool {
        self.answer.is_none() && self.holder == holder
    }
}

#[async_trait]
impl AnswerStore for MemoryStore {
    async fn begin(&self, request: NamedRequest) -> Result<Leave, StoreError> {
        let NamedRequest { name, hash, holder, at, until, names_max } = request;
        let mut state = self.write()?;
        state.answers.retain(|_, entry| entry.until > at);
        match state.answers.get(&name) {
            Some(entry) if entry.is_held_by(holder) => {}
            Some(entry) if entry.hash != hash => return Ok(Leave::Other),
            Some(entry) => return Ok(entry.answer.clone().map_or(Leave::Underway, Leave::Answered)),
            None => {
                let names = state.answers.keys().filter(|known| known.owner == name.owner).count();
                if names >= names_max as usize {
                    return Ok(Leave::Full);
                }
            }
        }
        state.answers.insert(name, Entry { hash, holder, until, answer: None });
        Ok(Leave::Granted)
    }

    async fn finish(
        &self,
        name: RequestName,
        holder: [u8; 16],
        answer: KeptAnswer,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut state = self.write()?;
        let held = state.answers.get_mut(&name).filter(|entry| entry.is_held_by(holder));
        Ok(held.map(|entry| (entry.answer, entry.until) = (Some(answer), until)).is_some())
    }

    async fn give_up(&self, name: RequestName, holder: [u8; 16]) -> Result<(), StoreError> {
        let mut state = self.write()?;
        if state.answers.get(&name).is_some_and(|entry| entry.is_held_by(holder)) {
            state.answers.remove(&name);
        }
        Ok(())
    }
}
