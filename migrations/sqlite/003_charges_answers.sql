-- What the tasks of a job were charged: the sum over the receipts that stand. A job without any has no row.
CREATE TABLE charges (
    serial  INTEGER PRIMARY KEY REFERENCES jobs (serial),
    charged TEXT NOT NULL -- decimal: wei
);

-- Requests under an Idempotency-Key, and what was answered, for those who send the same again.
CREATE TABLE answers (
    row     INTEGER PRIMARY KEY,
    owner   BLOB    NOT NULL, -- of the API key
    name    TEXT    NOT NULL, -- the header's value
    request BLOB    NOT NULL, -- hash of method, path and body
    holder  BLOB    NOT NULL, -- the process that carries it out, or did
    until   INTEGER NOT NULL, -- from then on the row counts for nothing
    status  INTEGER,          -- NULL: being carried out
    body    BLOB,
    UNIQUE (owner, name)
);
CREATE INDEX answers_by_owner ON answers (owner, until);
CREATE INDEX answers_by_end ON answers (until);
