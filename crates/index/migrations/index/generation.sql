-- One generation of the index; {g} is its number.
CREATE TABLE doc_{g} (
    doc INTEGER PRIMARY KEY,
    archive_id TEXT NOT NULL UNIQUE,
    row BLOB NOT NULL
) STRICT;

-- The newest documents, term by term, not yet in postings.
CREATE TABLE tail_{g} (
    doc INTEGER PRIMARY KEY,
    entry BLOB NOT NULL
) STRICT;

-- For each 65,536 documents (a chunk), field and value: the set of documents that have it, as a roaring bitmap.
CREATE TABLE posting_{g} (
    chunk INTEGER NOT NULL,
    field INTEGER NOT NULL,
    value TEXT NOT NULL,
    docs BLOB NOT NULL,
    PRIMARY KEY (chunk, field, value)
) STRICT, WITHOUT ROWID;

-- For each chunk and number (start, ...): the value of each document, 8 bytes little-endian each.
CREATE TABLE number_{g} (
    chunk INTEGER NOT NULL,
    number INTEGER NOT NULL,
    documents INTEGER NOT NULL,
    least INTEGER NOT NULL,
    greatest INTEGER NOT NULL,
    vals BLOB NOT NULL,
    PRIMARY KEY (chunk, number)
) STRICT;

-- How the values that facets list are spelled.
CREATE TABLE label_{g} (
    field INTEGER NOT NULL,
    value TEXT NOT NULL,
    label TEXT NOT NULL,
    PRIMARY KEY (field, value)
) STRICT, WITHOUT ROWID;
