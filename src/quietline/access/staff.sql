-- state/vault/staff.db: accounts, certificates, factors, links, tokens, sessions, grants. Read by staff_sqlite.py; "-- name:" starts a statement.
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
    voucher  TEXT NOT NULL,
    second   INTEGER NOT NULL DEFAULT 0  -- 1: a second factor is set up, so the password alone opens nothing
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
    digest        TEXT PRIMARY KEY,
    agent         TEXT NOT NULL,
    opened        REAL NOT NULL,
    seen          REAL NOT NULL,
    voucher       TEXT NOT NULL,
    authenticated REAL NOT NULL,
    methods       TEXT NOT NULL       -- words, with spaces between
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS factors (
    agent   TEXT PRIMARY KEY,
    record  BLOB NOT NULL,            -- sealed: passkeys, the secret of one-time passwords, recovery codes
    leaf    TEXT NOT NULL,
    version INTEGER NOT NULL,
    voucher TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS links (
    subject TEXT PRIMARY KEY,         -- keyed token of issuer and subject
    agent   TEXT NOT NULL,
    leaf    TEXT NOT NULL,
    voucher TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (
    digest  TEXT PRIMARY KEY,
    id      TEXT NOT NULL,
    agent   TEXT NOT NULL,
    scopes  TEXT NOT NULL,            -- words, with spaces between
    made    REAL NOT NULL,
    expires REAL NOT NULL,
    leaf    TEXT NOT NULL,
    voucher TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS grants (
    id     TEXT PRIMARY KEY,
    record TEXT NOT NULL              -- a JSON object of tokens and times
) WITHOUT ROWID;
PRAGMA user_version = 2;

-- name: from_1
-- Sessions of layout 1 do not say how somebody signed in: everybody signs in again.
ALTER TABLE staff ADD COLUMN second INTEGER NOT NULL DEFAULT 0;
DROP TABLE sessions;
PRAGMA user_version = 2;

-- name: by_login
SELECT * FROM staff WHERE login = ?;

-- name: by_agent
SELECT * FROM staff WHERE agent = ?;

-- name: all_staff
SELECT * FROM staff ORDER BY agent;

-- name: put_staff
INSERT INTO staff VALUES (:agent, :login, :name, :role, :store, :skills, :starts, :ends, :password, :leaf, :version, :voucher, :second)
ON CONFLICT (agent) DO UPDATE SET
    login = excluded.login, name = excluded.name, role = excluded.role, store = excluded.store, skills = excluded.skills,
    starts = excluded.starts, ends = excluded.ends, password = excluded.password, leaf = excluded.leaf,
    version = excluded.version, voucher = excluded.voucher, second = excluded.second;

-- name: certificates
SELECT * FROM certificates WHERE agent = ? ORDER BY data_class;

-- name: all_certificates
SELECT * FROM certificates ORDER BY agent, data_class;

-- name: put_certificate
INSERT OR REPLACE INTO certificates VALUES (:agent, :data_class, :expires, :leaf, :version, :voucher);

-- name: sessions
SELECT digest, agent, CAST(opened AS REAL) AS opened, CAST(seen AS REAL) AS seen, voucher,
    CAST(authenticated AS REAL) AS authenticated, methods
FROM sessions ORDER BY opened, digest;

-- name: put_session
INSERT OR REPLACE INTO sessions VALUES (:digest, :agent, :opened, :seen, :voucher, :authenticated, :methods);

-- name: touch_session
UPDATE sessions SET seen = ?2 WHERE digest = ?1;

-- name: drop_session
DELETE FROM sessions WHERE digest = ?;

-- name: factors
SELECT agent, record, leaf, version, voucher FROM factors WHERE agent = ?;

-- name: put_factors
INSERT OR REPLACE INTO factors VALUES (:agent, :record, :leaf, :version, :voucher);

-- name: all_links
SELECT subject, agent, leaf, voucher FROM links ORDER BY agent, subject;

-- name: put_link
INSERT OR REPLACE INTO links VALUES (:subject, :agent, :leaf, :voucher);

-- name: drop_links
DELETE FROM links WHERE agent = ?;

-- name: tokens
SELECT digest, id, agent, scopes, CAST(made AS REAL) AS made, CAST(expires AS REAL) AS expires, leaf, voucher
FROM tokens ORDER BY made, digest;

-- name: put_token
INSERT INTO tokens VALUES (:digest, :id, :agent, :scopes, :made, :expires, :leaf, :voucher);

-- name: drop_token
DELETE FROM tokens WHERE digest = ?;

-- name: grants
SELECT id, record FROM grants ORDER BY id;

-- name: put_grant
INSERT OR REPLACE INTO grants VALUES (?, ?);

-- name: drop_grant
DELETE FROM grants WHERE id = ?;
