-- What the vault must remember over a restart about live calls and phones: sealed, by name.
CREATE TABLE remembered (
    name   TEXT PRIMARY KEY,              -- "leg/<id>", "phone/<agent>": tokens
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
