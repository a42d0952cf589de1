-- The tree: leaves, its tiles (level 0 once full; above also partial) and its one head.
CREATE TABLE leaf (idx INTEGER PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE tile (level INTEGER NOT NULL, idx INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (level, idx));
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, edge BLOB NOT NULL,
                   checkpoint BLOB NOT NULL, vkey TEXT NOT NULL);

-- Outside the tree: erasable. `sealed` holds salt and body.
CREATE TABLE body (idx INTEGER PRIMARY KEY, subject TEXT NOT NULL, sealed BLOB NOT NULL);
