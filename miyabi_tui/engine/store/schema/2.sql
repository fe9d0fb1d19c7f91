-- Version 2. An event's kind and world are columns, so that a run is read without its streams.

CREATE TABLE events_2 (
    run_id TEXT NOT NULL REFERENCES execution_runs (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    world TEXT,
    body TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;

INSERT INTO events_2 (run_id, seq, at, kind, world, body)
SELECT
    run_id,
    seq,
    at,
    CASE WHEN json_valid(body) THEN coalesce(json_extract(body, '$.type'), '') ELSE '' END,
    CASE WHEN json_valid(body) THEN json_extract(body, '$.world') END,
    body
FROM events
ORDER BY run_id, seq;

DROP TABLE events;
ALTER TABLE events_2 RENAME TO events;

-- A world's newest output, without a walk through all the others'.
CREATE INDEX events_output ON events (run_id, world, seq) WHERE kind = 'output';

ALTER TABLE worktrees ADD COLUMN orphaned_at REAL;
