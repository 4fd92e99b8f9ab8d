-- What accounts come to in the ledger, kept beside it so that a board is read by rank. points: units of 10^-18, decimal,
-- 78 digits, so that text is ordered as the number is.
CREATE TABLE standings (
    board    INTEGER NOT NULL, -- 1 users, 2 keepers
    account  BLOB    NOT NULL,
    points   TEXT    NOT NULL,
    jobs     INTEGER NOT NULL,
    tasks    INTEGER NOT NULL,
    attested INTEGER NOT NULL,
    PRIMARY KEY (board, account)
) WITHOUT ROWID;
CREATE INDEX standings_by_rank ON standings (board, points DESC, tasks DESC, attested DESC, account);

-- What was booked before. SQLite has no integers of that size: amounts are summed in three parts of twelve digits.
INSERT INTO standings (board, account, points, jobs, tasks, attested)
WITH wide AS (
    SELECT CASE reason WHEN 2 THEN 2 ELSE 1 END AS board, account, reason,
           substr(printf('%036d', 0) || amount || CASE reason WHEN 3 THEN printf('%018d', 0) ELSE '' END, -36) AS digits
    FROM ledger
), summed AS (
    SELECT board, account,
           sum(CAST(substr(digits, 1, 12) AS INTEGER))  AS high,
           sum(CAST(substr(digits, 13, 12) AS INTEGER)) AS middle,
           sum(CAST(substr(digits, 25, 12) AS INTEGER)) AS low,
           sum(reason = 3) AS jobs, sum(reason <> 3) AS tasks
    FROM wide GROUP BY board, account
), carried AS (
    SELECT board, account, high, middle + low / 1000000000000 AS middle, low % 1000000000000 AS low, jobs, tasks
    FROM summed
)
SELECT board, account,
       printf('%054d%012d%012d', high + middle / 1000000000000, middle % 1000000000000, low), jobs, tasks, 0
FROM carried;

-- Keys that were signed in for end by themselves.
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;
CREATE INDEX api_keys_by_end ON api_keys (expires_at) WHERE expires_at IS NOT NULL;

-- What people say of themselves.
CREATE TABLE profiles (
    account    BLOB    NOT NULL PRIMARY KEY,
    email      TEXT,
    chat       INTEGER,
    name       TEXT,
    rewards    BLOB,
    on_imua    INTEGER NOT NULL,
    applied_at INTEGER -- asked to become a keeper
) WITHOUT ROWID;
CREATE INDEX profiles_by_application ON profiles (account) WHERE applied_at IS NOT NULL;

-- Who is told of an owner's changes, and how far. Their signing secrets lie sealed in secrets.
CREATE TABLE webhooks (
    id         TEXT    NOT NULL PRIMARY KEY,
    owner      BLOB    NOT NULL,
    url        TEXT    NOT NULL,
    kinds      TEXT    NOT NULL, -- with spaces between
    created_at INTEGER NOT NULL,
    position   INTEGER NOT NULL, -- in changes
    failures   INTEGER NOT NULL,
    next_at    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX webhooks_by_owner ON webhooks (owner, created_at);

-- Changes that a receiver took at no try.
CREATE TABLE dead_letters (
    row     INTEGER PRIMARY KEY,
    webhook TEXT    NOT NULL,
    event   TEXT    NOT NULL,
    kind    TEXT    NOT NULL,
    task    BLOB    NOT NULL,
    at      INTEGER NOT NULL,
    reason  TEXT    NOT NULL,
    UNIQUE (webhook, event)
);
CREATE INDEX dead_letters_by_webhook ON dead_letters (webhook, row);

-- What is given to anyone once in a while: who had it last, and when. Rows older than that are removed.
CREATE TABLE claims (
    who TEXT    NOT NULL PRIMARY KEY,
    at  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX claims_by_age ON claims (at);
