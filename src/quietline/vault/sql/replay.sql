-- name: erase_key
DELETE FROM data_key WHERE controller = ? AND subject = ? AND class = ?

-- name: erase_next_key
DELETE FROM data_key_next WHERE controller = ? AND subject = ? AND class = ?

-- name: erase_rows
DELETE FROM blind_index WHERE subject = ? AND field NOT LIKE 'order.%'

-- name: erase_orders
DELETE FROM blind_index WHERE subject = ? AND field LIKE 'order.%'

-- name: has_key
SELECT 1 FROM data_key WHERE subject = ? AND class = ?

-- name: has_rows
SELECT 1 FROM blind_index WHERE subject = ? AND field NOT LIKE 'order.%' LIMIT 1

-- name: has_fields
SELECT 1 FROM field f JOIN record r ON r.id = f.record WHERE r.customer = ? AND f.class = ? LIMIT 1

-- name: records
SELECT id FROM record WHERE customer = ?

-- name: seen
SELECT lines FROM erasures_seen

-- name: see
UPDATE erasures_seen SET lines = ?

-- name: order_records
SELECT DISTINCT subject FROM blind_index WHERE field LIKE 'order.record%' AND subject > ? ORDER BY subject LIMIT 10000

-- name: has_record
SELECT 1 FROM record WHERE id = ?
