-- The ledger, version 1. Money is in whole nano-dollars, so that sums never drift.

CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    repo TEXT NOT NULL,
    issue_key TEXT NOT NULL,
    title TEXT NOT NULL,
    world TEXT NOT NULL,
    step INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    day TEXT NOT NULL, -- when it began, in the calendar of the person then: 2026-11-22
    started_at REAL NOT NULL,
    ended_at REAL,
    status TEXT NOT NULL CHECK (status IN ('open', 'finished', 'discarded', 'cached')),
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    cache_read_tokens INTEGER NOT NULL DEFAULT 0,
    cache_write_tokens INTEGER NOT NULL DEFAULT 0,
    cost_nano INTEGER, -- NULL: its price is unknown
    worst_nano INTEGER, -- what it may cost at most; counts while it is open
    estimated INTEGER NOT NULL
);

-- With the cost in them, so that a sum reads the index alone.
CREATE INDEX calls_world ON calls (run_id, world, cost_nano);
CREATE INDEX calls_issue ON calls (repo, issue_key, cost_nano);
CREATE INDEX calls_open ON calls (run_id) WHERE status = 'open';

-- A month is the sum of its days: it may have more calls than can be added up for each new one.
CREATE TABLE days (
    day TEXT PRIMARY KEY,
    cost_nano INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TRIGGER calls_begun AFTER INSERT ON calls WHEN new.cost_nano IS NOT NULL
BEGIN
    INSERT INTO days (day, cost_nano) VALUES (new.day, new.cost_nano)
    ON CONFLICT (day) DO UPDATE SET cost_nano = cost_nano + excluded.cost_nano;
END;

CREATE TRIGGER calls_counted AFTER UPDATE OF cost_nano ON calls
WHEN new.cost_nano IS NOT old.cost_nano
BEGIN
    INSERT INTO days (day, cost_nano)
    VALUES (new.day, coalesce(new.cost_nano, 0) - coalesce(old.cost_nano, 0))
    ON CONFLICT (day) DO UPDATE SET cost_nano = cost_nano + excluded.cost_nano;
END;
