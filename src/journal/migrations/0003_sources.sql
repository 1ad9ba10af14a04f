-- Per variable the winner so far and its key, the highest key of each route, and the value that was last applied.
ALTER TABLE marks ADD COLUMN keys TEXT NOT NULL DEFAULT '{}'; -- a JSON object: route, and its highest key
ALTER TABLE marks ADD COLUMN value TEXT; -- as JSON; NULL if none is known, or if it was taken away with its list
UPDATE marks SET keys = json_object(route, order_key) WHERE order_key IS NOT NULL;

-- A change may patch the node's configuration: `variables` then holds a merge patch (RFC 7396).
ALTER TABLE changes ADD COLUMN new_mode TEXT NOT NULL DEFAULT 'merge' CHECK (new_mode IN ('merge', 'replace', 'patch'));
UPDATE changes SET new_mode = mode WHERE mode <> 'merge';
ALTER TABLE changes DROP COLUMN mode;
ALTER TABLE changes RENAME COLUMN new_mode TO mode;

-- What is fetched is fetched for a route: by flow, and by what they wait for.
DROP INDEX changes_thin_by_flow;
DROP INDEX changes_thin_by_url;
CREATE INDEX changes_thin_by_flow ON changes (flow, route, fetch_url) WHERE state = 'pending' AND variables IS NULL;
CREATE INDEX changes_thin_by_url ON changes (fetch_url, route, flow, seq) WHERE state = 'pending' AND variables IS NULL;

-- The last change of a node: asked for whenever it is compared with something.
CREATE INDEX changes_by_node ON changes (flow, node, seq);

-- What was last taken from a route's source for a node: values that were fetched, as they became a change.
CREATE TABLE taken (
    route    TEXT    NOT NULL,
    flow     TEXT    NOT NULL,
    node     TEXT    NOT NULL,
    value    TEXT    NOT NULL,      -- as the change has it in `variables`
    seq      INTEGER NOT NULL,      -- of the change that it became
    taken_at INTEGER NOT NULL,
    PRIMARY KEY (route, flow, node)
) WITHOUT ROWID;
-- What was fetched by now counts as taken: else the first comparison would write it once more, over what people and
-- rollbacks have set since. Beside MAX, SQLite takes the other columns from the row that has the maximum.
INSERT INTO taken
SELECT c.route, c.flow, c.node, c.variables, MAX(c.seq), d.received_at
FROM changes c JOIN deliveries d ON d.id = c.delivery
WHERE c.fetch_url IS NOT NULL AND c.variables IS NOT NULL
GROUP BY c.route, c.flow, c.node;

-- Where flows do not hold what was last applied to them: a person or a rollback did it.
CREATE TABLE drift (
    flow   TEXT    NOT NULL,
    node   TEXT    NOT NULL,
    target TEXT    NOT NULL,        -- as in `marks`
    ours   TEXT,                    -- what was last applied, as JSON; NULL if there was to be nothing
    there  TEXT,                    -- what the flow holds, as JSON; NULL if it holds nothing
    route  TEXT    NOT NULL,        -- whose value was last applied
    since  INTEGER NOT NULL,        -- when it was first seen
    seen   INTEGER NOT NULL,        -- when it was last seen
    PRIMARY KEY (flow, node, target)
) WITHOUT ROWID;
