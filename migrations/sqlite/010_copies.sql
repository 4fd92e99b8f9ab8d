-- For copies of one store into another: who this store is, and how far a copy into it has come.
-- oldest: 9

CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- The newest seq of jobs that came from a store which does not keep all of their changes.
CREATE TABLE room_ends (
    job BLOB    NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL
) WITHOUT ROWID;
