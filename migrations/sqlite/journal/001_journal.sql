-- A keeper's own memory: what it signed and what it is about to send. Bodies are protobuf (proto/argus/v1).

CREATE TABLE claims (
    task    BLOB    NOT NULL,
    attempt INTEGER NOT NULL,
    round   INTEGER NOT NULL,
    body    BLOB    NOT NULL,
    PRIMARY KEY (task, attempt, round)
) WITHOUT ROWID;

-- open: the task has not ended.
CREATE TABLE intents (
    task   BLOB    NOT NULL,
    number INTEGER NOT NULL,
    chain  INTEGER NOT NULL,
    nonce  INTEGER NOT NULL,
    open   INTEGER NOT NULL,
    body   BLOB    NOT NULL,
    PRIMARY KEY (task, number)
) WITHOUT ROWID;
CREATE INDEX intents_by_nonce ON intents (chain, nonce);
CREATE INDEX intents_open ON intents (chain, nonce, number, task) WHERE open = 1;

CREATE TABLE ended (
    task BLOB PRIMARY KEY
) WITHOUT ROWID;
