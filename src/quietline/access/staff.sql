-- state/vault/staff.db: accounts, certificates, sessions, grants. Read by staff_sqlite.py; "-- name:" starts a statement.
-- Trusted by nobody: vouchers say what counts (vouch.py). Logins are keyed tokens, names sealed, tokens hashed.

-- name: schema
CREATE TABLE IF NOT EXISTS staff (
    agent    TEXT PRIMARY KEY,
    login    TEXT NOT NULL UNIQUE,
    name     BLOB NOT NULL,
    role     TEXT NOT NULL,
    store    TEXT NOT NULL,
    skills   TEXT NOT NULL,           -- a JSON array
    starts   REAL NOT NULL,
    ends     REAL NOT NULL,           -- 0: open-ended
    password TEXT NOT NULL,
    leaf     TEXT NOT NULL,
    version  INTEGER NOT NULL,
    voucher  TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS certificates (
    agent      TEXT NOT NULL,
    data_class TEXT NOT NULL,
    expires    REAL NOT NULL,
    leaf       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    voucher    TEXT NOT NULL,
    PRIMARY KEY (agent, data_class)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
    digest  TEXT PRIMARY KEY,
    agent   TEXT NOT NULL,
    opened  REAL NOT NULL,
    seen    REAL NOT NULL,
    voucher TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS grants (
    id     TEXT PRIMARY KEY,
    record TEXT NOT NULL              -- a JSON object of tokens and times
) WITHOUT ROWID;
PRAGMA user_version = 1;

-- name: by_login
SELECT * FROM staff WHERE login = ?;

-- name: by_agent
SELECT * FROM staff WHERE agent = ?;

-- name: all_staff
SELECT * FROM staff ORDER BY agent;

-- name: put_staff
INSERT INTO staff VALUES (:agent, :login, :name, :role, :store, :skills, :starts, :ends, :password, :leaf, :version, :voucher)
ON CONFLICT (agent) DO UPDATE SET
    login = excluded.login, name = excluded.name, role = excluded.role, store = excluded.store, skills = excluded.skills,
    starts = excluded.starts, ends = excluded.ends, password = excluded.password, leaf = excluded.leaf,
    version = excluded.version, voucher = excluded.voucher;

-- name: certificates
SELECT * FROM certificates WHERE agent = ? ORDER BY data_class;

-- name: all_certificates
SELECT * FROM certificates ORDER BY agent, data_class;

-- name: put_certificate
INSERT OR REPLACE INTO certificates VALUES (:agent, :data_class, :expires, :leaf, :version, :voucher);

-- name: sessions
SELECT digest, agent, CAST(opened AS REAL) AS opened, CAST(seen AS REAL) AS seen, voucher FROM sessions ORDER BY opened, digest;

-- name: put_session
INSERT OR REPLACE INTO sessions VALUES (:digest, :agent, :opened, :seen, :voucher);

-- name: touch_session
UPDATE sessions SET seen = ?2 WHERE digest = ?1;

-- name: drop_session
DELETE FROM sessions WHERE digest = ?;

-- name: grants
SELECT id, record FROM grants ORDER BY id;

-- name: put_grant
INSERT OR REPLACE INTO grants VALUES (?, ?);

-- name: drop_grant
DELETE FROM grants WHERE id = ?;
