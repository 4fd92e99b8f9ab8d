//! Scheduler and monitor, and who hears what.

use argus_domain::{
    B256, U256,
    chain::Log,
    ids::{Occurrence, TaskId},
    job::{Position, Trigger},
    task::{Fact, Receipt, TriggerFact},
    time::Timestamp,
};
use argus_machine::{
    dispatch, invariant, quorum,
    schedule::{self, Rules, Step},
};

use crate::{
    chain::FINAL,
    plant::Plant,
    scenario::{self, CHAIN},
    world::{Msg, Node, World},
};

impl World {
    pub fn poll(&mut self, node: Node) {
        match node {
            Node::Scheduler => self.scan(),
            Node::Dispatcher => self.poll_dispatcher(),
            Node::Aggregator => self.tick_aggregator(),
            Node::Monitor => self.watch(),
            Node::Keeper(id) => self.poll_keeper(id),
        }
    }

    pub fn tick(&mut self, node: Node) {
        match node {
            Node::Dispatcher => self.tick_dispatcher(),
            Node::Aggregator => self.tick_aggregator(),
            Node::Keeper(id) => self.tick_keeper(id),
            Node::Scheduler | Node::Monitor => {}
        }
    }

    pub fn restart(&mut self, node: Node) {
        match node {
            Node::Dispatcher => self.restart_dispatcher(),
            Node::Aggregator => self.restart_aggregator(),
            Node::Keeper(id) => self.recover_keeper(id),
            Node::Scheduler | Node::Monitor => {}
        }
    }

    pub fn deliver(&mut self, node: Node, msg: Msg) {
        match (node, msg) {
            (Node::Keeper(id), msg) => self.keeper_hears(id, msg),
            (Node::Dispatcher, Msg::Submit(task)) => self.submit(task, false),
            (Node::Dispatcher, Msg::Touched(task)) => self.submit(task, true),
            (Node::Dispatcher, Msg::Ended(task, attempt, outcome)) => {
                self.tell_dispatcher(dispatch::Input::Ended { task, attempt, outcome });
            }
            (Node::Dispatcher, Msg::Performed(event)) => {
                self.tell_dispatcher(dispatch::Input::Performed(event));
            }
            (Node::Aggregator, Msg::Begin(assignment)) => {
                self.tell_aggregator(quorum::Input::Begin(assignment))
            }
            (Node::Aggregator, Msg::HandOff(order)) => {
                let keeper = order.handoff.keeper;
                self.send(Node::Aggregator, Node::Keeper(keeper), Msg::Perform(order));
            }
            (Node::Aggregator, Msg::Answer(answer)) => self.answer(answer),
            (Node::Aggregator, Msg::Signed(claim)) => self.tell_aggregator(quorum::Input::Signed(claim)),
            (Node::Aggregator, Msg::Declined(task, attempt, keeper, reason, transient)) => {
                self.tell_aggregator(quorum::Input::Declined { task, attempt, keeper, reason, transient });
            }
            (Node::Aggregator, Msg::Refuted(task, attempt, keeper, accused)) => {
                self.refuted(task, attempt, keeper, accused);
            }
            (Node::Aggregator, Msg::Heartbeat(keeper)) => self.heartbeat(keeper),
            (_, _) => {}
        }
    }

    /// One scan of the scheduler over all jobs.
    fn scan(&mut self) {
        let now = self.clock();
        for id in self.store.jobs.keys().copied().collect::<Vec<_>>() {
            let Some(record) = self.store.jobs.get(&id).cloned() else { continue };
            let steps = match &record.job.trigger {
                Trigger::Time(_) => schedule::time(&record, now, None, Rules::default()),
                Trigger::Event(filter) => {
                    let deep = self.chain.head().number.saturating_sub(filter.confirmations);
                    let from = schedule::search_from(&record, FINAL);
                    let blocks = self.chain.blocks.iter().filter(|b| (from..=deep).contains(&b.number));
                    let known = |l: &&Log| {
                        let occurrence = Occurrence::Event(l.chain, l.transaction, l.index_in_transaction);
                        self.store.tasks.contains_key(&TaskId::of(id, &occurrence))
                    };
                    let logs: Vec<Log> =
                        blocks.flat_map(|b| b.logs.iter()).filter(|l| !known(l)).cloned().collect();
                    schedule::event(&record, logs, deep, now)
                }
                Trigger::Condition(_) => {
                    let shown = if self.condition_high { "900" } else { "100" };
                    schedule::condition(&record, shown.parse().ok().as_ref(), now)
                }
            };
            for step in steps {
                if !self.take(step, now) {
                    break;
                }
            }
            if self.down.contains(&Node::Scheduler) {
                return;
            }
        }
    }

    /// Carries one step out; false where the job has to be read again, or the scheduler died.
    fn take(&mut self, step: Step, now: Timestamp) -> bool {
        if self.dies(Node::Scheduler) {
            return false;
        }
        match step {
            Step::Move(cursor) => self.store.move_cursor(*cursor),
            Step::Open(opening) => {
                let (task, cursor) = *opening;
                let early =
                    matches!(task.trigger, TriggerFact::Due) && !invariant::never_early(task.due, now);
                self.tally.early += u64::from(early);
                self.expect(!early, invariant::NEVER_EARLY, || format!("task {} is early", task.id));
                let id = task.id;
                if self.plant == Some(Plant::CursorFirst) {
                    self.store.move_cursor(cursor.clone());
                    if self.dies(Node::Scheduler) {
                        return false;
                    }
                }
                if !self.store.open(task) {
                    return false;
                }
                if self.dies(Node::Scheduler) {
                    return false;
                }
                let moved = self.store.move_cursor(cursor);
                self.send(Node::Scheduler, Node::Dispatcher, Msg::Submit(id));
                moved
            }
        }
    }

    /// One look of the monitor at the chain.
    fn watch(&mut self) {
        for id in self.store.unfinished.clone() {
            let facts = self.seen(id);
            for fact in facts {
                if self.dies(Node::Monitor) {
                    return;
                }
                let touched = fact.task();
                self.record(fact);
                self.send(Node::Monitor, Node::Dispatcher, Msg::Touched(touched));
            }
        }
    }

    fn seen(&self, id: TaskId) -> Vec<Fact> {
        let Some(record) = self.store.tasks.get(&id) else { return Vec::new() };
        let (state, head, now) = (record.state(), self.chain.head(), self.clock());
        let deep = |number: u64| head.number >= number + FINAL;
        let Some(agreed) = state.agreed() else {
            let lost = match &record.task.trigger {
                TriggerFact::Log(log) => deep(log.block_number) && !self.chain.log_stands(log),
                TriggerFact::Due | TriggerFact::Value { .. } | TriggerFact::Manual => false,
            };
            return if lost && !state.trigger_lost {
                vec![Fact::TriggerLost { task: id, at: now }]
            } else {
                Vec::new()
            };
        };
        if let Some(receipt) = &state.receipt {
            let block_hash = receipt.block_hash;
            return if !self.chain.is_canonical(receipt.block_number, block_hash) {
                vec![Fact::Revoked { task: id, sighting: receipt.sighting, block_hash, at: now }]
            } else if deep(receipt.block_number) && !state.confirmed {
                vec![Fact::Confirmed { task: id, block_hash, at: now }]
            } else {
                Vec::new()
            };
        }
        let sightings = record.facts.iter().filter(|f| matches!(f, Fact::Received(_))).count();
        if let Some((block, transaction, keeper)) = self.chain.call_of(id) {
            return vec![Fact::Received(Receipt {
                task: id,
                sighting: sightings as u16 + 1,
                chain: CHAIN,
                transaction,
                block_number: block.number,
                block_hash: block.hash,
                block_time: block.time,
                keeper,
                success: !scenario::call_fails(self.kinds[&record.task.job], id),
                gas_used: 1,
                charged: U256::ZERO,
            })];
        }
        // So deep that no reorg reaches a block in which the call was still allowed.
        let last = self.chain.blocks.len().checked_sub(1 + FINAL as usize);
        let passed =
            last.and_then(|at| self.chain.blocks.get(at)).is_some_and(|b| b.time > agreed.valid_until);
        let waits = self.chain.pool.values().any(|tx| tx.draft.data.as_ref() == B256::as_slice(&id.0));
        let guarded = agreed.how != argus_domain::task::AgreedHow::Solo;
        if passed && (guarded || !waits) && !state.lapsed {
            return vec![Fact::Lapsed { task: id, at: now, because: None }];
        }
        Vec::new()
    }

    /// Event jobs' cursors, for the final check.
    pub fn event_block(record: &argus_domain::job::JobRecord) -> Option<u64> {
        match record.cursor.position {
            Position::Event { block } => Some(block),
            Position::Time | Position::Condition { .. } => None,
        }
    }
}
