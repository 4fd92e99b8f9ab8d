-- Claims of several lengths: until when each one holds, in place of since when. Those of before were for a day.
ALTER TABLE claims RENAME COLUMN at TO until;
UPDATE claims SET until = until + 86400000;

-- Under which nonces are made, by every process that has an API.
CREATE TABLE nonce_key (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    key BLOB    NOT NULL
);

-- The last try of a webhook that failed.
ALTER TABLE webhooks ADD COLUMN failed_at INTEGER;
ALTER TABLE webhooks ADD COLUMN failed_because TEXT;
