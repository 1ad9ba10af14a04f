-- A change that arrives writes into places where others have just been written, and nowhere else.

-- The ids of deliveries by their hashes; those above a row wait in memory. Opening the journal fills it.
CREATE TABLE ids (
    hash     INTEGER NOT NULL,
    delivery INTEGER NOT NULL,      -- the row that may have the id
    PRIMARY KEY (hash, delivery)
) WITHOUT ROWID;
CREATE TABLE ids_known_to (delivery INTEGER NOT NULL);
INSERT INTO ids_known_to VALUES (0);

-- Without the index of ids.
CREATE TABLE new_deliveries (
    id          INTEGER PRIMARY KEY,
    source      TEXT    NOT NULL,
    delivery_id TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('accepted', 'rejected')),
    reason      TEXT,               -- why it was rejected
    body        BLOB,               -- kept for rejected deliveries only, for a person to see
    received_at INTEGER NOT NULL
);
INSERT INTO new_deliveries SELECT id, source, delivery_id, state, reason, body, received_at FROM deliveries;
DROP TABLE deliveries;
ALTER TABLE new_deliveries RENAME TO deliveries;
CREATE INDEX deliveries_rejected ON deliveries (received_at) WHERE state = 'rejected';

-- Which are pending, flow by flow, is known in memory.
DROP INDEX changes_pending;
CREATE INDEX changes_pending ON changes (seq, flow) WHERE state = 'pending';

-- The version stands in `PRAGMA user_version` from here on. Earlier versions of flowhook look into this list, and refuse
-- what it says.
CREATE TABLE IF NOT EXISTS _sqlx_migrations (
    version        BIGINT    PRIMARY KEY,
    description    TEXT      NOT NULL,
    installed_on   TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success        BOOLEAN   NOT NULL,
    checksum       BLOB      NOT NULL,
    execution_time BIGINT    NOT NULL
);
INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
VALUES (5, 'ids', TRUE, x'', 0);
