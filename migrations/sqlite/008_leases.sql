-- By which the replicas of a service share its work: sessions of members, and who holds which shard.

-- Sessions that have not ended. No instant is kept: the others count beats by their own clocks.
CREATE TABLE lease_members (
    kind    INTEGER NOT NULL, -- 1 scheduler, 2 dispatcher, 3 aggregator, 4 monitor
    member  BLOB    NOT NULL,
    session INTEGER NOT NULL,
    beats   INTEGER NOT NULL,
    ttl_ms  INTEGER NOT NULL,
    shards  INTEGER NOT NULL,
    PRIMARY KEY (kind, member)
) WITHOUT ROWID;

CREATE TABLE leases (
    kind    INTEGER NOT NULL,
    shard   INTEGER NOT NULL,
    token   INTEGER NOT NULL, -- never goes down: rows stay
    member  BLOB,             -- with its session: who took it last and did not release it
    session INTEGER,
    mark    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, shard)
) WITHOUT ROWID;
