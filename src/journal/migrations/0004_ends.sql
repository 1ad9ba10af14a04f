-- A change that arrives writes into one place per flow only, that of the pending ones: the others take it when it ends,
-- and what ends together is of one flow.
DROP INDEX changes_by_flow;
DROP INDEX changes_by_node;
CREATE INDEX changes_ended_by_flow ON changes (flow, seq) WHERE state <> 'pending';
CREATE INDEX changes_ended_by_node ON changes (flow, node, seq) WHERE state <> 'pending';
