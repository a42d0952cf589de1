-- records.db: nothing here is readable. Ids are random tokens; `seq` says which order is the latest, not when it was.
CREATE TABLE record (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,      -- random token
    controller TEXT NOT NULL,
    customer   TEXT NOT NULL,             -- random token
    kind       TEXT NOT NULL              -- "customer" | "order" | "note"
) STRICT;

CREATE INDEX record_customer ON record (customer, kind, seq);

CREATE TABLE field (
    record   TEXT NOT NULL REFERENCES record (id) ON DELETE CASCADE,
    name     TEXT NOT NULL,
    class    TEXT NOT NULL,
    revision INTEGER NOT NULL,
    sealed   BLOB NOT NULL,               -- envelope.py
    PRIMARY KEY (record, name)
) STRICT, WITHOUT ROWID;
