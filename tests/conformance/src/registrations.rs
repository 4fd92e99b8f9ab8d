//! The contract of [`RegistrationStore`].

use argus_domain::{
    Address, B256, U256,
    ids::{ChainId, JobId},
    registration::{Discrepancy, Registration},
    time::Timestamp,
};
use argus_ports::{JobStore, RegistrationCounts, RegistrationStore};

use crate::{
    jobs::create,
    samples::{at, new_job, owner},
};

/// The whole suite: the store also has the jobs, whose arrival it sees.
pub async fn suite<S: RegistrationStore + JobStore>(fresh: impl Fn() -> S) {
    positions(&fresh()).await;
    rows(&fresh()).await;
}

async fn positions(store: &dyn RegistrationStore) {
    let (one, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
    assert_eq!(store.read_to(ChainId(1), one).await, Ok(None), "absent is none");
    for (chain, registry, block) in [(1, one, 5), (1, other, 6), (u64::MAX, one, 7), (1, one, 4)] {
        store.set_read_to(ChainId(chain), registry, block).await.expect("noted");
    }
    for (chain, registry, block) in [(1, one, 4), (1, other, 6), (u64::MAX, one, 7)] {
        assert_eq!(store.read_to(ChainId(chain), registry).await, Ok(Some(block)), "the newest call counts");
    }
}

fn found(chain: u64, job: u64, ms: u64, discrepancy: Discrepancy) -> Registration {
    Registration {
        chain: ChainId(chain),
        job: JobId(U256::from(job)),
        owner: owner(1),
        block: 1 << 40,
        transaction: B256::repeat_byte(9),
        at: at(ms),
        discrepancy,
    }
}

async fn rows<S: RegistrationStore + JobStore>(all: &S) {
    use Discrepancy::{DeletedOnChain, Gone, Orphan, OwnerDiffers};
    let store = all as &dyn RegistrationStore;
    let late = Timestamp::MAX;
    assert_eq!(store.list(None, late, None, 9).await, Ok(vec![]));
    assert_eq!(store.counts(late).await, Ok(RegistrationCounts::default()));
    let orphan = found(1, 20, 50, Orphan);
    let kept = [
        found(1, 10, 10, Orphan),
        orphan.clone(),
        found(1, 30, 10, Gone),
        found(2, 5, 90, DeletedOnChain),
        found(2, 10, 90, OwnerDiffers(owner(7))),
    ];
    for row in kept.iter().rev().chain([&orphan]) {
        store.keep(row.clone()).await.expect("kept");
    }
    let listed = [&kept[..2], &kept[3..]].concat();
    assert_eq!(
        store.list(None, late, None, 9).await,
        Ok(listed.clone()),
        "by chain and job, without the gone"
    );
    let grace = [&kept[..1], &kept[3..]].concat();
    assert_eq!(store.list(None, at(49), None, 9).await, Ok(grace), "no orphan of after that");
    assert_eq!(store.list(None, at(50), None, 2).await, Ok(listed[..2].to_vec()));
    let after = Some((ChainId(1), orphan.job));
    assert_eq!(store.list(None, late, after, 9).await, Ok(listed[2..].to_vec()));
    let of_ten = vec![kept[0].clone(), kept[4].clone()];
    assert_eq!(store.list(Some(JobId(U256::from(10))), late, None, 9).await, Ok(of_ten), "of one job");
    let counts = RegistrationCounts { orphans: 1, deleted_on_chain: 1, owner_differs: 1 };
    assert_eq!(store.counts(at(49)).await, Ok(counts));

    assert_eq!(store.arrived(9).await, Ok(vec![]), "no such job is stored");
    let (job, cursor) = new_job(1);
    create(all, vec![(job.clone(), cursor)]).await;
    for (discrepancy, arrives) in [(Orphan, true), (Gone, true), (DeletedOnChain, false)] {
        let row = Registration { job: job.id, ..found(1, 0, 1, discrepancy) };
        store.keep(row.clone()).await.expect("in its place");
        let expected = if arrives { vec![row] } else { vec![] };
        assert_eq!(store.arrived(9).await, Ok(expected), "{discrepancy:?}");
    }
    for _ in 0..2 {
        store.forget(ChainId(1), job.id).await.expect("forgotten");
    }
    assert_eq!(store.list(None, late, None, 9).await, Ok(listed));
}
