//! Changes by room, and which ones were published: what follows from the log.

use std::collections::{BTreeMap, HashSet};

use argus_domain::ids::JobId;
use argus_ports::{Change, ChangeKind, Room, StoreError};
use futures::FutureExt as _;

use crate::{
    buckets,
    cell::{address, corrupt, exact, inexact, instant, job_id, ordered, task_id, values},
    log::{AT_ONCE, Log, STEP},
    session::{Bound, Statement, each},
};

macro_rules! columns {
    () => {
        "bucket, position, job, seq, owner, task, public_id, kind, at"
    };
}
pub(crate) use columns;

static PUT_IN_ROOM: Statement = Statement::write(concat!(
    "INSERT INTO room_changes (room, ",
    columns!(),
    ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TTL ?"
));
/// The position as the timestamp: it never goes back. It outlives the changes.
static SET_LAST: Statement =
    Statement::write("UPDATE room_changes USING TIMESTAMP ? SET last = ? WHERE room = ? AND bucket = ?");
static LAST_OF_ROOM: Statement =
    Statement::read("SELECT last FROM room_changes WHERE room = ? AND bucket = ? LIMIT 1");
static OF_ROOM: Statement = Statement::read(concat!(
    "SELECT ",
    columns!(),
    " FROM room_changes WHERE room = ? AND bucket = ? AND position > ? LIMIT ?"
));
static PUT_ONCE: Statement = Statement::write(
    "INSERT INTO changes_once (place, public_id, kind, once, seq) VALUES (?, ?, ?, ?, ?) USING TTL ?",
);
static ONCE: Statement = Statement::read(
    "SELECT public_id, kind, once FROM changes_once WHERE place = ? AND public_id >= ? AND public_id <= ?",
);

pub(crate) type Row = (i64, i64, Vec<u8>, i64, Vec<u8>, Vec<u8>, i64, i32, i64);

/// What makes a change the same one.
pub(crate) type Once = (u64, i32, i64);

pub(crate) fn once(change: &Change) -> Once {
    let at = ordered(change.at.0);
    let (kind, once) = match change.kind {
        ChangeKind::Created => (1, 0),
        ChangeKind::Settled => (2, 0),
        ChangeKind::Broadcast => (3, 0),
        ChangeKind::Received => (4, at),
        ChangeKind::Revoked => (5, at),
        ChangeKind::Confirmed => (6, 0),
        ChangeKind::Lapsed => (7, 0),
    };
    (change.public_id, kind, once)
}

pub(crate) fn change(
    (_, position, job, seq, owner, task, public_id, kind, at): Row,
) -> Result<(u64, Change), StoreError> {
    let kind = match kind {
        1 => ChangeKind::Created,
        2 => ChangeKind::Settled,
        3 => ChangeKind::Broadcast,
        4 => ChangeKind::Received,
        5 => ChangeKind::Revoked,
        6 => ChangeKind::Confirmed,
        7 => ChangeKind::Lapsed,
        other => return Err(corrupt("kind", &format!("{other} means nothing here"))),
    };
    let change = Change {
        job: job_id("job", &job)?,
        owner: address("owner", &owner)?,
        task: task_id("task", &task)?,
        public_id: inexact(public_id),
        kind,
        seq: seq.unsigned_abs(),
        at: instant(at),
    };
    Ok((position.unsigned_abs(), change))
}

fn room_key(room: Room) -> Vec<u8> {
    match room {
        Room::Job(job) => [b"room/job/".as_slice(), &crate::cell::of_job(job)].concat(),
        Room::Owner(owner) => [b"room/owner/", owner.as_slice()].concat(),
    }
}

/// Partitions of a room: a job's positions follow on each other, an owner's lie far apart.
fn room_bucket(room: Room, position: u64) -> i64 {
    ordered(match room {
        Room::Job(_) => position >> 12,
        Room::Owner(_) => position >> 16,
    })
}

impl Log {
    /// Writes changes where they are read by room and where repeats are found.
    pub(crate) async fn put_all_in_rooms(&self, pending: &[(u64, Change)]) -> Result<(), StoreError> {
        let mut rooms: BTreeMap<Room, Vec<(u64, u64, &Change)>> = BTreeMap::new();
        for (position, change) in pending {
            rooms.entry(Room::Job(change.job)).or_default().push((change.seq, *position, change));
            rooms.entry(Room::Owner(change.owner)).or_default().push((*position, *position, change));
        }
        let rooms = rooms.into_iter().map(|(room, changes)| self.put_in_room(room, changes).boxed());
        each(AT_ONCE, rooms.collect()).await?;
        let mut places: BTreeMap<u64, Vec<Bound>> = BTreeMap::new();
        for (_, change) in pending {
            let (id, kind, once) = once(change);
            let cells = values![exact(id >> 4), exact(id), kind, once, ordered(change.seq), self.ttl];
            places.entry(id >> 4).or_default().push((&PUT_ONCE, cells));
        }
        let places = places.into_values().map(|rows| self.db.write_all(rows).boxed());
        each(AT_ONCE, places.collect()).await?;
        Ok(())
    }

    /// One bucket after the other, each noted once the one before it is written: who reads a room's buckets in order
    /// misses nothing. What is in one bucket is written in one step.
    async fn put_in_room(&self, room: Room, changes: Vec<(u64, u64, &Change)>) -> Result<(), StoreError> {
        let key = room_key(room);
        let mut buckets: BTreeMap<i64, Vec<(u64, &Change)>> = BTreeMap::new();
        for (place, _, change) in changes {
            buckets.entry(room_bucket(room, place)).or_default().push((place, change));
        }
        for (bucket, changes) in buckets {
            self.notes.kept(&self.db, &key, bucket).await?;
            for step in changes.chunks(STEP) {
                let mut rows: Vec<Bound> = Vec::with_capacity(step.len() + 1);
                let mut last = 0;
                for (place, change) in step {
                    let mut row = values![&key];
                    row.extend(cells(bucket, *place, change));
                    row.extend(values![self.ttl]);
                    rows.push((&PUT_IN_ROOM, row));
                    last = ordered(*place);
                }
                rows.push((&SET_LAST, values![last, last, &key, bucket]));
                self.db.write_all(rows).await?;
            }
        }
        Ok(())
    }

    /// Notes the `seq` of a job's newest change, which need not be there.
    pub(crate) async fn put_end(&self, job: JobId, seq: u64) -> Result<(), StoreError> {
        if seq == 0 {
            return Ok(());
        }
        let room = Room::Job(job);
        let (key, bucket, last) = (room_key(room), room_bucket(room, seq), ordered(seq));
        self.notes.kept(&self.db, &key, bucket).await?;
        self.db.write(&SET_LAST, values![last, last, &key, bucket]).await
    }

    /// The position of a room's newest change.
    pub(crate) async fn newest_of(&self, room: Room) -> Result<u64, StoreError> {
        let key = room_key(room);
        // The last bucket may be noted and have nothing yet.
        for bucket in buckets::down(&self.db, &key, i64::MAX, 2).await? {
            let row: Option<(Option<i64>,)> = self.db.one(&LAST_OF_ROOM, values![&key, bucket]).await?;
            if let Some((Some(last),)) = row {
                return Ok(last.unsigned_abs());
            }
        }
        Ok(0)
    }

    /// A room's changes after a position.
    pub(crate) async fn of_room(
        &self,
        room: Room,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Change)>, StoreError> {
        let key = room_key(room);
        let mut found = Vec::new();
        for bucket in buckets::up(&self.db, &key, room_bucket(room, after), u32::MAX).await? {
            let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            if left == 0 {
                break;
            }
            let cells = values![&key, bucket, ordered(after), left];
            let rows: Vec<Row> = self.db.rows(&OF_ROOM, cells).await?;
            for row in rows {
                found.push(change(row)?);
            }
        }
        Ok(found)
    }

    /// Which of these were published: by where they are looked for, from one public id to another.
    pub(crate) async fn published(
        &self,
        places: BTreeMap<u64, (u64, u64)>,
    ) -> Result<HashSet<Once>, StoreError> {
        let known = places.into_iter().map(|(place, (from, to))| {
            let cells = values![exact(place), exact(from), exact(to)];
            self.db.rows::<(i64, i32, i64)>(&ONCE, cells).boxed()
        });
        let known = each(AT_ONCE, known.collect()).await?.concat();
        Ok(known.into_iter().map(|(id, kind, once)| (inexact(id), kind, once)).collect())
    }
}

/// The cells that the log and the rooms have in common.
pub(crate) fn cells(bucket: i64, position: u64, change: &Change) -> Vec<crate::cell::Cell> {
    let (_, kind, _) = once(change);
    values![
        bucket,
        ordered(position),
        change.job,
        ordered(change.seq),
        change.owner,
        change.task,
        exact(change.public_id),
        kind,
        change.at
    ]
}
