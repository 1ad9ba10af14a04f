-- A change that arrives writes less.

-- Where a delivery's changes are: from one number to another. They get their numbers together; should an earlier version
-- ever have put others in between, these are told by their column `delivery`.
ALTER TABLE deliveries ADD COLUMN first_change INTEGER; -- NULL if it has none
ALTER TABLE deliveries ADD COLUMN last_change INTEGER;
UPDATE deliveries SET (first_change, last_change) =
    (SELECT MIN(seq), MAX(seq) FROM changes WHERE delivery = deliveries.id);
DROP INDEX changes_by_delivery;

-- What is settled, by its time. Two comparisons where there was a list: SQLite builds a table of a list whenever it
-- inserts, and looks into it for each row.
DROP INDEX changes_settled;
CREATE INDEX changes_settled ON changes (settled_at) WHERE state <> 'pending' AND state <> 'failed';
