-- name: all
SELECT name, sealed FROM item WHERE kind = ? ORDER BY name

-- name: put
INSERT INTO item (kind, name, sealed) VALUES (?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET sealed = excluded.sealed

-- name: drop
DELETE FROM item WHERE kind = ? AND name = ?

-- name: bodies
SELECT b.idx, b.subject, b.sealed, l.record FROM body b JOIN leaf l ON l.idx = b.idx WHERE b.idx >= ? ORDER BY b.idx LIMIT ?

-- name: bodies_of
SELECT b.idx, b.subject, b.sealed, l.record FROM body b JOIN leaf l ON l.idx = b.idx WHERE b.subject = ? ORDER BY b.idx

-- name: body
SELECT b.idx, b.subject, b.sealed, l.record FROM body b JOIN leaf l ON l.idx = b.idx WHERE b.idx = ?
