-- How far each chain's job registry has been read, and the jobs whose registration is not as what is stored.

CREATE TABLE registries (
    chain    INTEGER NOT NULL,
    registry BLOB    NOT NULL,
    read_to  INTEGER NOT NULL,
    PRIMARY KEY (chain, registry)
) WITHOUT ROWID;

CREATE TABLE registrations (
    chain        INTEGER NOT NULL,
    job          BLOB    NOT NULL,
    kind         INTEGER NOT NULL, -- 1 no job is stored, 2 nor is it on the chain, 3 deleted on the chain, 4 another owner's
    owner        BLOB    NOT NULL,
    stored_owner BLOB,             -- of kind 4
    block        INTEGER NOT NULL,
    tx           BLOB    NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (chain, job)
) WITHOUT ROWID;
CREATE INDEX registrations_by_job ON registrations (job);
CREATE INDEX registrations_by_kind ON registrations (kind);
