-- Rotation: what goes on, durable, so that a crash half way is gone on with.
CREATE TABLE data_key_next (
    id         BLOB PRIMARY KEY,          -- as in data_key: the key that takes the old one's place
    controller TEXT NOT NULL,
    subject    TEXT NOT NULL,
    class      TEXT NOT NULL,
    wrapped    BLOB NOT NULL,
    UNIQUE (controller, subject, class)
) STRICT;

CREATE TABLE rotation (
    what     TEXT PRIMARY KEY,            -- "kek" | "data" | "index/<field>"
    state    TEXT NOT NULL,               -- rotation.State
    cursor   TEXT NOT NULL,               -- the last subject done
    done     INTEGER NOT NULL,
    total    INTEGER NOT NULL,
    started  REAL NOT NULL,               -- UTC seconds
    finished REAL NOT NULL                -- UTC seconds; 0: not yet
) STRICT;

CREATE TABLE index_name (
    field   TEXT PRIMARY KEY,             -- rows of this field stand in blind_index under the name `present`
    present TEXT NOT NULL,
    coming  TEXT NOT NULL,                -- written beside it while the index is filled; "" outside a rotation
    past    TEXT NOT NULL                 -- read after a miss, until its rows are gone; "" outside a rotation
) STRICT;

CREATE TABLE kek_end (
    version    INTEGER PRIMARY KEY,       -- the version of the KEK that is to be destroyed
    asked_by   TEXT NOT NULL,             -- a token of staff
    asked      REAL NOT NULL,             -- UTC seconds
    approved_by TEXT NOT NULL,            -- another's; "" until then
    approved   REAL NOT NULL              -- UTC seconds; the waiting window begins here
) STRICT;

CREATE TABLE erasures_seen (
    lines INTEGER NOT NULL                -- of erasures.log: an older copy of this file has seen fewer
) STRICT;
INSERT INTO erasures_seen VALUES (0);
