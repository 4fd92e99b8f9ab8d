//! One process with the scheduler's role.

use std::{collections::VecDeque, time::Duration};

use argus_domain::{
    ids::JobId,
    lease::{Fence, MemberId, ServiceKind, Shard, ShardSet},
};
use argus_machine::{
    lease::{Config, Moment, Request, Shards},
    schedule::Step,
};

use super::world::Event;

/// What is decided for one job and not written yet.
#[derive(Debug, Clone)]
pub struct Work {
    pub fence: Option<Fence>,
    pub steps: VecDeque<Step>,
}

pub struct Replica {
    pub machine: Shards,
    /// Grows with each life: what was meant for an earlier one is dropped.
    pub life: u64,
    began: u64,
    /// How much of its clock's time passes in a thousand of true time.
    rate: u64,
    pub is_there: bool,
    /// What came while it was stopped.
    pub stopped: Option<Vec<Event>>,
    /// Jobs whose writes are under way: it looks again after them.
    pub writing: usize,
    /// With which shards it looked first, for a planted bug.
    pub first_held: Option<ShardSet>,
}

impl Replica {
    pub fn new(place: u8, life: u64, now: u64, rate: u64) -> Self {
        let mut id = [place; 16];
        id[..8].copy_from_slice(&life.to_be_bytes());
        Self {
            machine: Shards::new(Config::default(), ServiceKind::Scheduler, MemberId(id)),
            life,
            began: now,
            rate,
            is_there: true,
            stopped: None,
            writing: 0,
            first_held: None,
        }
    }

    /// What its clock shows at a true instant.
    pub fn clock(&self, now: u64) -> Moment {
        Moment(Duration::from_millis(now.saturating_sub(self.began) * self.rate / 1000))
    }

    /// The first true millisecond at which its clock shows this.
    pub fn when(&self, moment: Moment) -> u64 {
        let ms = u64::try_from(moment.0.as_micros().div_ceil(1000)).unwrap_or(u64::MAX / 2000);
        self.began + (ms * 1000).div_ceil(self.rate) + 1
    }

    pub fn tick(&mut self, now: u64) -> Vec<Request> {
        let mut out = Vec::new();
        let clock = self.clock(now);
        self.machine.tick(clock, &mut out);
        out
    }

    pub fn fence_of(&self, job: JobId, now: u64) -> Option<Fence> {
        self.machine.fence(Shard::of_job(job).no, self.clock(now))
    }

    pub fn shards(&self, now: u64) -> ShardSet {
        let held = self.machine.held().filter(|(until, _)| self.clock(now) < *until);
        held.into_iter().flat_map(|(_, leases)| leases.keys().copied()).collect()
    }
}
