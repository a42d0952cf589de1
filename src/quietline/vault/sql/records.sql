-- name: add_record
INSERT INTO record (id, controller, customer, kind) VALUES (?, ?, ?, ?)

-- name: latest
SELECT id, controller FROM record WHERE customer = ? AND kind = ? ORDER BY seq DESC LIMIT 1

-- name: controller_of
SELECT controller FROM record WHERE customer = ? ORDER BY seq LIMIT 1

-- name: put_field
INSERT INTO field (record, name, class, revision, sealed) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (record, name) DO UPDATE SET class = excluded.class, revision = excluded.revision, sealed = excluded.sealed

-- name: revision
SELECT revision FROM field WHERE record = ? AND name = ?

-- name: field
SELECT class, revision, sealed FROM field WHERE record = ? AND name = ?

-- name: field_names
SELECT f.name FROM field f JOIN record r ON r.id = f.record WHERE r.customer = ? GROUP BY f.name

-- name: erase
DELETE FROM record WHERE customer = ?

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
