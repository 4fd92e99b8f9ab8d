//! The contract of [`SecretStore`].

use argus_domain::{
    U256,
    ids::JobId,
    secret::{SealedSecret, SecretName},
};
use argus_ports::SecretStore;

use crate::samples::at;

/// The whole suite.
pub async fn suite<S: SecretStore>(fresh: impl Fn() -> S) {
    let store = &fresh() as &dyn SecretStore;
    let job = |n: u64| JobId(U256::from(n));
    let name = |text: &str| text.parse::<SecretName>().expect("a name");
    let sealed = |n: u8| SealedSecret { key: [n; 8], bytes: vec![n; 40], set_at: at(u64::from(n)) };

    assert_eq!(store.of_job(job(1)).await, Ok(vec![]));
    for (of, called, n) in [(1, "B", 1), (1, "A", 2), (2, "A", 3), (1, "B", 4)] {
        store.put(job(of), name(called), sealed(n)).await.expect("put");
    }
    let expected = vec![(name("A"), sealed(2)), (name("B"), sealed(4))];
    assert_eq!(store.of_job(job(1)).await, Ok(expected), "by name, and the last one of a name");
    assert_eq!(store.of_job(job(2)).await, Ok(vec![(name("A"), sealed(3))]));

    let others = async |key: u8, after: Option<(u64, &str)>, limit| {
        let after = after.map(|(of, called)| (job(of), name(called)));
        store.sealed_otherwise([key; 8], after, limit).await.expect("read")
    };
    let all =
        [(job(1), name("A"), sealed(2)), (job(1), name("B"), sealed(4)), (job(2), name("A"), sealed(3))];
    assert_eq!(others(9, None, 9).await, all, "by job and name");
    assert_eq!(others(4, None, 9).await, [all[0].clone(), all[2].clone()], "what the key sealed is left out");
    assert_eq!(others(9, None, 2).await, all[..2]);
    assert_eq!(others(9, Some((1, "A")), 9).await, all[1..]);
    assert_eq!(others(9, Some((2, "A")), 9).await, []);
    for (old, replaced) in [(sealed(2), false), (sealed(4), true), (sealed(4), false)] {
        let known = (job(1), name("B"), old);
        assert_eq!(store.replace(known, sealed(5)).await, Ok(replaced), "only just what was there");
    }
    assert_eq!(store.replace((job(3), name("B"), sealed(5)), sealed(6)).await, Ok(false), "absent");
    assert_eq!(others(2, None, 9).await[0], (job(1), name("B"), sealed(5)));
    store.put(job(1), name("B"), sealed(4)).await.expect("put");

    assert_eq!(store.remove(job(1), [name("A"), name("C")].into()).await, Ok(1));
    assert_eq!(store.remove(job(1), [name("A")].into()).await, Ok(0), "again is nothing");
    assert_eq!(store.of_job(job(1)).await, Ok(vec![(name("B"), sealed(4))]));
    assert_eq!(store.of_job(job(2)).await, Ok(vec![(name("A"), sealed(3))]), "another job keeps its own");
}
