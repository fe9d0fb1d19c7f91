-- Version 1. The five tables of REQ-PER-1, and the journal they are folded from.

CREATE TABLE execution_runs (
    id TEXT PRIMARY KEY,
    issue_number INTEGER,
    status TEXT NOT NULL,
    started_at REAL NOT NULL,
    completed_at REAL,
    total_cost_usd REAL NOT NULL DEFAULT 0,
    winning_world_id TEXT,
    final_score REAL,
    issue_key TEXT NOT NULL,
    title TEXT NOT NULL,
    repo TEXT NOT NULL,
    base_commit TEXT NOT NULL,
    branch TEXT,
    merge_commit TEXT
);

CREATE TABLE task_executions (
    id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES execution_runs (id) ON DELETE CASCADE,
    task_name TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at REAL NOT NULL,
    completed_at REAL
);

CREATE TABLE world_executions (
    id TEXT PRIMARY KEY,
    task_id TEXT NOT NULL REFERENCES task_executions (id) ON DELETE CASCADE,
    world_id TEXT NOT NULL,
    worktree_path TEXT,
    branch_name TEXT,
    status TEXT NOT NULL,
    started_at REAL,
    completed_at REAL,
    evaluation_score REAL,
    cost_usd REAL NOT NULL DEFAULT 0
);

CREATE TABLE checkpoints (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL REFERENCES execution_runs (id) ON DELETE CASCADE,
    checkpoint_type TEXT NOT NULL,
    world_id TEXT,
    data TEXT NOT NULL CHECK (json_valid(data)),
    created_at REAL NOT NULL,
    seq INTEGER NOT NULL
);

CREATE TABLE worktrees (
    id TEXT PRIMARY KEY,
    world_id TEXT NOT NULL,
    path TEXT NOT NULL,
    branch TEXT NOT NULL,
    created_at REAL NOT NULL,
    last_accessed_at REAL NOT NULL,
    is_orphaned INTEGER NOT NULL DEFAULT 0,
    run_id TEXT REFERENCES execution_runs (id) ON DELETE SET NULL
);

CREATE TABLE events (
    run_id TEXT NOT NULL REFERENCES execution_runs (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    at REAL NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;

CREATE INDEX checkpoints_run_id ON checkpoints (run_id);
CREATE INDEX checkpoints_checkpoint_type ON checkpoints (checkpoint_type);
CREATE INDEX worktrees_last_accessed_at ON worktrees (last_accessed_at);
CREATE INDEX execution_runs_started_at ON execution_runs (started_at);

PRAGMA user_version = 1;
