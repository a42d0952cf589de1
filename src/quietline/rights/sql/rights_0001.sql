-- rights.db: requests, holds, restrictions, recipients. Names are random tokens or an operator's own words; every value
-- is sealed and bound to its kind and name, so that no row can be read, changed or moved behind the vault's back.
CREATE TABLE item (
    kind   TEXT NOT NULL,                 -- "request" | "hold" | "recipient" | "receipt"
    name   TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
