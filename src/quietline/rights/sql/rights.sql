-- name: all
SELECT name, sealed FROM item WHERE kind = ? ORDER BY name

-- name: put
INSERT INTO item (kind, name, sealed) VALUES (?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET sealed = excluded.sealed

-- name: drop
DELETE FROM item WHERE kind = ? AND name = ?

-- name: bodies
-- CAST: whatever was put into the file, it is read as bytes and then found wanting.
SELECT b.idx, b.subject, CAST(b.sealed AS BLOB), CAST(l.record AS BLOB)
FROM body b JOIN leaf l ON l.idx = b.idx WHERE b.idx >= ? ORDER BY b.idx LIMIT ?

-- name: bodies_of
SELECT b.idx, b.subject, CAST(b.sealed AS BLOB), CAST(l.record AS BLOB)
FROM body b JOIN leaf l ON l.idx = b.idx WHERE b.subject = ? ORDER BY b.idx

-- name: body
SELECT b.idx, b.subject, CAST(b.sealed AS BLOB), CAST(l.record AS BLOB)
FROM body b JOIN leaf l ON l.idx = b.idx WHERE b.idx = ?
