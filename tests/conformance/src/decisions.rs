//! The contract of [`DecisionStore`].

use argus_domain::{
    U256,
    decision::{Compared, Decision, Outcome},
    ids::{JobId, Serial, TaskNumber},
    rule::Comparison,
};
use argus_ports::{DecisionStore, Look};

use crate::samples::at;

/// The whole suite.
pub async fn suite<S: DecisionStore>(fresh: impl Fn() -> S) {
    let store = &fresh() as &dyn DecisionStore;
    let job = |n: u64| JobId(U256::from(n));
    let look = |n, decision| Look { job: job(n), serial: Serial(1), fence: None, decision };
    let value = |text: &str| {
        let limit = "10.000000000000000000001".parse().expect("a number");
        let compared =
            Compared { value: text.parse().expect("a number"), comparison: Comparison::GreaterThan(limit) };
        Outcome::Unfulfilled(compared)
    };
    let once = |task, outcome, ms| Decision::once(TaskNumber(task), outcome, at(ms));

    assert_eq!(store.of_job(job(1), 9).await, Ok(vec![]), "absent is empty");
    let looks = [
        look(1, once(1, value("9"), 10)),
        look(1, once(1, Outcome::unread("down"), 20)),
        look(2, once(1, Outcome::Held { by: job(u64::MAX) }, 25)),
        look(1, once(1, value("9.5"), 30)),
    ];
    store.note(looks.to_vec(), 9).await.expect("note");
    store.note(vec![look(1, once(1, value("8"), 15))], 9).await.expect("note");
    let folded = Decision { count: 3, first_at: at(10), ..once(1, value("9.5"), 30) };
    let both = vec![folded, once(1, Outcome::unread("down"), 20)];
    assert_eq!(store.of_job(job(1), 9).await, Ok(both.clone()), "one row per kind, newest first");
    assert_eq!(store.of_job(job(1), 1).await, Ok(both[..1].to_vec()));

    store.note(vec![look(1, once(2, value("11"), 40))], 2).await.expect("note");
    let kept = vec![once(2, value("11"), 40), both[0].clone()];
    assert_eq!(
        store.of_job(job(1), 9).await,
        Ok(kept.clone()),
        "another task is another row; the oldest goes"
    );
    let three: Vec<_> = (3..6).map(|n| look(1, once(n, Outcome::Expired, 50 + u64::from(n)))).collect();
    store.note(three.clone(), 2).await.expect("note");
    let newest: Vec<_> = three[1..].iter().rev().map(|look| look.decision.clone()).collect();
    assert_eq!(store.of_job(job(1), 9).await, Ok(newest));
    assert_eq!(
        store.of_job(job(2), 9).await,
        Ok(vec![looks[2].decision.clone()]),
        "another job keeps its own"
    );
}
