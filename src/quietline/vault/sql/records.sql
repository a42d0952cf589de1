-- name: add_record
INSERT INTO record (id, controller, customer, kind, day) VALUES (?, ?, ?, ?, ?)

-- name: latest
SELECT id, controller FROM record WHERE customer = ? AND kind = ? ORDER BY seq DESC LIMIT 1

-- name: controller_of
SELECT controller FROM record WHERE customer = ? ORDER BY seq LIMIT 1

-- name: customer_of
SELECT customer FROM record WHERE id = ?

-- name: put_field
INSERT INTO field (record, name, class, revision, sealed, changed) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (record, name) DO UPDATE SET class = excluded.class, revision = excluded.revision, sealed = excluded.sealed,
changed = excluded.changed

-- name: held
SELECT name, class, revision, sealed FROM field WHERE record = ?

-- name: every
SELECT r.id, r.kind, r.day, f.name FROM record r JOIN field f ON f.record = r.id WHERE r.customer = ? ORDER BY r.seq, f.name

-- name: changed
SELECT f.changed FROM field f JOIN record r ON r.id = f.record WHERE r.customer = ? AND r.kind = ? AND f.name = ?
ORDER BY r.seq DESC LIMIT 1

-- name: last_activity
SELECT max(day) FROM record WHERE customer = ?

-- name: field
SELECT class, revision, sealed FROM field WHERE record = ? AND name = ?

-- name: field_names
SELECT f.name FROM field f JOIN record r ON r.id = f.record WHERE r.customer = ? GROUP BY f.name

-- name: erase_class
DELETE FROM field WHERE record IN (SELECT id FROM record WHERE customer = ?) AND class = ?

-- name: erase_empty
DELETE FROM record WHERE customer = ? AND NOT EXISTS (SELECT 1 FROM field WHERE record = record.id)

-- name: stored
SELECT r.customer, r.id, r.day, f.name, f.class FROM record r JOIN field f ON f.record = r.id WHERE r.customer IN
(SELECT DISTINCT customer FROM record WHERE customer > ? ORDER BY customer LIMIT ?) ORDER BY r.customer, r.seq

-- name: drop_field
DELETE FROM field WHERE record = ? AND name = ?

-- name: count
SELECT count(DISTINCT customer) FROM record WHERE kind = 'customer'

-- name: remember
INSERT INTO remembered (name, sealed) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed

-- name: remembered
SELECT name, sealed FROM remembered WHERE name >= ? AND name < ? ORDER BY name

-- name: remembered_one
SELECT sealed FROM remembered WHERE name = ?

-- name: forget
DELETE FROM remembered WHERE name = ?
