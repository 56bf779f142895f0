-- Which generation of tables answers (live) and which one a rebuild is filling (building). The tables of a generation are
-- made by generation.sql.
CREATE TABLE control (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    live INTEGER NOT NULL,
    building INTEGER,
    next INTEGER NOT NULL
) STRICT;

-- docs: documents in all, numbered 0.. in order of arrival. sealed: how many of them stand in postings; the rest in the tail.
-- tail_changes: raised when a document in the tail changes, so that readers know to read the tail again.
CREATE TABLE generation (
    generation INTEGER PRIMARY KEY,
    docs INTEGER NOT NULL DEFAULT 0,
    sealed INTEGER NOT NULL DEFAULT 0,
    tail_changes INTEGER NOT NULL DEFAULT 0
) STRICT;
