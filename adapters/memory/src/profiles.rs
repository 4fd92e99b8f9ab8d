//! Profiles, webhooks and claims.

use argus_domain::{
    Address,
    profile::{Profile, ProfileChange},
    time::Timestamp,
    webhook::{DeadLetter, Failure, Progress, Webhook},
};
use argus_ports::{ClaimStore, ProfileStore, StoreError, WebhookStore};
use async_trait::async_trait;

use crate::state::MemoryStore;

#[async_trait]
impl ProfileStore for MemoryStore {
    async fn profile(&self, account: Address) -> Result<Option<Profile>, StoreError> {
        Ok(self.read().profiles.get(&account).cloned())
    }

    async fn change_profile(&self, account: Address, change: ProfileChange) -> Result<Profile, StoreError> {
        let mut state = self.write()?;
        let profile = state.profiles.entry(account).or_insert_with(|| Profile::silent(account));
        profile.take(change);
        Ok(profile.clone())
    }

    async fn applicants(&self, limit: u32) -> Result<Vec<Profile>, StoreError> {
        let state = self.read();
        let asked = state.profiles.values().filter(|profile| profile.applied_at.is_some());
        Ok(asked.take(limit as usize).cloned().collect())
    }
}

#[async_trait]
impl WebhookStore for MemoryStore {
    async fn add_webhook(&self, webhook: Webhook, most: u32) -> Result<bool, StoreError> {
        let mut state = self.write()?;
        if state.webhooks.contains_key(&webhook.id) {
            return Ok(true);
        }
        if state.webhooks.values().filter(|(known, _)| known.owner == webhook.owner).count() >= most as usize
        {
            return Ok(false);
        }
        state.webhooks.insert(webhook.id.clone(), (webhook, Vec::new()));
        Ok(true)
    }

    async fn webhook(&self, id: &str) -> Result<Option<Webhook>, StoreError> {
        Ok(self.read().webhooks.get(id).map(|(webhook, _)| webhook.clone()))
    }

    async fn webhooks_of(&self, owner: Address) -> Result<Vec<Webhook>, StoreError> {
        let state = self.read();
        let own =
            state.webhooks.values().map(|(webhook, _)| webhook).filter(|webhook| webhook.owner == owner);
        let mut own: Vec<Webhook> = own.cloned().collect();
        own.sort_by_key(|webhook| webhook.created_at);
        Ok(own)
    }

    async fn webhooks(&self, after: Option<&str>, limit: u32) -> Result<Vec<Webhook>, StoreError> {
        let state = self.read();
        let rest = state.webhooks.iter().filter(|(id, _)| after.is_none_or(|after| id.as_str() > after));
        Ok(rest.take(limit as usize).map(|(_, (webhook, _))| webhook.clone()).collect())
    }

    async fn change_webhook(
        &self,
        id: &str,
        url: Option<String>,
        kinds: Option<Vec<String>>,
        now: Timestamp,
    ) -> Result<Option<Webhook>, StoreError> {
        let mut state = self.write()?;
        let Some((webhook, _)) = state.webhooks.get_mut(id) else { return Ok(None) };
        webhook.url = url.unwrap_or_else(|| webhook.url.clone());
        webhook.kinds = kinds.unwrap_or_else(|| webhook.kinds.clone());
        webhook.progress = Progress { position: webhook.progress.position, failures: 0, next_at: now };
        Ok(Some(webhook.clone()))
    }

    async fn remove_webhook(&self, id: &str) -> Result<(), StoreError> {
        self.write()?.webhooks.remove(id);
        Ok(())
    }

    async fn take_webhook(&self, id: &str, seen: Progress, until: Timestamp) -> Result<bool, StoreError> {
        let mut state = self.write()?;
        let Some((webhook, _)) = state.webhooks.get_mut(id) else { return Ok(false) };
        let is_as_seen = webhook.progress == seen;
        if is_as_seen {
            webhook.progress.next_at = until;
        }
        Ok(is_as_seen)
    }

    async fn move_webhook(
        &self,
        id: &str,
        progress: Progress,
        (failure, dead): (Option<Failure>, Option<DeadLetter>),
        kept: u32,
    ) -> Result<(), StoreError> {
        let mut state = self.write()?;
        let Some((webhook, letters)) = state.webhooks.get_mut(id) else { return Ok(()) };
        if progress.position < webhook.progress.position {
            return Ok(());
        }
        webhook.progress = progress;
        webhook.failure = failure.or(webhook.failure.take());
        if let Some(letter) = dead.filter(|letter| letters.iter().all(|known| known.event != letter.event)) {
            letters.push(letter);
            letters.drain(..letters.len().saturating_sub(kept as usize));
        }
        Ok(())
    }

    async fn dead_letters(&self, id: &str) -> Result<Vec<DeadLetter>, StoreError> {
        let state = self.read();
        let letters = state.webhooks.get(id).map(|(_, letters)| letters.iter().rev().cloned().collect());
        Ok(letters.unwrap_or_default())
    }
}

#[async_trait]
impl ClaimStore for MemoryStore {
    async fn claim(
        &self,
        who: Vec<String>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Result<(), Timestamp>, StoreError> {
        let mut state = self.write()?;
        state.claims.retain(|_, until| *until > now);
        if let Some(last) = who.iter().filter_map(|who| state.claims.get(who)).max() {
            return Ok(Err(*last));
        }
        state.claims.extend(who.into_iter().map(|who| (who, until)));
        Ok(Ok(()))
    }

    async fn unclaim(&self, who: Vec<String>, until: Timestamp) -> Result<(), StoreError> {
        self.write()?.claims.retain(|name, noted| *noted != until || !who.contains(name));
        Ok(())
    }

    async fn nonce_key(&self, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        Ok(*self.write()?.nonce_key.get_or_insert(fresh))
    }
}
