-- What is settled, by its time. Two comparisons where there was a list: SQLite builds a table of a list whenever it
-- inserts, and looks into it for each row.
DROP INDEX changes_settled;
CREATE INDEX changes_settled ON changes (settled_at) WHERE state <> 'pending' AND state <> 'failed';
