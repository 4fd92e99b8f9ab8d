-- A keeper's own memory: what it stands by and what it is about to send. Bodies are protobuf (proto/argus/v1).
--
-- Rows lie in the order of their writing, so that what is written at the same time is written to the same pages, and
-- are found by the first eight bytes of the task's hash (place): an index of such numbers is less than half as large as
-- one of hashes, and each commit writes the pages of it that it touches. One process writes this file, by one connection;
-- it looks before it inserts, which is what keeps the keys unique.

CREATE TABLE claims (
    row     INTEGER PRIMARY KEY,
    place   INTEGER NOT NULL,
    task    BLOB    NOT NULL,
    attempt INTEGER NOT NULL,
    round   INTEGER NOT NULL,
    digest  BLOB    NOT NULL
);
CREATE INDEX claims_by_task ON claims (place);

-- open: the task has not ended.
CREATE TABLE intents (
    row    INTEGER PRIMARY KEY,
    place  INTEGER NOT NULL,
    task   BLOB    NOT NULL,
    number INTEGER NOT NULL,
    chain  INTEGER NOT NULL,
    nonce  INTEGER NOT NULL,
    open   INTEGER NOT NULL,
    body   BLOB    NOT NULL
);
CREATE INDEX intents_by_task ON intents (place);
CREATE INDEX intents_by_nonce ON intents (chain, nonce);
CREATE INDEX intents_open ON intents (chain, nonce, number, task) WHERE open = 1;

CREATE TABLE ended (
    task BLOB PRIMARY KEY
) WITHOUT ROWID;
