//! Leases of shards, and the sessions under which they are held: two partitions of each service, written by lightweight
//! transactions alone. What a job's row knows of its shard's token is its own (`crate::job_rows::Head::fenced`).

use std::{
    collections::{BTreeSet, HashSet},
    num::NonZeroU16,
    time::Duration,
};

use argus_domain::lease::{Fence, Lease, Live, MemberId, ServiceKind, Session, Shard, Token, View};
use argus_ports::{LeaseStore, StoreError};
use async_trait::async_trait;

use crate::{
    cell::{Cell, array, corrupt, exact, inexact, ordered, unsigned, values},
    jobs::crowded,
    session::{Cas, Statement},
    store::ScyllaStore,
};

/// How often a session is begun while others of its member come and go.
const TRIES: u32 = 8;

static LEASES: Statement =
    Statement::decided("SELECT shard, taken, member, session, mark FROM leases WHERE kind = ?");
static LEASE: Statement =
    Statement::decided("SELECT shard, taken, member, session, mark FROM leases WHERE kind = ? AND shard = ?");
static MEMBERS: Statement =
    Statement::decided("SELECT member, session, beats, ttl_ms, shards FROM lease_members WHERE kind = ?");
static SESSION: Statement =
    Statement::decided("SELECT session FROM lease_members WHERE kind = ? AND member = ?");
/// Conditional, because a late request must not bring back a session that a later one followed.
static BEGIN: Statement = Statement::conditional(
    "INSERT INTO lease_members (kind, member, session, beats, ttl_ms, shards) VALUES (?, ?, ?, 0, ?, ?) IF NOT EXISTS",
);
/// As [`BEGIN`], in the place of an earlier one.
static BEGIN_AFTER: Statement = Statement::conditional(
    "UPDATE lease_members SET session = ?, beats = 0, ttl_ms = ?, shards = ? WHERE kind = ? AND member = ?
     IF session = ?",
);
/// Conditional, because a session that another member ended must hear of it.
static BEAT: Statement = Statement::conditional(
    "UPDATE lease_members SET beats = ? WHERE kind = ? AND member = ? IF session = ? AND beats < ?",
);
/// Conditional, because the member may begin its next session meanwhile.
static LEAVE: Statement =
    Statement::conditional("DELETE FROM lease_members WHERE kind = ? AND member = ? IF session = ?");
/// As [`LEAVE`], and because the member may beat meanwhile: then it lives on.
static END: Statement = Statement::conditional(
    "DELETE FROM lease_members WHERE kind = ? AND member = ? IF session = ? AND beats = ?",
);
/// Conditional, because of several members one gets a lease.
static CLAIM_FIRST: Statement = Statement::conditional(
    "INSERT INTO leases (kind, shard, taken, member, session, mark) VALUES (?, ?, ?, ?, ?, 0) IF NOT EXISTS",
);
/// As [`CLAIM_FIRST`], of one that was taken before.
static CLAIM: Statement = Statement::conditional(
    "UPDATE leases SET taken = ?, member = ?, session = ? WHERE kind = ? AND shard = ? IF taken = ?",
);
/// Conditional, because another may hold it by then.
static RELEASE: Statement = Statement::conditional(
    "UPDATE leases SET member = null, session = null WHERE kind = ? AND shard = ?
     IF taken = ? AND member = ? AND session = ?",
);
/// Conditional on the fence.
static MARK: Statement =
    Statement::conditional("UPDATE leases SET mark = ? WHERE kind = ? AND shard = ? IF taken = ?");

/// A lease as its row has it.
type Row = (i32, i64, Option<Vec<u8>>, Option<i32>, Option<i64>);

#[async_trait]
impl LeaseStore for ScyllaStore {
    async fn join(&self, kind: ServiceKind, live: Live) -> Result<bool, StoreError> {
        let Session { member, no } = live.session;
        let ttl_ms = ordered(u64::try_from(live.ttl.as_millis()).unwrap_or(u64::MAX));
        let shards = live.shards.get();
        for _ in 0..TRIES {
            let tried = match self.session_of(kind, member).await? {
                Some(known) if known >= no => return Ok(known == no),
                Some(known) => {
                    let cells = values![no, ttl_ms, shards, number(kind), member.0, known];
                    self.is_done(&BEGIN_AFTER, cells).await?
                }
                None => self.is_done(&BEGIN, values![number(kind), member.0, no, ttl_ms, shards]).await?,
            };
            if tried {
                return Ok(true);
            }
        }
        Err(crowded("this session"))
    }

    async fn beat(&self, kind: ServiceKind, session: Session, beats: u64) -> Result<bool, StoreError> {
        let Session { member, no } = session;
        let beats = ordered(beats);
        if self.is_done(&BEAT, values![beats, number(kind), member.0, no, beats]).await? {
            return Ok(true);
        }
        // It may have beaten more often.
        Ok(self.session_of(kind, member).await? == Some(no))
    }

    async fn end(&self, kind: ServiceKind, session: Session, beats: Option<u64>) -> Result<(), StoreError> {
        let Session { member, no } = session;
        match beats {
            Some(beats) => self.is_done(&END, values![number(kind), member.0, no, ordered(beats)]).await,
            None => self.is_done(&LEAVE, values![number(kind), member.0, no]).await,
        }
        .map(drop)
    }

    async fn look(&self, kind: ServiceKind) -> Result<View, StoreError> {
        let leases: Vec<Row> = self.db().rows(&LEASES, values![number(kind)]).await?;
        let leases = leases.into_iter().map(|row| lease(kind, row)).collect::<Result<_, _>>()?;
        let members: Vec<(Vec<u8>, i32, i64, i64, i32)> =
            self.db().rows(&MEMBERS, values![number(kind)]).await?;
        let members = members.into_iter().map(live).collect::<Result<_, _>>()?;
        Ok(View { leases, members })
    }

    async fn claim(&self, session: Session, leases: Vec<Fence>) -> Result<Vec<bool>, StoreError> {
        let mut are_held = Vec::with_capacity(leases.len());
        // One after the other: they lie in one partition, where each would be in the others' way.
        for fence in leases {
            are_held.push(self.claim_one(session, fence).await?);
        }
        Ok(are_held)
    }

    async fn release(&self, session: Session, leases: Vec<Fence>) -> Result<(), StoreError> {
        for Fence { shard, token } in leases {
            let cells = values![number(shard.kind), shard.no, ordered(token.0), session.member.0, session.no];
            self.is_done(&RELEASE, cells).await?;
        }
        Ok(())
    }

    async fn stands(&self, Fence { shard, token }: Fence) -> Result<bool, StoreError> {
        let known = self.lease(shard).await?;
        Ok(token > Token(0) && known.is_some_and(|lease| lease.token == token))
    }

    async fn mark(&self, Fence { shard, token }: Fence, mark: u64) -> Result<bool, StoreError> {
        if token == Token(0) {
            return Ok(false);
        }
        let cells = values![exact(mark), number(shard.kind), shard.no, ordered(token.0)];
        self.is_done(&MARK, cells).await
    }
}

impl ScyllaStore {
    /// Those of these fences that stand: one look at the leases of each service that they are of.
    pub(crate) async fn those_that_stand(
        &self,
        fences: impl Iterator<Item = Fence>,
    ) -> Result<HashSet<Fence>, StoreError> {
        let fences: HashSet<Fence> = fences.filter(|fence| fence.token > Token(0)).collect();
        let kinds: BTreeSet<ServiceKind> = fences.iter().map(|fence| fence.shard.kind).collect();
        let mut newest = HashSet::new();
        for kind in kinds {
            let leases: Vec<Row> = self.db().rows(&LEASES, values![number(kind)]).await?;
            for row in leases {
                let Lease { shard, token, .. } = lease(kind, row)?;
                newest.insert(Fence { shard, token });
            }
        }
        Ok(fences.into_iter().filter(|fence| newest.contains(fence)).collect())
    }

    /// Whether a condition held. What nobody knows is an error: the port lets each verb be repeated.
    async fn is_done(&self, statement: &Statement, cells: Vec<Cell>) -> Result<bool, StoreError> {
        match self.db().cas(statement, cells).await? {
            Cas::Applied => Ok(true),
            Cas::Refused => Ok(false),
            Cas::Unknown(why) => Err(why),
        }
    }

    async fn session_of(&self, kind: ServiceKind, member: MemberId) -> Result<Option<u32>, StoreError> {
        let row: Option<(i32,)> = self.db().one(&SESSION, values![number(kind), member.0]).await?;
        row.map(|(no,)| unsigned("session", no)).transpose()
    }

    async fn lease(&self, shard: Shard) -> Result<Option<Lease>, StoreError> {
        let row: Option<Row> = self.db().one(&LEASE, values![number(shard.kind), shard.no]).await?;
        row.map(|row| lease(shard.kind, row)).transpose()
    }

    async fn claim_one(&self, session: Session, Fence { shard, token }: Fence) -> Result<bool, StoreError> {
        let Session { member, no } = session;
        let (kind, next) = (number(shard.kind), token.next());
        let is_taken = if token == Token(0) {
            let cells = values![kind, shard.no, ordered(next.0), member.0, no];
            self.is_done(&CLAIM_FIRST, cells).await?
        } else {
            let cells = values![ordered(next.0), member.0, no, kind, shard.no, ordered(token.0)];
            self.is_done(&CLAIM, cells).await?
        };
        if is_taken {
            return Ok(true);
        }
        let known = self.lease(shard).await?;
        Ok(known.is_some_and(|lease| lease.token == next && lease.holder == Some(session)))
    }
}

/// In the tables for good.
pub(crate) fn number(kind: ServiceKind) -> i32 {
    match kind {
        ServiceKind::Scheduler => 1,
        ServiceKind::Dispatcher => 2,
        ServiceKind::Aggregator => 3,
        ServiceKind::Monitor => 4,
    }
}

fn small(what: &str, cell: i32) -> Result<u16, StoreError> {
    u16::try_from(cell).map_err(|_| corrupt(what, &format!("{cell} is too large")))
}

fn session(member: &[u8], no: i32) -> Result<Session, StoreError> {
    Ok(Session { member: MemberId(array("member", member)?), no: unsigned("session", no)? })
}

fn lease(kind: ServiceKind, (shard, token, member, no, mark): Row) -> Result<Lease, StoreError> {
    let holder = match (member, no) {
        (Some(member), Some(no)) => Some(session(&member, no)?),
        _ => None,
    };
    Ok(Lease {
        shard: Shard { kind, no: small("shard", shard)? },
        token: Token(token.unsigned_abs()),
        holder,
        mark: inexact(mark.unwrap_or_default()),
    })
}

fn live((member, no, beats, ttl_ms, shards): (Vec<u8>, i32, i64, i64, i32)) -> Result<Live, StoreError> {
    Ok(Live {
        session: session(&member, no)?,
        beats: beats.unsigned_abs(),
        ttl: Duration::from_millis(ttl_ms.unsigned_abs()),
        shards: NonZeroU16::new(small("shards", shards)?).ok_or_else(|| corrupt("shards", "none"))?,
    })
}
