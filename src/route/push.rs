//! The body by which a git host tells of a push. It is the same from GitHub, Gitea and Forgejo.
//! <https://docs.github.com/en/webhooks/webhook-events-and-payloads#push>

use std::borrow::Cow;

use jiff::Timestamp;

use super::Revision;
use crate::json::Value;

/// What comes before a branch's name in `ref`.
const BRANCHES: &str = "refs/heads/";

/// A push to the default branch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pushed {
    /// The commit that the branch is at since.
    pub(super) revision: Revision,
    /// When, by the host's clock: GitHub signs it along, in whole seconds. Others do not say.
    pub(super) at: Option<Timestamp>,
}

/// The push to the default branch, if that is what the body tells of. A push to another branch, a tag, a
/// branch that was deleted, or a body that could be read in two ways is none.
pub(super) fn pushed(body: &Value<'_>) -> Option<Pushed> {
    fn text<'a>(of: &Value<'a>, name: &str) -> Option<Cow<'a, str>> {
        of.get(name).ok().flatten().and_then(Value::text)
    }
    let repository = body.get("repository").ok().flatten()?;
    let default_branch = text(repository, "default_branch")?;
    if text(body, "ref")?.strip_prefix(BRANCHES) != Some(&*default_branch) {
        return None;
    }
    let seconds = repository.get("pushed_at").ok()?.and_then(|value| value.raw().get().parse().ok());
    let at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    Some(Pushed { revision: Revision::commit(&text(body, "after")?)?, at })
}

#[cfg(test)]
mod tests {
    use super::{Value, pushed};

    const COMMIT: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";

    #[track_caller]
    fn check(body: &str, expected: Option<&str>) {
        let raw = serde_json::from_str(body).expect("JSON");
        let pushed = pushed(&Value::new(raw));
        assert_eq!(pushed.as_ref().map(|pushed| pushed.revision.as_str()), expected, "{body}");
    }

    fn push(reference: &str, default_branch: &str, after: &str) -> String {
        format!(
            r#"{{"ref":"{reference}","after":"{after}","repository":{{"default_branch":"{default_branch}"}}}}"#
        )
    }

    #[test]
    fn a_push_to_the_default_branch_tells_its_commit() {
        check(&push("refs/heads/main", "main", COMMIT), Some(COMMIT));
        check(&push("refs/heads/live/eu", "live/eu", COMMIT), Some(COMMIT));
        check(&push(r"refs\/heads\/ma\u0069n", "main", COMMIT), Some(COMMIT));
    }

    #[test]
    fn its_time_is_read_where_the_host_says_it() {
        let at = |pushed_at: &str| {
            let body = push("refs/heads/main", "main", COMMIT);
            let body = body.replace("{\"default", &format!("{{{pushed_at}\"default"));
            let raw = serde_json::from_str(&body).expect("JSON");
            pushed(&Value::new(raw)).map(|pushed| pushed.at.map(|at| at.as_second()))
        };
        assert_eq!(at(""), Some(None));
        assert_eq!(at(r#""pushed_at":1557933657,"#), Some(Some(1_557_933_657)));
        assert_eq!(at(r#""pushed_at":"2019-05-15T15:20:57Z","#), Some(None));
        assert_eq!(at(r#""pushed_at":99999999999999999999,"#), Some(None));
        assert_eq!(at(r#""pushed_at":1,"pushed_at":2,"#), None);
    }

    #[test]
    fn what_is_no_push_to_the_default_branch_tells_none() {
        check(&push("refs/heads/other", "main", COMMIT), None);
        check(&push("refs/heads/main2", "main", COMMIT), None);
        check(&push("refs/heads/Main", "main", COMMIT), None);
        check(&push("refs/tags/main", "main", COMMIT), None);
        check(&push("main", "main", COMMIT), None);
        check(&push("refs/heads/main", "main", &"0".repeat(40)), None);
        check(&push("refs/heads/main", "main", "HEAD"), None);
        check(&push("refs/heads/main", "main", "../main"), None);
    }

    #[test]
    fn what_lacks_a_member_or_has_one_of_another_type_or_twice_tells_none() {
        let good = push("refs/heads/main", "main", COMMIT);
        let reference = r#""ref":"refs/heads/main""#;
        let after = format!(r#""after":"{COMMIT}""#);
        check(&good.replace(reference, r#""x":1"#), None);
        check(&good.replace(reference, r#""ref":5"#), None);
        check(&good.replace(reference, &format!("{reference},{reference}")), None);
        check(&good.replace(&after, r#""after":null"#), None);
        check(&good.replace(&after, &format!("{after},{after}")), None);
        check(&good.replace("default_branch", "master_branch"), None);
        check(&good.replace(r#"{"default_branch":"main"}"#, r#""main""#), None);
        check(r#"{"zen":"Keep it logically awesome.","hook_id":1}"#, None);
        check("{}", None);
    }
}
