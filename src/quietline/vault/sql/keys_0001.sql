-- keys.db: wrapped keys and blind-index rows, apart from the records so that its backups can be short-lived.
CREATE TABLE data_key (
    id         BLOB PRIMARY KEY,          -- 8 random bytes, first thing in every ciphertext after the version
    controller TEXT NOT NULL,
    subject    TEXT NOT NULL,             -- a random token
    class      TEXT NOT NULL,             -- retention class
    wrapped    BLOB NOT NULL,             -- under the KEK, bound to the four columns above
    UNIQUE (controller, subject, class)
) STRICT;

CREATE TABLE secret (
    name    TEXT PRIMARY KEY,             -- e.g. "index/contact.phone", "ledger/signing"
    wrapped BLOB NOT NULL
) STRICT;

CREATE TABLE blind_index (
    field   TEXT NOT NULL,
    token   BLOB NOT NULL,                -- HMAC-SHA256 under the field's key
    subject TEXT NOT NULL,
    mac     BLOB NOT NULL,                -- over the row, so that a caller's token cannot be pointed at someone else
    PRIMARY KEY (field, token, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX blind_index_subject ON blind_index (subject, field);
