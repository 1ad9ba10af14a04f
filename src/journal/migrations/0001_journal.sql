-- The journal: what was received, what is to be done, what was done.
-- Times are milliseconds since 1970-01-01 UTC.

CREATE TABLE deliveries (
    id          INTEGER PRIMARY KEY,
    source      TEXT    NOT NULL,
    delivery_id TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('accepted', 'rejected')),
    reason      TEXT,               -- why it was rejected
    body        BLOB,               -- kept for rejected deliveries only, for a person to see
    received_at INTEGER NOT NULL,
    UNIQUE (source, delivery_id)
);
CREATE INDEX deliveries_rejected ON deliveries (received_at) WHERE state = 'rejected';

CREATE TABLE changes (
    -- AUTOINCREMENT: a mark outlives the rows it was made from, so a number must never come back.
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery   INTEGER NOT NULL REFERENCES deliveries (id),
    route      TEXT    NOT NULL,
    flow       TEXT    NOT NULL,
    node       TEXT    NOT NULL,
    mode       TEXT    NOT NULL CHECK (mode IN ('merge', 'replace')),
    variables  TEXT,                -- [{"name","value"}]; NULL until a thin change was fetched
    fetch_url  TEXT,                -- where a thin change gets its variables
    order_key  TEXT,                -- the source's own time, RFC 3339
    state      TEXT    NOT NULL CHECK (state IN
                   ('pending', 'published', 'unchanged', 'superseded', 'failed', 'discarded')),
    reason     TEXT,                -- why it failed, or what a pending one waits for
    version    TEXT,                -- the flow's version that it is in, as the tenant spelt it
    held_ms    INTEGER NOT NULL DEFAULT 0, -- how long its lane has backed off with it
    settled_at INTEGER
);
CREATE INDEX changes_by_delivery ON changes (delivery);
CREATE INDEX changes_by_flow ON changes (flow, seq);
CREATE INDEX changes_pending ON changes (flow, seq) WHERE state = 'pending';
-- Thin changes that wait for their values: by flow, and by where they are fetched.
CREATE INDEX changes_thin_by_flow ON changes (flow, fetch_url) WHERE state = 'pending' AND variables IS NULL;
CREATE INDEX changes_thin_by_url ON changes (fetch_url, flow, seq) WHERE state = 'pending' AND variables IS NULL;
CREATE INDEX changes_settled ON changes (settled_at)
    WHERE state IN ('published', 'unchanged', 'superseded', 'discarded');
CREATE INDEX changes_failed ON changes (seq) WHERE state = 'failed';

-- Per variable the winner so far. Never pruned: an old event must not win after its rival's row is gone.
CREATE TABLE marks (
    flow      TEXT    NOT NULL,
    node      TEXT    NOT NULL,
    target    TEXT    NOT NULL,     -- '=' and the variable's name, or '*' for the whole list
    route     TEXT    NOT NULL,
    order_key TEXT,
    seq       INTEGER NOT NULL,
    PRIMARY KEY (flow, node, target)
) WITHOUT ROWID;

-- One row per PUT, committed before it leaves. Without an outcome it is decided by reading the flow.
CREATE TABLE attempts (
    id           TEXT    PRIMARY KEY,
    flow         TEXT    NOT NULL,
    base_version TEXT    NOT NULL,
    plan         TEXT    NOT NULL,  -- the endings, marks, and previous and new values, as JSON
    started_at   INTEGER NOT NULL,
    outcome      TEXT    CHECK (outcome IN ('published', 'refused', 'lost')),
    ended_at     INTEGER
) WITHOUT ROWID;
CREATE UNIQUE INDEX attempts_open ON attempts (flow) WHERE outcome IS NULL;
CREATE INDEX attempts_ended ON attempts (ended_at) WHERE outcome IS NOT NULL;

-- One row: until when no call may be started at the tenant, and why.
CREATE TABLE gate (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    until  INTEGER,
    reason TEXT
);
INSERT INTO gate (id) VALUES (1);
