-- Which of the scheduler's 64 shards a job lies in, which follows from its id: filled by the program, as SQL has no Keccak.
ALTER TABLE cursors ADD COLUMN shard INTEGER NOT NULL DEFAULT 0;

-- The shard stands last, so that rows come in the order in which they are due and those of other shards are passed over
-- within the index.
DROP INDEX cursors_due;
CREATE INDEX cursors_due ON cursors (kind, next_due, serial, shard) WHERE armed = 1 AND next_due IS NOT NULL;
