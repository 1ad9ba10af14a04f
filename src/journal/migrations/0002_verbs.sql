-- What operators have paused: nothing of it is published until they say so.
CREATE TABLE pauses (
    flow   TEXT    PRIMARY KEY,     -- a flow's id, or '*' for all flows, which is no id
    reason TEXT    NOT NULL,
    since  INTEGER NOT NULL
) WITHOUT ROWID;

-- Of a published change: the attempt that carried it, which knows what stood there before.
ALTER TABLE changes ADD COLUMN attempt TEXT;
-- Of a rollback: which change it rolls back, what that wrote and what stood there before, as JSON.
ALTER TABLE changes ADD COLUMN undo TEXT;

-- Attempts whose answer was lost and which were not there: the tenant may still carry them out.
CREATE INDEX attempts_lost ON attempts (flow, base_version) WHERE outcome = 'lost';

-- One row: whether what is pending was accepted by a service that only observes, and so must never be published.
CREATE TABLE observing (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    since INTEGER
);
INSERT INTO observing (id) VALUES (1);
