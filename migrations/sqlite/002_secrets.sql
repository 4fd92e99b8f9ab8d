-- Secrets of jobs, encrypted: what is in here opens only with the key of the configuration.

CREATE TABLE secrets (
    job    BLOB    NOT NULL,
    name   TEXT    NOT NULL,
    key    BLOB    NOT NULL, -- which key encrypted it: eight bytes
    sealed BLOB    NOT NULL, -- nonce and ciphertext
    set_at INTEGER NOT NULL,
    PRIMARY KEY (job, name)
) WITHOUT ROWID;
