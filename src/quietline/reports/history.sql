-- What reports are made of. Tokens and times only; `call` and `agent` are tokens of this file's own.
-- Trusted for reports, not for proof: whoever can write it can change a figure; the ledger is what is verified.

CREATE TABLE IF NOT EXISTS visit (
    entered     INTEGER NOT NULL,  -- UTC seconds, rounded down: nothing here needs more
    queue       TEXT NOT NULL,
    store       TEXT NOT NULL,
    outcome     TEXT NOT NULL,     -- routing/visits.py
    agent       TEXT NOT NULL,
    call        TEXT NOT NULL,
    waited      REAL NOT NULL,     -- seconds, to a tenth; so are the others
    talk        REAL NOT NULL,
    hold        REAL NOT NULL,
    wrap_up     REAL NOT NULL,
    missed      INTEGER NOT NULL,
    callback    REAL NOT NULL,     -- -1: none asked for
    transferred INTEGER NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS visit_entered ON visit (entered);

CREATE TABLE IF NOT EXISTS span (
    agent    TEXT NOT NULL,
    store    TEXT NOT NULL,
    state    TEXT NOT NULL,        -- routing/model.py
    started  REAL NOT NULL,        -- UTC seconds, to a tenth
    ended    REAL NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS span_ended ON span (ended);
