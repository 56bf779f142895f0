-- States told about recordings that a running rebuild has not reached yet; taken up when their row comes.
CREATE TABLE pending (
    generation INTEGER NOT NULL,
    archive_id TEXT NOT NULL,
    availability TEXT,
    holds TEXT,
    PRIMARY KEY (generation, archive_id)
) STRICT, WITHOUT ROWID;
