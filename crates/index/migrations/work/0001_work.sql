-- One row is one instance of a persisted state machine. Times are milliseconds since 1970-01-01T00:00:00Z.
CREATE TABLE work (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    parent TEXT,
    state TEXT NOT NULL,
    rev INTEGER NOT NULL,
    due_at INTEGER,
    lease_owner TEXT,
    lease_until INTEGER,
    updated_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX work_of_parent ON work (kind, parent, id);
