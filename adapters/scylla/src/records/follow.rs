//! Rows of records that several tables have.

use argus_domain::{
    Address,
    task::{Fact, Task},
};
use argus_ports::StoreError;
use argus_proto::encode;
use futures::FutureExt as _;

use crate::{
    cell::values,
    facts::{Known, Mark, PUT, SETTLED},
    lists::TaskList,
    session::{Bound, token},
    store::ScyllaStore,
};

/// Bytes of facts that are written in one step: nodes take some tens of KB.
const STEP_BYTES: usize = 16 << 10;

impl ScyllaStore {
    /// Writes the rows by which a task is found by its number and in lists.
    pub(super) async fn put_task_in_lists(
        &self,
        task: &Task,
        owner: Address,
        safe: Option<Address>,
    ) -> Result<(), StoreError> {
        self.put_by_number(task).await?;
        let lists = [Some(TaskList::Recent), Some(TaskList::Owner(owner)), safe.map(TaskList::Safe)];
        for list in lists.into_iter().flatten() {
            self.put_task_in_list(list, task).await?;
        }
        Ok(())
    }

    /// Writes the facts of a task that nobody writes facts of, with what follows from them.
    pub(super) async fn put_facts(&self, task: &Task, facts: Vec<Fact>) -> Result<(), StoreError> {
        let mut known = Known::none(task);
        let (mut step, mut bytes) = (Vec::<Bound>::new(), 0);
        let is_of_receipt = facts.iter().any(|fact| Mark::of(fact) == Some(Mark::OfReceipt));
        for fact in facts {
            let (key, mark, encoded) = (fact.key().0, Mark::of(&fact), encode(&fact));
            if bytes + encoded.len() > STEP_BYTES {
                self.db().write_all(std::mem::take(&mut step)).await?;
                bytes = 0;
            }
            bytes += encoded.len();
            let mut cells = known.cells(&key, mark, &encoded);
            if let Fact::Settled(_) = fact {
                // Without a condition: whoever settles looks whether it is there, and nothing ever changes it.
                cells.extend(values![token()?]);
                step.push((&SETTLED, cells));
            } else {
                step.push((&PUT, cells));
            }
        }
        self.db().write_all(step).await?;
        if is_of_receipt {
            self.count_charges(task.id, task.serial, task.number.0).boxed().await?;
        }
        // The row comes last: whoever finds it looks at the facts.
        if known.is_finished() { Ok(()) } else { self.put_unfinished(task, 1).await }
    }
}
