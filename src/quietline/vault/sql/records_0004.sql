-- Of erasures.log: an older copy of this file has seen fewer lines, and what they say is done once more.
CREATE TABLE erasures_seen (
    lines INTEGER NOT NULL
) STRICT;
INSERT INTO erasures_seen VALUES (0);
