-- Why jobs did not fire: the newest rows of each job, one per task that was not opened and kind of outcome. The rows of a
-- job lie together, and there are few of them.

CREATE TABLE decisions (
    job     BLOB    NOT NULL,
    task    INTEGER NOT NULL, -- the number that it would have had
    kind    INTEGER NOT NULL, -- as the field of argus.v1.Decision that holds the outcome is numbered
    last_at INTEGER NOT NULL,
    body    BLOB    NOT NULL,
    PRIMARY KEY (job, task, kind)
) WITHOUT ROWID;
