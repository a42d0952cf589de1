-- name: rotations
SELECT what, state, cursor, done, total, started, finished FROM rotation ORDER BY started, what

-- name: put_rotation
INSERT INTO rotation (what, state, cursor, done, total, started, finished) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (what) DO UPDATE SET state = excluded.state, cursor = excluded.cursor, done = excluded.done,
total = excluded.total, started = excluded.started, finished = excluded.finished

-- name: keys_after
SELECT id, controller, subject, class, wrapped FROM data_key WHERE id > ? ORDER BY id LIMIT ?

-- name: next_keys_after
SELECT id, controller, subject, class, wrapped FROM data_key_next WHERE id > ? ORDER BY id LIMIT ?

-- name: secrets
SELECT name, wrapped FROM secret ORDER BY name

-- name: rewrap_key
UPDATE data_key SET wrapped = ? WHERE id = ? AND wrapped = ?

-- name: rewrap_next_key
UPDATE data_key_next SET wrapped = ? WHERE id = ? AND wrapped = ?

-- name: rewrap_secret
UPDATE secret SET wrapped = ? WHERE name = ? AND wrapped = ?

-- name: count_keys
SELECT (SELECT count(*) FROM data_key) + (SELECT count(*) FROM data_key_next) + (SELECT count(*) FROM secret)

-- name: subjects_after
SELECT DISTINCT subject FROM data_key WHERE subject > ? AND subject >= 'cu_' AND subject < 'cu`' ORDER BY subject LIMIT ?

-- name: count_subjects
SELECT count(DISTINCT subject) FROM data_key WHERE subject >= 'cu_' AND subject < 'cu`'

-- name: owners_of
SELECT controller, subject, class FROM data_key WHERE subject = ?

-- name: next_keys
SELECT controller, subject, class FROM data_key_next ORDER BY subject

-- name: add_next
INSERT OR IGNORE INTO data_key_next (id, controller, subject, class, wrapped)
SELECT ?, controller, subject, class, ? FROM data_key WHERE controller = ? AND subject = ? AND class = ?

-- name: drop_old
DELETE FROM data_key WHERE EXISTS (SELECT 1 FROM data_key_next AS n WHERE n.controller = data_key.controller
AND n.subject = data_key.subject AND n.class = data_key.class) AND controller = ? AND subject = ? AND class = ?

-- name: take_next
INSERT INTO data_key (id, controller, subject, class, wrapped)
SELECT id, controller, subject, class, wrapped FROM data_key_next WHERE controller = ? AND subject = ? AND class = ?

-- name: drop_next
DELETE FROM data_key_next WHERE controller = ? AND subject = ? AND class = ?

-- name: sealed_of
SELECT r.id, f.name, f.class, f.revision, f.sealed FROM record r JOIN field f ON f.record = r.id
WHERE r.customer = ? AND r.controller = ?

-- name: reseal
UPDATE field SET sealed = ? WHERE record = ? AND name = ? AND sealed = ?

-- name: customers_after
SELECT DISTINCT customer FROM record WHERE customer > ? ORDER BY customer LIMIT ?

-- name: count_customers
SELECT count(DISTINCT customer) FROM record

-- name: values_of
SELECT r.id, r.controller, f.name, f.class, f.revision, f.sealed FROM record r JOIN field f ON f.record = r.id
WHERE r.customer = ? AND f.name = ?

-- name: has_row
SELECT 1 FROM blind_index WHERE field = ? AND token = ? AND subject = ?

-- name: drop_rows
DELETE FROM blind_index WHERE (field, token, subject) IN
(SELECT field, token, subject FROM blind_index WHERE field = ? LIMIT ?)

-- name: drop_secret
DELETE FROM secret WHERE name = ?

-- name: index_names
SELECT field, present, coming, past FROM index_name

-- name: put_index_name
INSERT INTO index_name (field, present, coming, past) VALUES (?, ?, ?, ?) ON CONFLICT (field) DO UPDATE SET
present = excluded.present, coming = excluded.coming, past = excluded.past

-- name: kek_ends
SELECT version, asked_by, asked, approved_by, approved FROM kek_end ORDER BY version

-- name: put_kek_end
INSERT INTO kek_end (version, asked_by, asked, approved_by, approved) VALUES (?, ?, ?, ?, ?) ON CONFLICT (version)
DO UPDATE SET asked_by = excluded.asked_by, asked = excluded.asked, approved_by = excluded.approved_by,
approved = excluded.approved

-- name: drop_kek_end
DELETE FROM kek_end WHERE version = ?

-- name: old_key
SELECT id, wrapped FROM data_key WHERE controller = ? AND subject = ? AND class = ?

-- name: count_rows
SELECT count(*) FROM blind_index WHERE field = ?
