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

    assert_eq!(store.remove(job(1), [name("A"), name("C")].into()).await, Ok(1));
    assert_eq!(store.remove(job(1), [name("A")].into()).await, Ok(0), "again is nothing");
    assert_eq!(store.of_job(job(1)).await, Ok(vec![(name("B"), sealed(4))]));
    assert_eq!(store.of_job(job(2)).await, Ok(vec![(name("A"), sealed(3))]), "another job keeps its own");
}
