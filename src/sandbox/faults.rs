//! Faults on demand, counted: what goes wrong, with which calls, and how often.

use std::time::Duration;

use super::flows::Save;
use super::record::Call;
use super::reply::{Canned, Way};

/// A fault that waits for its calls.
///
/// ```
/// use flowhook::sandbox::{Canned, Fault, FaultKind};
///
/// // The second and third PUT of `ivr` are answered 503, before anything is saved.
/// let kind = FaultKind::Status(Canned::status(503).retry_after("2"));
/// let fault = Fault::put(kind).of("ivr").after(1).times(2);
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    on: On,
    flow: Option<String>,
    skip: u32,
    left: Option<u32>,
    /// Of a hundred calls that it could befall, about how many it does, and what decides which.
    odds: Option<(u8, fastrand::Rng)>,
    what: FaultKind,
}

/// Which calls a fault befalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// `POST /oauth/token`.
    Token,
    /// `GET` of a flow.
    Get,
    /// `PUT` of a flow.
    Put,
    /// `GET` and `PUT` of a flow.
    Flow,
    /// All of these.
    Any,
}

/// What goes wrong. Whatever is said to be saved is saved only by a PUT that is in order: one that is not
/// gets its ordinary refusal, and the fault waits for the next. A GET or token call has nothing to save;
/// the token endpoint gives no token out where nothing is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// This answer, and nothing is saved.
    Status(Canned),
    /// No answer for so long, then a reset; nothing is saved.
    Hang(Duration),
    /// A connection reset; nothing is saved.
    ResetBefore,
    /// Saved, then a connection reset.
    ResetAfterCommit,
    /// Saved, then this answer.
    CommitThen(Canned),
    /// Saved, then no answer for so long, then a reset.
    CommitThenHang(Duration),
    /// Saved, and half of the ordinary answer: its `Content-Length` is never reached.
    TruncatedBody,
    /// 200 with a page of HTML, as from a proxy; nothing is saved.
    NotJson,
    /// Saved, and 204 without a body.
    Empty,
    /// 202, and the document is saved now, later or never.
    Accepted(Landing),
    /// A connection reset; saved so much later, if its version is still the current one then.
    LateCommit(Duration),
    /// 409 though the version has not moved: somebody holds a lock.
    ConflictUnmoved,
    /// Saved with the members of the flow in another order and one more, and answered so.
    RewriteOnSave,
    /// Saved as by a server that parses a document and writes it anew: keys sorted, numbers as binary
    /// floating point, no white space.
    ParseOnSave,
    /// Saved, and the version goes up by so many at once.
    VersionJump(u32),
    /// Answered as if saved, and the version moves, but the content stays as it was.
    SilentDrop,
    /// A GET is answered with the document as it was before the last commit.
    StaleRead,
    /// Saved, and the ordinary answer without a `Content-Length`, in chunks.
    Chunked,
    /// Saved, and the ordinary answer byte by byte, each after so long.
    Trickle(Duration),
}

/// When a document that was merely accepted is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// Before the answer.
    Now,
    /// So long after it, if its version is still the current one then.
    Later(Duration),
    /// Never.
    Never,
}

impl Fault {
    /// A fault of such calls, once.
    pub fn on(on: On, what: FaultKind) -> Self {
        Self { on, flow: None, skip: 0, left: Some(1), odds: None, what }
    }

    /// A fault of the token endpoint, once.
    pub fn token(what: FaultKind) -> Self {
        Self::on(On::Token, what)
    }

    /// A fault of a GET, once.
    pub fn get(what: FaultKind) -> Self {
        Self::on(On::Get, what)
    }

    /// A fault of a PUT, once.
    pub fn put(what: FaultKind) -> Self {
        Self::on(On::Put, what)
    }

    /// Only calls of this flow.
    #[must_use]
    pub fn of(self, flow: &str) -> Self {
        Self { flow: Some(flow.to_owned()), ..self }
    }

    /// So many calls.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { left: Some(times), ..self }
    }

    /// Until the faults are cleared.
    #[must_use]
    pub fn forever(self) -> Self {
        Self { left: None, ..self }
    }

    /// Only after so many such calls went well.
    #[must_use]
    pub fn after(self, calls: u32) -> Self {
        Self { skip: calls, ..self }
    }

    /// Only about so many of a hundred such calls, as this seed has it.
    #[must_use]
    pub fn percent(self, percent: u8, seed: u64) -> Self {
        Self { odds: Some((percent, fastrand::Rng::with_seed(seed))), ..self }
    }

    fn befalls(&self, call: &Call) -> bool {
        let on = match call {
            Call::Token => matches!(self.on, On::Token | On::Any),
            Call::Get(_) => matches!(self.on, On::Get | On::Flow | On::Any),
            Call::Put(_) => matches!(self.on, On::Put | On::Flow | On::Any),
            Call::Other => false,
        };
        on && self.flow.as_deref().is_none_or(|flow| call.flow() == Some(flow))
    }
}

/// What becomes of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    Nothing,
    /// It is saved so.
    Save(Save),
    /// It is saved as given, so much later.
    Later(Duration),
}

/// What the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// The ordinary answer.
    Usual,
    /// The ordinary answer to a read that comes too early.
    Stale,
    /// This one instead.
    Canned(Canned),
    /// The ordinary one, on its way like this.
    OnItsWay(Way),
    /// No answer for so long, then a reset.
    Silence(Duration),
    /// A reset.
    Reset,
}

impl FaultKind {
    /// What the fault does, taken apart.
    pub(super) fn plan(self) -> (Effect, Manner) {
        let saved = Effect::Save(Save::AsGiven);
        match self {
            Self::Status(canned) => (Effect::Nothing, Manner::Canned(canned)),
            Self::Hang(wait) => (Effect::Nothing, Manner::Silence(wait)),
            Self::ResetBefore => (Effect::Nothing, Manner::Reset),
            Self::ResetAfterCommit => (saved, Manner::Reset),
            Self::CommitThen(canned) => (saved, Manner::Canned(canned)),
            Self::CommitThenHang(wait) => (saved, Manner::Silence(wait)),
            Self::TruncatedBody => (saved, Manner::OnItsWay(Way::Torn)),
            Self::Chunked => (saved, Manner::OnItsWay(Way::InChunks)),
            Self::Trickle(each) => (saved, Manner::OnItsWay(Way::Trickling(each))),
            Self::NotJson => (Effect::Nothing, Manner::Canned(proxy_page())),
            Self::Empty => (saved, Manner::Canned(Canned::status(204))),
            Self::Accepted(landing) => {
                let effect = match landing {
                    Landing::Now => saved,
                    Landing::Later(wait) => Effect::Later(wait),
                    Landing::Never => Effect::Nothing,
                };
                (effect, Manner::Canned(Canned::status(202).json(r#"{"status":"accepted"}"#)))
            }
            Self::LateCommit(wait) => (Effect::Later(wait), Manner::Reset),
            Self::ConflictUnmoved => (Effect::Nothing, Manner::Canned(locked())),
            Self::RewriteOnSave => (Effect::Save(Save::Rewritten), Manner::Usual),
            Self::ParseOnSave => (Effect::Save(Save::Parsed), Manner::Usual),
            Self::VersionJump(by) => (Effect::Save(Save::Jumping(by)), Manner::Usual),
            Self::SilentDrop => (Effect::Save(Save::Dropped), Manner::Usual),
            Self::StaleRead => (saved, Manner::Stale),
        }
    }
}

fn proxy_page() -> Canned {
    let page = "<!doctype html><title>Sign in</title><p>Your session has ended.</p>";
    Canned::status(200).header("content-type", "text/html").body(page)
}

fn locked() -> Canned {
    let body = r#"{"message":"the flow is locked by another user: Dana Designer","code":"flow.locked","status":409}"#;
    Canned::status(409).json(body)
}

/// The faults that wait for their calls, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// One more fault, behind the others.
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// No more faults.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// How many counted faults have not befallen all their calls.
    pub(super) fn waiting(&self) -> usize {
        self.0.iter().filter(|fault| fault.left.is_some_and(|left| left > 0)).count()
    }

    /// The fault that befalls this call, counted. `in_order` tells whether a PUT could be saved now.
    pub(super) fn take(&mut self, call: &Call, in_order: bool) -> Option<(Effect, Manner)> {
        for fault in self.0.iter_mut().filter(|fault| fault.befalls(call)) {
            let (effect, manner) = fault.what.clone().plan();
            if fault.left == Some(0) || (effect != Effect::Nothing && !in_order) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            if let Some((percent, rng)) = &mut fault.odds
                && rng.u8(0..100) >= *percent
            {
                continue;
            }
            fault.left = fault.left.map(|left| left - 1);
            return Some((effect, manner));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Call, Canned, Fault, FaultKind, Faults, Manner, On};

    /// Which of the calls a fault befalls; `g` and `p` are GET and PUT of flow 1, `G` and `P` of flow 2,
    /// `x` a PUT that is not in order.
    #[track_caller]
    fn check(fault: &Fault, calls: &str, wanted: &str) {
        let mut faults = Faults::default();
        faults.add(fault.clone());
        let befallen = |call: char| {
            let made = match call {
                't' => Call::Token,
                'g' => Call::Get("1".into()),
                'G' => Call::Get("2".into()),
                'P' => Call::Put("2".into()),
                _ => Call::Put("1".into()),
            };
            if faults.take(&made, call != 'x').is_some() { call } else { '.' }
        };
        assert_eq!(calls.chars().map(befallen).collect::<String>(), wanted, "{fault:?}");
    }

    #[test]
    fn a_fault_befalls_its_calls_and_no_others() {
        let reset = || FaultKind::ResetBefore;
        check(&Fault::put(reset()), "tgpp", "..p.");
        check(&Fault::put(reset()).of("2"), "pPp", ".P.");
        check(&Fault::get(reset()).times(2), "gGpg", "gG..");
        check(&Fault::on(On::Flow, reset()).forever().after(2), "tggpGx", "...pGx");
        check(&Fault::on(On::Any, reset()).forever(), "tgp", "tgp");
        check(&Fault::token(reset()).of("1"), "tgp", "...");
        check(&Fault::put(FaultKind::ResetAfterCommit).after(1), "xpxp", "...p");
        check(&Fault::get(reset()).percent(0, 1).forever(), "gggg", "....");
        check(&Fault::get(reset()).percent(100, 1).times(2), "gggg", "gg..");
    }

    #[test]
    fn faults_come_in_the_order_they_were_added() {
        let mut faults = Faults::default();
        for code in [500, 503] {
            faults.add(Fault::token(FaultKind::Status(Canned::status(code))));
        }
        assert_eq!(faults.waiting(), 2);
        let mut next = || faults.take(&Call::Token, true).map(|plan| plan.1);
        assert_eq!(next(), Some(Manner::Canned(Canned::status(500))));
        assert_eq!(next(), Some(Manner::Canned(Canned::status(503))));
        assert_eq!(next(), None);
        assert_eq!(faults.waiting(), 0);
    }
}
