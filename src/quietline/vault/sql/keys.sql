-- name: key_by_owner
SELECT id, wrapped FROM (
SELECT 0 AS place, id, wrapped FROM data_key_next WHERE controller = ?1 AND subject = ?2 AND class = ?3
UNION ALL SELECT 1, id, wrapped FROM data_key WHERE controller = ?1 AND subject = ?2 AND class = ?3)
ORDER BY place LIMIT 1

-- name: key_by_id
SELECT wrapped FROM data_key WHERE controller = ?1 AND subject = ?2 AND class = ?3 AND id = ?4
UNION ALL SELECT wrapped FROM data_key_next WHERE controller = ?1 AND subject = ?2 AND class = ?3 AND id = ?4

-- name: add_key
INSERT INTO data_key (id, controller, subject, class, wrapped) VALUES (?, ?, ?, ?, ?)

-- name: destroy_keys
DELETE FROM data_key WHERE controller = ? AND subject = ? AND class = ?

-- name: destroy_next_keys
DELETE FROM data_key_next WHERE controller = ? AND subject = ? AND class = ?

-- name: secret
SELECT wrapped FROM secret WHERE name = ?

-- name: add_secret
INSERT INTO secret (name, wrapped) VALUES (?, ?)

-- name: index_every
SELECT subject, mac FROM blind_index WHERE field = ? AND token = ? LIMIT 20

-- name: index_add
INSERT OR IGNORE INTO blind_index (field, token, subject, mac) VALUES (?, ?, ?, ?)

-- name: index_clear
DELETE FROM blind_index WHERE subject = ? AND field = ?

-- name: index_erase
DELETE FROM blind_index WHERE subject = ?

-- name: index_count
SELECT count(*) FROM blind_index WHERE field = ?
