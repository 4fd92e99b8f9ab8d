//! The contract of [`TaskStore`], on a store that also keeps the jobs.

use argus_domain::{
    B256, U256,
    attempt::Attempt,
    ids::{JobId, TaskId, TaskNumber},
    job::{Cursor, JobChange, JobRecord},
    state::{JobState, StateRef},
    task::{Agreed, Broadcast, Challenge, Fact, Receipt, TaskRecord, Verdict},
};
use argus_ports::{JobQuery, JobStore, OpenOutcome, Opening, Recorded, StoreError, TaskQuery, TaskStore};
use futures::future::join_all;

use crate::{
    jobs::create,
    samples::{
        NOW, agreed, at, attempt, claim, cursor as first_cursor, handoff, job, job_with_safe, keeper,
        new_job, next_cursor, next_opening, next_task, observation, owner, receipt, settled, settled_agreed,
    },
};

/// All of it.
pub async fn suite<S: JobStore + TaskStore>(fresh: impl Fn() -> S) {
    opening_moves_the_cursor(&fresh()).await;
    opening_twice_is_opening_once(&fresh()).await;
    opening_is_refused_when_stale_or_gone(&fresh()).await;
    a_batch_opens_in_order(&fresh()).await;
    facts_are_kept_in_order_and_once(&fresh()).await;
    the_first_verdict_wins(&fresh()).await;
    agreement_is_refused_once_the_job_is_deleted(&fresh()).await;
    unfinished_agrees_with_the_fold(&fresh()).await;
    unfinished_comes_in_pages(&fresh()).await;
    lists_are_newest_first_in_pages(&fresh()).await;
    of_many_verdicts_one_wins(&fresh()).await;
    of_two_schedulers_one_opens(&fresh()).await;
    a_jobs_state_is_what_its_confirmed_calls_left(&fresh()).await;
    a_job_counts_what_its_tasks_were_charged(&fresh()).await;
}

/// Opens the job's next task, which must succeed, and gives it back with the job as it is then.
pub async fn open_next<S: JobStore + TaskStore>(store: &S, job: JobId) -> (TaskId, JobRecord) {
    let record = store.job(job).await.expect("job").expect("record");
    let (task, cursor) = next_task(&record);
    let id = task.id;
    assert_eq!(store.open(vec![Opening::unfenced(task, cursor)]).await, Ok(vec![OpenOutcome::Opened]));
    (id, store.job(job).await.expect("job").expect("record"))
}

async fn record_of(store: &dyn TaskStore, id: TaskId) -> TaskRecord {
    store.tasks(&[id]).await.expect("tasks").pop().expect("the task is there")
}

async fn opening_moves_the_cursor<S: JobStore + TaskStore>(store: &S) {
    let record = create(store, vec![new_job(1)]).await.remove(0);
    let (task, cursor) = next_task(&record);
    assert_eq!(
        store.open(vec![Opening::unfenced(task.clone(), cursor.clone())]).await,
        Ok(vec![OpenOutcome::Opened])
    );
    let moved = store.job(record.job.id).await.expect("job").expect("record");
    assert_eq!(moved.cursor, cursor, "the cursor moved with it");
    assert_eq!(moved.last_opened_at, Some(task.due));
    assert_eq!(record_of(store, task.id).await, TaskRecord { task: task.clone(), facts: Vec::new() });
    let by_number = store.by_public_id(task.public_id()).await.expect("by_public_id");
    assert_eq!(by_number.map(|record| record.task), Some(task));
    assert_eq!(store.by_public_id(5).await, Ok(None), "absent is none");
    assert_eq!(store.tasks(&[TaskId(B256::ZERO)]).await, Ok(vec![]), "absent ones are left out");
}

async fn opening_twice_is_opening_once<S: JobStore + TaskStore>(store: &S) {
    let record = create(store, vec![new_job(1)]).await.remove(0);
    let opening = next_opening(&record);
    store.open(vec![opening.clone()]).await.expect("open");
    let after = store.job(record.job.id).await.expect("job").expect("record");
    assert_eq!(store.open(vec![opening.clone()]).await, Ok(vec![OpenOutcome::Already]));
    assert_eq!(store.job(record.job.id).await, Ok(Some(after.clone())), "nothing changed");
    let onward = next_cursor(&after.cursor);
    assert_eq!(
        store.open(vec![Opening::unfenced(opening.task, onward.clone())]).await,
        Ok(vec![OpenOutcome::Already])
    );
    let moved = store.job(record.job.id).await.expect("job").expect("record");
    assert_eq!(moved.cursor, onward, "the cursor moves if it had not");
}

async fn opening_is_refused_when_stale_or_gone<S: JobStore + TaskStore>(store: &S) {
    let record = create(store, vec![new_job(1)]).await.remove(0);
    let (task, cursor) = next_task(&record);
    let ahead = Cursor { revision: cursor.revision + 1, ..cursor.clone() };
    assert_eq!(store.open(vec![Opening::unfenced(task.clone(), ahead)]).await, Ok(vec![OpenOutcome::Stale]));
    assert_eq!(store.tasks(&[task.id]).await, Ok(vec![]), "nothing was written");
    store.open(vec![Opening::unfenced(task.clone(), cursor)]).await.expect("open");
    let after = store.job(record.job.id).await.expect("job").expect("record");
    let (next, moved) = next_task(&after);
    let mut same_number = next.clone();
    same_number.number = task.number;
    assert_eq!(
        store.open(vec![Opening::unfenced(same_number, moved.clone())]).await,
        Ok(vec![OpenOutcome::Stale])
    );
    assert_eq!(store.job(record.job.id).await, Ok(Some(after)), "a job's number is there once");

    for (change, back) in
        [(JobChange::Paused(NOW), Some(JobChange::Resumed(NOW))), (JobChange::Deleted(NOW), None)]
    {
        store.change(record.job.id, record.job.serial, change).await.expect("change");
        let opening = Opening::unfenced(next.clone(), moved.clone());
        assert_eq!(store.open(vec![opening]).await, Ok(vec![OpenOutcome::Gone]));
        assert_eq!(store.tasks(&[next.id]).await, Ok(vec![]), "nothing was written");
        if let Some(back) = back {
            store.change(record.job.id, record.job.serial, back).await.expect("change");
        }
    }
    let (mut orphan, cursor) = (next, next_cursor(&first_cursor(&job(9))));
    orphan.job = job(9).id;
    assert_eq!(
        store.open(vec![Opening::unfenced(orphan, cursor)]).await,
        Ok(vec![OpenOutcome::Gone]),
        "no such job"
    );
}

async fn a_batch_opens_in_order<S: JobStore + TaskStore>(store: &S) {
    let records = create(store, vec![new_job(1), new_job(2)]).await;
    let (first, after_first) = next_task(&records[0]);
    let then = JobRecord { cursor: after_first.clone(), ..records[0].clone() };
    let (second, after_second) = next_task(&then);
    let other = next_opening(&records[1]);
    let batch = vec![
        Opening::unfenced(first.clone(), after_first.clone()),
        Opening::unfenced(second, after_second.clone()),
        Opening::unfenced(first, after_first),
        other,
    ];
    let outcomes = store.open(batch).await.expect("open");
    assert_eq!(
        outcomes,
        [OpenOutcome::Opened, OpenOutcome::Opened, OpenOutcome::Already, OpenOutcome::Opened]
    );
    let record = store.job(records[0].job.id).await.expect("job").expect("record");
    assert_eq!((record.cursor, record.last_opened_at), (after_second, Some(at(2000))));
}

async fn facts_are_kept_in_order_and_once<S: JobStore + TaskStore>(store: &S) {
    create(store, vec![new_job(1)]).await;
    let (id, _) = open_next(store, job(1).id).await;
    let facts = vec![
        Fact::Observed(observation(id, 2)),
        Fact::Attempted(attempt(id, 1)),
        Fact::Claimed(claim(id, 2)),
        Fact::Observed(observation(id, 1)),
    ];
    assert_eq!(store.record(facts.clone()).await, Ok(vec![Recorded::New; 4]));
    assert_eq!(record_of(store, id).await.facts, facts, "in the order of recording, not of keys");
    let mut other = observation(id, 1);
    std::sync::Arc::make_mut(&mut other).fuel += 1;
    let more = vec![Fact::Observed(other), Fact::Attempted(attempt(id, 2)), Fact::Attempted(attempt(id, 2))];
    let outcomes = store.record(more).await.expect("record");
    let known = |fact: &Fact| Recorded::Already(Box::new(fact.clone()));
    assert_eq!(outcomes[0], known(&facts[3]), "the first one stays");
    assert_eq!(outcomes[1..], [Recorded::New, known(&Fact::Attempted(attempt(id, 2)))]);
    assert_eq!(record_of(store, id).await.facts.len(), 5);
    let nowhere = Fact::Attempted(attempt(TaskId(B256::ZERO), 1));
    assert_eq!(store.record(vec![nowhere]).await, Ok(vec![Recorded::Refused]), "no such task");
}

async fn the_first_verdict_wins<S: JobStore + TaskStore>(store: &S) {
    create(store, vec![new_job(1)]).await;
    let (id, _) = open_next(store, job(1).id).await;
    let first = settled(id, Verdict::Exhausted("time ran out".to_owned()));
    assert_eq!(store.record(vec![first.clone()]).await, Ok(vec![Recorded::New]));
    for later in [settled_agreed(id), settled(id, Verdict::Skipped("no".to_owned())), first.clone()] {
        let outcome = store.record(vec![later]).await;
        assert_eq!(outcome, Ok(vec![Recorded::Already(Box::new(first.clone()))]));
    }
    assert_eq!(record_of(store, id).await.facts, [first]);
}

async fn agreement_is_refused_once_the_job_is_deleted<S: JobStore + TaskStore>(store: &S) {
    let stored = create(store, vec![new_job(1)]).await.remove(0).job;
    let (open, _) = open_next(store, job(1).id).await;
    let (agreed, _) = open_next(store, job(1).id).await;
    store.record(vec![settled_agreed(agreed)]).await.expect("record");
    store
        .change(stored.id, stored.serial, JobChange::Deleted(NOW))
        .await
        .expect("delete")
        .expect("it is there");
    assert_eq!(store.record(vec![settled_agreed(open)]).await, Ok(vec![Recorded::Refused]));
    assert_eq!(record_of(store, open).await.facts, [], "nothing was written");
    let repeat = store.record(vec![settled_agreed(agreed)]).await;
    assert_eq!(repeat, Ok(vec![Recorded::Already(Box::new(settled_agreed(agreed)))]));
    let withdrawn = settled(open, Verdict::Withdrawn("the job was deleted".to_owned()));
    assert_eq!(store.record(vec![withdrawn]).await, Ok(vec![Recorded::New]), "other verdicts are taken");
    let late = Fact::Received(receipt(agreed, 1));
    assert_eq!(store.record(vec![late]).await, Ok(vec![Recorded::New]), "other facts are taken");
}

/// One fact of each kind that can bear on whether a task is finished, in every combination and two orders.
async fn unfinished_agrees_with_the_fold<S: JobStore + TaskStore>(store: &S) {
    create(store, vec![new_job(1)]).await;
    let kinds = |id: TaskId| {
        let (block_hash, transaction) = (B256::repeat_byte(8), B256::repeat_byte(5));
        vec![
            Fact::Announced { task: id, at: NOW },
            Fact::Confirmed { task: id, block_hash, at: NOW },
            Fact::Lapsed { task: id, at: NOW, because: None },
            Fact::Received(receipt(id, 1)),
            Fact::Revoked { task: id, sighting: 1, block_hash, at: NOW },
            Fact::HandedOff(handoff(id, 1)),
            Fact::Broadcast(Broadcast { task: id, keeper: keeper(1), transaction, at: NOW }),
            Fact::TriggerLost { task: id, at: NOW },
            Fact::Challenged(Challenge { task: id, keeper: keeper(1), finding: "other".to_owned(), at: NOW }),
        ]
    };
    let verdicts = |id: TaskId| {
        let why = "why".to_owned();
        vec![
            None,
            Some(settled_agreed(id)),
            Some(settled(id, Verdict::Skipped(why.clone()))),
            Some(settled(id, Verdict::Failed(why.clone()))),
            Some(settled(id, Verdict::Withdrawn(why.clone()))),
            Some(settled(id, Verdict::Exhausted(why))),
        ]
    };
    let mut expected = Vec::new();
    for which in 0..verdicts(TaskId(B256::ZERO)).len() {
        // The first three kinds in every combination; the others all or none.
        for subset in 0..16u32 {
            let (id, _) = open_next(store, job(1).id).await;
            let chosen = kinds(id).into_iter().enumerate().filter(|(n, _)| subset >> (*n).min(3) & 1 == 1);
            let mut facts: Vec<Fact> = chosen.map(|(_, fact)| fact).collect();
            facts.extend(verdicts(id).swap_remove(which));
            if subset % 2 == 0 {
                facts.reverse();
            }
            store.record(facts).await.expect("record");
            if !record_of(store, id).await.state().is_finished() {
                expected.push(id);
            }
        }
    }
    expected.sort();
    let found = store.unfinished(None, 1000).await.expect("unfinished");
    let mut found: Vec<_> = found.iter().map(|record| record.task.id).collect();
    found.sort();
    assert_eq!(found, expected);
}

async fn unfinished_comes_in_pages<S: JobStore + TaskStore>(store: &S) {
    create(store, vec![new_job(1), new_job(2)]).await;
    let mut ids = Vec::new();
    for n in [1, 2, 1, 2, 1] {
        ids.push(open_next(store, job(n).id).await.0);
    }
    ids.sort();
    let page = async |after, limit| store.unfinished(after, limit).await.expect("unfinished");
    let name = |records: &[TaskRecord]| records.iter().map(|r| r.task.id).collect::<Vec<_>>();
    let all = name(&page(None, 9).await);
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(sorted, ids, "each once");
    store.record(vec![Fact::Attempted(attempt(all[0], 1))]).await.expect("record");
    let first = page(None, 2).await;
    assert_eq!(name(&first), all[..2], "each in its place");
    assert_eq!(first[0].facts, [Fact::Attempted(attempt(all[0], 1))], "with their facts");
    assert_eq!(name(&page(Some(all[1]), 9).await), all[2..]);
    assert_eq!(page(Some(all[4]), 9).await, []);
}

async fn lists_are_newest_first_in_pages<S: JobStore + TaskStore>(store: &S) {
    let safe = owner(9);
    let (mut second, third) = (job(2), job_with_safe(3, safe));
    second.owner = owner(2);
    let jobs = [job(1), second, third];
    create(store, jobs.iter().map(|job| (job.clone(), first_cursor(job))).collect()).await;
    // Opened at 1 s: the first task of each job, at 2 s the second ones.
    for _ in 0..2 {
        for job in &jobs {
            open_next(store, job.id).await;
        }
    }
    let list = async |query, before, limit| {
        let found = TaskStore::list(store, query, before, limit).await.expect("list");
        let name = |r: TaskRecord| (r.task.serial.0, r.task.number.0);
        found.into_iter().map(name).collect::<Vec<_>>()
    };
    let id = |serial: u64, number: u64| Some(serial << 26 | number);
    assert_eq!(list(TaskQuery::Recent, None, 9).await, [(3, 2), (2, 2), (1, 2), (3, 1), (2, 1), (1, 1)]);
    assert_eq!(list(TaskQuery::Recent, id(1, 2), 2).await, [(3, 1), (2, 1)]);
    assert_eq!(list(TaskQuery::Owner(owner(1)), None, 3).await, [(3, 2), (1, 2), (3, 1)]);
    assert_eq!(list(TaskQuery::Owner(owner(1)), id(3, 1), 3).await, [(1, 1)]);
    assert_eq!(list(TaskQuery::Safe(safe), None, 9).await, [(3, 2), (3, 1)]);
    assert_eq!(list(TaskQuery::Job(jobs[0].id), None, 9).await, [(1, 2), (1, 1)]);
    assert_eq!(list(TaskQuery::Job(jobs[0].id), id(1, 2), 9).await, [(1, 1)]);
    assert_eq!(list(TaskQuery::Job(job(8).id), None, 9).await, []);
    // Opened with a clock that was set back: still the job's newest one.
    let record = store.job(jobs[0].id).await.expect("job").expect("record");
    let (mut task, cursor) = next_task(&record);
    task.opened_at = at(1);
    store.open(vec![Opening::unfenced(task, cursor)]).await.expect("open");
    assert_eq!(list(TaskQuery::Job(jobs[0].id), None, 2).await, [(1, 3), (1, 2)]);
    assert_eq!(list(TaskQuery::Job(jobs[0].id), id(1, 3), 9).await, [(1, 2), (1, 1)]);
}

async fn of_many_verdicts_one_wins<S: JobStore + TaskStore>(store: &S) {
    create(store, vec![new_job(1)]).await;
    for _ in 0..10 {
        let (id, _) = open_next(store, job(1).id).await;
        let verdict = |n: usize| match n % 2 {
            0 => settled_agreed(id),
            _ => settled(id, Verdict::Failed(format!("writer {n}"))),
        };
        let outcomes = join_all((0..16).map(|n| store.record(vec![verdict(n)]))).await;
        let outcomes: Vec<Recorded> = outcomes.into_iter().map(|o| o.expect("record").remove(0)).collect();
        let kept = record_of(store, id).await.facts;
        assert_eq!(kept.len(), 1);
        for (n, outcome) in outcomes.iter().enumerate() {
            match outcome {
                Recorded::New => assert_eq!(kept[0], verdict(n)),
                Recorded::Already(fact) => {
                    assert_eq!(**fact, kept[0], "everyone is told the one that counts")
                }
                Recorded::Refused | Recorded::Fenced => panic!("refused"),
            }
        }
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Recorded::New).count(), 1);
    }
}

/// The facts of a task that ran on a state, and agreed on a call that leaves another one.
fn ran(task: TaskId, before: StateRef, after: u8) -> Vec<Fact> {
    let tried = Attempt { state: Some(before), ..Attempt::clone(&attempt(task, 1)) };
    let left = Agreed { state: Some(B256::repeat_byte(after)), ..Agreed::clone(&agreed()) };
    vec![Fact::Attempted(tried.into()), settled(task, Verdict::Agreed(left.into()))]
}

async fn a_jobs_state_is_what_its_confirmed_calls_left<S: JobStore + TaskStore>(store: &S) {
    create(store, vec![new_job(1), new_job(2)]).await;
    let id = job(1).id;
    let empty = StateRef::empty();
    let written = |n: u8| StateRef { root: B256::repeat_byte(n), version: TaskNumber(u32::from(n)) };
    let check = async |before: Option<u64>, at: StateRef, is_settled: bool, when: &str| {
        assert_eq!(store.state(id, before).await, Ok(JobState { at, is_settled }), "{when}");
    };
    let record = async |facts: Vec<Fact>| drop(store.record(facts).await.expect("record"));
    check(None, empty, true, "no task yet").await;
    check(Some(7), empty, true, "no such task").await;
    let (first, _) = open_next(store, id).await;
    check(None, empty, false, "one may write").await;
    record(ran(first, empty, 1)).await;
    check(None, empty, false, "agreed, and the chain has said nothing").await;
    record(vec![Fact::Received(receipt(first, 1))]).await;
    check(None, empty, false, "a reorg can take that back").await;
    record(vec![Fact::Revoked { task: first, sighting: 1, block_hash: B256::ZERO, at: NOW }]).await;
    check(None, empty, false, "and did").await;
    record(vec![Fact::Received(receipt(first, 2))]).await;
    record(vec![Fact::Confirmed { task: first, block_hash: B256::ZERO, at: NOW }]).await;
    check(None, written(1), true, "confirmed").await;
    // Calls that lapse or fail leave what there was, and so do tasks that never ran, however many.
    let (lapsed, _) = open_next(store, id).await;
    record(ran(lapsed, written(1), 2)).await;
    record(vec![Fact::Lapsed { task: lapsed, at: NOW, because: None }]).await;
    let (failed, _) = open_next(store, id).await;
    record(ran(failed, written(1), 3)).await;
    record(vec![Fact::Received(Receipt { success: false, ..receipt(failed, 1) })]).await;
    record(vec![Fact::Confirmed { task: failed, block_hash: B256::ZERO, at: NOW }]).await;
    check(None, written(1), true, "nothing was written").await;
    for _ in 4..=9 {
        let (withdrawn, _) = open_next(store, id).await;
        record(vec![settled(withdrawn, Verdict::Withdrawn("deleted".to_owned()))]).await;
    }
    check(None, written(1), true, "past those that never ran").await;
    let (tenth, _) = open_next(store, id).await;
    let number = async |task| Some(record_of(store, task).await.task.public_id());
    check(number(tenth).await, written(1), true, "before itself").await;
    check(number(first).await, empty, true, "before the first").await;
    record(ran(tenth, written(1), 10)).await;
    record(vec![Fact::Received(receipt(tenth, 1))]).await;
    record(vec![Fact::Confirmed { task: tenth, block_hash: B256::ZERO, at: NOW }]).await;
    check(None, written(10), true, "the next state").await;
    assert_eq!(store.state(job(2).id, None).await, Ok(JobState { at: empty, is_settled: true }), "its own");
}

async fn of_two_schedulers_one_opens<S: JobStore + TaskStore>(store: &S) {
    let mut record = create(store, vec![new_job(1)]).await.remove(0);
    for n in 1..=10 {
        let opening = next_opening(&record);
        let outcomes: Vec<Result<Vec<OpenOutcome>, StoreError>> =
            join_all((0..4).map(|_| store.open(vec![opening.clone()]))).await;
        let opened = outcomes.iter().filter(|o| **o == Ok(vec![OpenOutcome::Opened])).count();
        let already = outcomes.iter().filter(|o| **o == Ok(vec![OpenOutcome::Already])).count();
        assert_eq!((opened, already), (1, 3), "{outcomes:?}");
        record = store.job(record.job.id).await.expect("job").expect("record");
        assert_eq!(record.cursor.opened, TaskNumber(n));
    }
}

async fn a_job_counts_what_its_tasks_were_charged<S: JobStore + TaskStore>(store: &S) {
    create(store, vec![new_job(1), new_job(2)]).await;
    let (first, _) = open_next(store, job(1).id).await;
    let (second, _) = open_next(store, job(1).id).await;
    let (other, _) = open_next(store, job(2).id).await;
    let costs = |task, sighting, wei: u64| {
        Fact::Received(Receipt { charged: U256::from(wei), ..receipt(task, sighting) })
    };
    let revoked = |task, sighting| Fact::Revoked { task, sighting, block_hash: B256::ZERO, at: NOW };
    for (facts, sum) in [
        (vec![settled_agreed(first)], 0),
        (vec![costs(first, 1, 30), costs(second, 1, 4)], 34),
        (vec![costs(first, 1, 99)], 34),
        (vec![costs(other, 1, 1_000)], 34),
        (vec![revoked(first, 1)], 4),
        (vec![revoked(first, 1)], 4),
        // The same call in another block, at another price.
        (vec![costs(first, 2, 70)], 74),
        // Facts may come in any order: of several sightings the newest counts, unless it was taken back.
        (vec![revoked(second, 3)], 74),
        (vec![costs(second, 3, 500)], 70),
        (vec![costs(second, 2, 600)], 70),
        (vec![costs(second, 4, 7)], 77),
    ] {
        store.record(facts.clone()).await.expect("record");
        let record = store.job(job(1).id).await.expect("job").expect("record");
        assert_eq!(record.charged, U256::from(sum), "{facts:?}");
        let tasks = store.tasks(&[first, second]).await.expect("tasks");
        let fold = tasks.iter().fold(U256::ZERO, |sum, task| sum + task.state().charged());
        assert_eq!(record.charged, fold, "the sum is that of the tasks' own facts: {facts:?}");
    }
    let listed = JobStore::list(store, JobQuery::Owner(job(1).owner), None, 9).await.expect("list");
    assert_eq!(listed.iter().map(|r| r.charged).collect::<Vec<_>>(), [U256::from(1_000), U256::from(77)]);
}
