-- Days, for retention and for how new a contact is: UTC days since 1970 and no finer, so that a copy of this file tells
-- no time of a call that a carrier's records could be matched with.
ALTER TABLE record ADD COLUMN day INTEGER NOT NULL DEFAULT 0;      -- written, or for an order placed; 0: before this column
ALTER TABLE field ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;   -- another value than before since; 0: as first written
