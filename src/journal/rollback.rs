//! Rolling published changes back: by new changes, which restore what those replaced.
//!
//! What a change replaced stands in the plan of the attempt that published it, and is copied into the rollback
//! when that is made: pruning may take the attempt before the rollback's lane has its turn. Whether the values are
//! still ours is not asked here: the flow that is read for the publish tells.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ids::DeliveryRow;
use super::row::{flow_id, json, node_id};
use super::{Acted, Commit, JournalError, Plan, Target, sql};
use crate::change::{FlowId, Mode, NewChange, NodeId, Replaced, Seq, State, Undo, Values, shorten};

type Result<T> = std::result::Result<T, JournalError>;

/// The source of what operators have done.
const OPERATOR: &str = "operator";
/// The route of rollbacks.
const ROUTE: &str = "rollback";
/// What to do where a rollback cannot.
const INSTEAD: &str = "send a new delivery for what the flow is to have now";

/// A change that cannot be rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The change.
    pub seq: Seq,
    /// Why, and what to do instead.
    pub why: String,
}

/// The plan that was looked at last: changes of one publish are neighbours.
type LastPlan = Option<(String, Plan)>;

impl Commit<'_> {
    /// Makes a rollback of each of these changes that has one, the newest change first: a chain of them then leads
    /// back to the oldest state.
    pub(super) fn roll_back(&mut self, seqs: &[Seq]) -> Result<Acted> {
        let mut acted = Acted::default();
        let mut delivery = None;
        let mut last_plan = None;
        for seq in seqs.iter().collect::<BTreeSet<_>>().into_iter().rev().copied() {
            let change = match self.undoing(seq, &mut last_plan)? {
                Ok(change) => change,
                Err(why) => {
                    acted.refused.push(Refused { seq, why });
                    continue;
                }
            };
            let delivery = match delivery {
                Some(known) => known,
                None => *delivery.insert(self.own_delivery()?),
            };
            self.insert(&[(delivery, &change)])?;
            acted.made.extend(self.last);
            acted.changes += 1;
            acted.revived.add(&change.flow, 1);
            acted.flows.insert(change.flow);
        }
        if let (Some(delivery), Some(first), Some(last)) = (delivery, acted.made.first(), acted.made.last()) {
            self.note_changes(delivery, *first..last + 1)?;
        }
        Ok(acted)
    }

    /// The change that rolls one back, or why there is none.
    fn undoing(&self, seq: Seq, last_plan: &mut LastPlan) -> Result<std::result::Result<NewChange, String>> {
        let found = sql::first(
            self.sql(),
            "SELECT flow, node, state, variables, attempt, undo IS NOT NULL AS is_rollback
             FROM changes WHERE seq = ?",
            [seq],
            |row| {
                let flow = flow_id(&row.get::<_, String>("flow")?)?;
                let node = node_id(&row.get::<_, String>("node")?)?;
                let state = row.get::<_, String>("state")?;
                let state = State::parse(&state).ok_or_else(|| JournalError::corrupt(state, "a state"))?;
                let list: Option<String> = if row.get("is_rollback")? { None } else { row.get("variables")? };
                Ok((flow, node, state, list, row.get::<_, Option<String>>("attempt")?))
            },
        )?;
        let Some((flow, node, state, list, attempt)) = found else {
            return Ok(Err(format!("There is no change {seq}.")));
        };
        let plan = match attempt {
            Some(attempt) => self.plan_of(attempt, last_plan)?,
            None => None,
        };
        let done = Done { seq, flow: &flow, node: &node, state, plan, list: list.as_deref() };
        Ok(done.rollback())
    }

    fn plan_of<'p>(&self, attempt: String, last: &'p mut LastPlan) -> Result<Option<&'p Plan>> {
        if last.as_ref().is_none_or(|(known, _)| *known != attempt) {
            let text = "SELECT plan FROM attempts WHERE id = ? AND outcome = 'published'";
            *last = match sql::value_if_any::<String>(self.sql(), text, [&attempt])? {
                Some(plan) => Some((attempt, json(&plan, "an attempt's plan")?)),
                None => None,
            };
        }
        Ok(last.as_ref().map(|(_, plan)| plan))
    }

    /// A delivery that an operator's word makes. It is named after its first change, whose number never comes back.
    fn own_delivery(&mut self) -> Result<DeliveryRow> {
        let next =
            "SELECT 'rollback-' || (COALESCE(MAX(seq), 0) + 1) FROM sqlite_sequence WHERE name = 'changes'";
        let id: String = sql::value(self.sql(), next, ())?;
        let row = self.new_row(OPERATOR, &id);
        sql::execute(
            self.sql(),
            "INSERT INTO deliveries (id, source, delivery_id, state, received_at) VALUES (?, ?, ?, 'accepted', ?)",
            (row, OPERATOR, id, self.now_ms),
        )?;
        Ok(row)
    }
}

/// What a journal knows of a change that is to be rolled back.
#[derive(Clone, Copy, Debug)]
pub struct Done<'j> {
    /// The change.
    pub seq: Seq,
    /// Its flow.
    pub flow: &'j FlowId,
    /// Its node.
    pub node: &'j NodeId,
    /// How it ended, if it did.
    pub state: State,
    /// The plan of the update that published it, as long as it is kept.
    pub plan: Option<&'j Plan>,
    /// The variables that it was to set, as JSON. None of a rollback: a list that one puts back is published alone,
    /// and so is all its own, however it is spelt.
    pub list: Option<&'j str>,
}

impl Done<'_> {
    /// The change that rolls it back.
    ///
    /// # Errors
    /// Why there is none, and what to do instead.
    pub fn rollback(self) -> std::result::Result<NewChange, String> {
        let Self { seq, flow, node, state, plan, .. } = self;
        if state != State::Published {
            let state = state.as_str();
            return Err(format!("Change {seq} is {state}: only published changes can be rolled back."));
        }
        let plan =
            plan.ok_or_else(|| format!("What change {seq} replaced is not kept any more: {INSTEAD}."))?;
        let undo = self
            .undo(plan)
            .map_err(|why| format!("Change {seq} cannot be rolled back: {why}: {INSTEAD}."))?;
        let is_list = undo.replaced.iter().any(|replaced| replaced.name.is_none());
        let is_patch =
            plan.edits.iter().any(|edit| edit.seq == seq && matches!(edit.target, Target::Member(_)));
        Ok(NewChange {
            route: Arc::from(ROUTE),
            flow: flow.clone(),
            node: node.clone(),
            mode: match (is_list, is_patch) {
                (true, _) => Mode::Replace,
                (false, true) => Mode::Patch,
                (false, false) => Mode::Merge,
            },
            values: Values::Undo(undo),
            order_key: None,
        })
    }

    fn undo(self, plan: &Plan) -> std::result::Result<Undo, String> {
        let mut replaced = Vec::new();
        for edit in plan.edits.iter().filter(|edit| edit.seq == self.seq) {
            let name = match &edit.target {
                Target::Variable(name) if edit.was_valueless => {
                    return Err(format!("variable `{}` had an entry without a value", shorten(name)));
                }
                Target::Variable(name) | Target::Member(name) => Some(name.clone()),
                // A list that holds more than the change had in it was published with others' values.
                Target::List
                    if self.list.is_some() && edit.value.as_ref().map(|list| list.get()) != self.list =>
                {
                    return Err("other changes were published on top of its list, in one update".to_owned());
                }
                Target::List => None,
                // Written member by member.
                Target::Configuration => continue,
            };
            replaced.push(Replaced { name, ours: edit.value.clone(), previous: edit.previous.clone() });
        }
        if replaced.is_empty() {
            let why = "it was published on top of a new list, and what it replaced in that is not known";
            return Err(why.to_owned());
        }
        Ok(Undo { of: self.seq, replaced })
    }
}
