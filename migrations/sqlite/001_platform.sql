-- The platform's tables. Bodies are protobuf (proto/argus/v1); every other column is there to be searched or read by
-- people. Instants are Unix milliseconds. Addresses, hashes and ids are blobs: select hex(id).

-- One row per job. AUTOINCREMENT: a serial is never given out twice.
CREATE TABLE jobs (
    serial        INTEGER PRIMARY KEY AUTOINCREMENT CHECK (serial BETWEEN 1 AND 134217727),
    id            BLOB    NOT NULL UNIQUE,
    version       INTEGER NOT NULL,
    owner         BLOB    NOT NULL,
    created_chain INTEGER NOT NULL,
    safe          BLOB,
    paused_at     INTEGER,
    deleted_at    INTEGER,
    updated_at    INTEGER NOT NULL
);
CREATE INDEX jobs_by_owner ON jobs (owner, serial);
CREATE INDEX jobs_by_safe ON jobs (safe, serial) WHERE safe IS NOT NULL;

CREATE TABLE job_versions (
    serial  INTEGER NOT NULL REFERENCES jobs (serial),
    version INTEGER NOT NULL,
    body    BLOB    NOT NULL,
    UNIQUE (serial, version)
);

-- The one row of a job that is written again and again, kept small and apart from what does not change.
-- armed: the job is neither paused nor deleted and the cursor is not finished.
CREATE TABLE cursors (
    serial         INTEGER PRIMARY KEY REFERENCES jobs (serial),
    kind           INTEGER NOT NULL, -- 1 time, 2 event, 3 condition
    armed          INTEGER NOT NULL,
    revision       INTEGER NOT NULL,
    next_due       INTEGER,
    finished       INTEGER NOT NULL,
    last_opened_at INTEGER,
    body           BLOB    NOT NULL
);
CREATE INDEX cursors_due ON cursors (kind, next_due, serial) WHERE armed = 1 AND next_due IS NOT NULL;

-- One row per task, in the order of their opening. public_id = serial * 2^26 + number, so that a job's n-th task is
-- there once. finished follows from the three columns before it, which follow from the task's facts.
CREATE TABLE tasks (
    row       INTEGER PRIMARY KEY,
    place     INTEGER NOT NULL, -- the first eight bytes of id: an index of such numbers is less than half as large
    id        BLOB    NOT NULL, -- unique: whoever inserts has looked for it in the same transaction
    public_id INTEGER NOT NULL UNIQUE,
    opened_at INTEGER NOT NULL,
    owner     BLOB    NOT NULL,
    safe      BLOB,
    verdict   INTEGER NOT NULL DEFAULT 0, -- 0 none, 1 a call was agreed, 2 any other
    ended     INTEGER NOT NULL DEFAULT 0, -- confirmed or lapsed
    announced INTEGER NOT NULL DEFAULT 0,
    finished  INTEGER NOT NULL GENERATED ALWAYS AS
              (announced = 1 AND (verdict = 2 OR (verdict = 1 AND ended = 1))) VIRTUAL,
    body      BLOB    NOT NULL
);
CREATE INDEX tasks_by_id ON tasks (place);
CREATE INDEX tasks_unfinished ON tasks (row) WHERE finished = 0;
CREATE INDEX tasks_by_opening ON tasks (opened_at, public_id);
CREATE INDEX tasks_by_owner ON tasks (owner, opened_at, public_id);
CREATE INDEX tasks_by_safe ON tasks (safe, opened_at, public_id) WHERE safe IS NOT NULL;

-- Facts and tasks lie in the order of their writing, so that what is written at the same time is written to the same
-- pages: a commit writes whole pages.
CREATE TABLE facts (
    row  INTEGER PRIMARY KEY,
    task INTEGER NOT NULL REFERENCES tasks (row),
    key  TEXT    NOT NULL,
    body BLOB    NOT NULL,
    UNIQUE (task, key)
);

-- What those who watch are told. once: the instant, for kinds that a reorg can repeat, otherwise 0.
CREATE TABLE changes (
    position  INTEGER PRIMARY KEY AUTOINCREMENT,
    job_place INTEGER NOT NULL, -- the last eight bytes of job
    job       BLOB    NOT NULL,
    seq       INTEGER NOT NULL, -- per job, from 1
    owner     BLOB    NOT NULL,
    task      BLOB    NOT NULL,
    public_id INTEGER NOT NULL,
    kind      INTEGER NOT NULL, -- 1 created, 2 settled, 3 broadcast, 4 received, 5 revoked, 6 confirmed, 7 lapsed
    at        INTEGER NOT NULL,
    once      INTEGER NOT NULL,
    UNIQUE (public_id, kind, once)
);
CREATE INDEX changes_by_job ON changes (job_place, seq);
CREATE INDEX changes_by_owner ON changes (owner, position);

CREATE TABLE keepers (
    keeper BLOB PRIMARY KEY,
    name   TEXT NOT NULL,
    body   BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE faults (
    keeper BLOB NOT NULL,
    task   BLOB NOT NULL,
    PRIMARY KEY (keeper, task)
) WITHOUT ROWID;

CREATE TABLE ledger (
    row     INTEGER PRIMARY KEY,
    key     BLOB    NOT NULL,
    reason  INTEGER NOT NULL, -- 1 charged, 2 earned, 3 job created
    account BLOB    NOT NULL,
    amount  TEXT    NOT NULL, -- decimal: wei or points
    UNIQUE (key, reason, account)
);
CREATE INDEX ledger_by_account ON ledger (account, row);

CREATE TABLE modules (
    row       INTEGER PRIMARY KEY,
    source    TEXT    NOT NULL,
    language  TEXT    NOT NULL,
    publisher BLOB    NOT NULL,
    body      BLOB    NOT NULL,
    UNIQUE (source, language, publisher)
);

CREATE TABLE api_keys (
    row        INTEGER PRIMARY KEY,
    hash       BLOB    NOT NULL UNIQUE,
    id         TEXT    NOT NULL,
    owner      BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    body       BLOB    NOT NULL
);
CREATE INDEX api_keys_by_id ON api_keys (id);
CREATE INDEX api_keys_by_owner ON api_keys (owner);

CREATE TABLE archive (
    name  BLOB PRIMARY KEY,
    bytes BLOB NOT NULL
);
