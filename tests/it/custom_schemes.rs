//! Schemes of somebody's own: what is wrong with a definition, and sources that are defined.

use flowhook::source::{Definition, Scheme, SchemeDefinition, Secret};
use jiff::Timestamp;

/// A scheme that can be used, but for what is in another's place.
const GOOD: &str = r#"
algorithm = "hmac-sha256"
header = "x-acme-signature"
separator = ","
prefix = "v1="
encoding = "hex"
content = "{id}.{timestamp}.{body}"
timestamp = { header = "x-acme-time" }
id = { header = "x-acme-id" }
"#;

/// [`GOOD`] with these lines in the place of its own for the same keys; a key with nothing behind it is left out.
fn with(lines: &str) -> String {
    let key = |line: &str| line.split([' ', '=']).next().unwrap_or_default().to_owned();
    let changed: Vec<String> = lines.lines().map(key).collect();
    let kept = GOOD.lines().filter(|line| !changed.contains(&key(line)));
    let added = lines.lines().filter(|line| line.contains('='));
    kept.chain(added).collect::<Vec<_>>().join("\n")
}

/// What is told of a definition.
fn told(definition: &str) -> String {
    match toml::from_str::<SchemeDefinition>(definition) {
        Err(error) => error.to_string(),
        Ok(definition) => match Scheme::custom("acme", &definition) {
            Err(error) => error.to_string(),
            Ok(_) => "good".to_owned(),
        },
    }
}

#[test]
fn a_definition_that_can_be_used_is() {
    let check = |lines: &str| assert_eq!(told(&with(lines)), "good", "{lines}");
    check("");
    check("content\ntimestamp\nid");
    check("content = \"{timestamp}{body}\"\nid");
    check("content = \"{id}{body}\"\nid = { header = \"x\", length = 8 }\ntimestamp");
    check(
        "content = \"{timestamp}.{body}\"\ntimestamp = { item = \"t=\", unit = \"ms\" }\nid = { body = \"/id\" }",
    );
    check("content\ntimestamp = { body = \"/at\" }\nid");
    check("algorithm = \"ed25519\"\nkey = \"base64\"\nencoding = \"base64url\"");
    check("algorithm = \"by-key\"\nkey\nencoding\nprefix\nseparator = \" \"");
    check("algorithm = \"hmac-sha512\"\nkey = \"hex\"\nheader = [\"X-Acme-Signature\", \"x-old\"]");
    check("prefix\nseparator\nhandshake = \"statsig\"\naccepted = 200");
    let token = "algorithm = \"token\"\nheader = \"authorization\"\nprefix = \"Bearer \"";
    assert_eq!(told(token), "good");
}

#[test]
fn every_fault_of_a_definition_is_told_with_what_to_do() {
    #[track_caller]
    fn check(lines: &str, words: &str) {
        let told = told(&with(lines));
        assert!(told.contains(words), "{told}");
    }
    // What could be split elsewhere under the same signature.
    check("content = \"{id}.{timestamp}\"", "does not end with {body}");
    check("content = \"{body}.{id}.{timestamp}\"", "does not end with {body}");
    check("content = \"{id}.{timestamp}.{body}{body}\"", "does not end with {body}");
    check("content = \"{id}.{timestamp}.{body}.\"", "does not end with {body}");
    check("content = \"\"", "does not end with {body}");
    check("content = \"{id}{timestamp}.{body}\"", "nothing behind {id} that ends it");
    check("content = \"{timestamp}.{id}{body}\"", "nothing behind {id} that ends it");
    check("content = \"{id}.{id}.{timestamp}.{body}\"", "`content` has {id} twice");
    // What nobody has signed, or what is read before it is verified.
    check("content = \"{id}.{body}\"", "`timestamp` is not in `content`, so anybody could set it");
    check("content = \"{body}\"\ntimestamp = { item = \"t=\" }\nid", "anybody could set it");
    check("timestamp", "`content` has {timestamp}, and no header says what it is: set `timestamp`");
    check("id", "`content` has {id}, and no header says what it is: set `id`");
    check("id = { body = \"/id\" }", "{id}, which is in the body");
    check("timestamp = { body = \"/at\" }", "{timestamp}, which is in the body");
    // What could not be told apart.
    check("separator\ntimestamp = { item = \"t=\" }", "needs `separator`");
    check("timestamp = { item = \"v\" }", "no item could be told from the other");
    check("timestamp = { item = \"\" }", "`timestamp.item` is ``");
    check("separator = \"=\"", "`separator` is `=`, which may stand in a signature");
    check("separator = \"a\"", "`separator` is `a`");
    check("prefix = \"v1,\"", "`prefix` is `v1,`");
    check("prefix = \" v1=\"", "`prefix` is ` v1=`");
    check("prefix = \"v1ü\"", "`prefix` is `v1ü`");
    // What is no definition.
    check("header = []", "`header` has no name");
    check("header = [\"x acme\"]", "`header` names `x acme`");
    check("id = { header = \"\" }", "`id.header` names ``");
    check("id = { header = \"X-Acme-Signature\" }", "`id.header` names a header that `header` names too");
    check(
        "header = [\"x-new\", \"x-old\"]\ntimestamp = { header = [\"x-time\", \"x-old\"] }",
        "`timestamp.header` names a header that `header` names too",
    );
    check(
        "content = \"{id}.{timestamp}.{event}.{body}\"",
        "`{event}`, and knows only {id}, {timestamp} and {body}",
    );
    check("content = \"{id}.{timestamp}.{body\"", "`{body`, and knows only");
    check("content = \"{id}.{timestamp}.}{body}\"", "`}`, and knows only");
    check("timestamp = { unit = \"s\" }", "`timestamp` is to be in one place");
    check("timestamp = { header = \"x\", item = \"t=\" }", "`timestamp` is to be in one place");
    check("id = { header = \"x\", body = \"/id\" }", "`id` is to be in one place");
    check("id = { body = \"id\" }", "`id.body`: `id` is no JSON pointer");
    check("id = { header = \"x\", length = 0 }", "`id.length` must be a number from 1 to 200");
    check("id = { header = \"x\", length = 201 }", "`id.length` must be a number from 1 to 200");
    check("encoding", "`encoding` is missing");
    check("algorithm = \"ed25519\"", "an Ed25519 key is no text");
    check("algorithm = \"ed25519\"\nkey = \"utf8\"", "an Ed25519 key is no text");
    check("algorithm = \"by-key\"", "remove `encoding`");
    check("algorithm = \"token\"\nencoding", "a token signs nothing: remove `separator`");
    check("algorithm = \"token\"\nencoding\nseparator", "a token signs nothing: remove `content`");
    check("algorithm = \"token\"\nencoding\nseparator\ncontent", "a token signs nothing: remove `timestamp`");
    check("algorithm = \"md5\"", "unknown variant `md5`");
    check("algorithm", "missing field `algorithm`");
    check("encoding = \"text\"", "unknown variant `text`");
    check("accepted = 204", "`accepted` must be 200 or 202, not `204`");
    check("signature = \"x\"", "unknown field `signature`");
    check("handshake = \"ping\"", "unknown variant `ping`");
}

#[test]
fn an_id_does_not_hold_what_ends_it_nor_run_into_it() {
    let definition = with("content = \"{id}--{body}\"\ntimestamp");
    let scheme =
        Scheme::custom("acme", &toml::from_str(&definition).expect("a definition")).expect("a scheme");
    let secret = Secret::parse(&scheme, "a-secret-that-is-long-enough").expect("a good secret");
    let check = |id: &str, fits: bool| {
        assert_eq!(scheme.sign(&secret, id, Timestamp::UNIX_EPOCH, b"-body").is_ok(), fits, "`{id}`");
    };
    check("a", true);
    check("a-b", true);
    check("a--b", false);
    // Signed as `a---` and the rest, which could be `a` as well.
    check("a-", false);
}

#[test]
fn all_faults_are_told_at_once() {
    let told = told(&with("header = []\nencoding\ncontent = \"{event}\""));
    for words in
        ["scheme `acme` cannot be used: ", "`header` has no name", "`encoding` is missing", "`{event}`"]
    {
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn a_scheme_has_a_name_that_no_preset_has() {
    let definition: SchemeDefinition = toml::from_str(GOOD).expect("a definition");
    let check = |name: &str, words: &str| {
        let told = Scheme::custom(name, &definition).expect_err("a bad name").to_string();
        assert!(told.contains(words), "{told}");
    };
    check("github", "a preset has that name");
    check("", "1 to 64 letters");
    check("a b", "1 to 64 letters");
    check(&"a".repeat(65), "1 to 64 letters");
    assert_eq!(Scheme::custom("ac-me_2", &definition).expect("a good name").name(), "ac-me_2");
}

fn acme() -> Scheme {
    Scheme::custom("acme", &toml::from_str(GOOD).expect("a definition")).expect("a good scheme")
}

/// What is told of a source `config` that is defined so.
fn told_of_source(definition: &str) -> String {
    match toml::from_str::<Definition>(definition) {
        Err(error) => error.to_string(),
        Ok(definition) => match definition.source("config", &[acme()]) {
            Ok(_) => "good".to_owned(),
            Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        },
    }
}

#[test]
fn a_source_is_defined_by_its_scheme_its_secrets_and_its_terms() {
    #[track_caller]
    fn check(definition: &str, words: &[&str]) {
        let told = told_of_source(definition);
        for words in words {
            assert!(told.contains(words), "{told}");
        }
        assert!(!told.contains("hunter2"), "{told}");
    }
    let good = "scheme = \"acme\"\nsecrets = [\"a\", \"b\", \"c\", \"d\"]";
    check(good, &["good"]);
    check(
        "scheme = \"github\"\nsecrets = [\"a\"]\ntolerance_seconds = 86400\nbody_bytes = 8388608",
        &["good"],
    );
    check("scheme = \"github\"\nsecrets = [\"a\"]\nmethods = [\"PUT\", \"GET\"]\nrejected = 200", &["good"]);

    check("scheme = \"acme\"\nsecrets = []", &["source `config` has no secret"]);
    check(
        "scheme = \"acme\"\nsecrets = [\"a\", \"b\", \"c\", \"d\", \"e\"]",
        &["has 5 secrets, and 4 are the most"],
    );
    check(
        "scheme = \"standard-webhooks\"\nsecrets = [\"whsec_AA==\", \"hunter2!\", \"\"]\nmethods = []",
        &[
            "secret number 2: the secret is not base64",
            "secret number 3: the secret is empty",
            "`methods` is empty",
        ],
    );
    check("scheme = \"githup\"\nsecrets = [\"a\"]", &["no scheme `githup`", "`acme`", "`github`"]);
    check(
        "scheme = \"acme\"\nsecrets = [\"a\"]\ntolerance_seconds = 0\nbody_bytes = 8388609",
        &[
            "`tolerance_seconds` must be a number from 1 to 86400",
            "`body_bytes` must be a number from 1 to 8388608",
        ],
    );
    check("scheme = \"acme\"\nsecrets = [\"a\"]\ntolerance_seconds = 86401", &["from 1 to 86400"]);
    check("scheme = \"acme\"\nsecrets = [\"a\"]\nmethods = [\"DELETE\"]", &["unknown variant `DELETE`"]);
    check(
        "scheme = \"acme\"\nsecrets = [\"a\"]\nrejected = 400",
        &["`rejected` must be 422 or 200, not `400`"],
    );
    check("scheme = \"acme\"\nsecrets = [\"a\"]\nsecret = \"a\"", &["unknown field `secret`"]);
    check("secrets = [\"a\"]", &["missing field `scheme`"]);
    check("scheme = \"acme\"", &["missing field `secrets`"]);
    let reserved: Definition = toml::from_str(good).expect("a definition");
    for name in ["operator", "reconcile"] {
        let told = reserved.source(name, &[acme()]).expect_err("it is ours");
        assert!(told[0].to_string().contains("is ours"), "{told:?}");
    }
}

#[test]
fn what_is_dated_or_short_is_remarked_upon_and_a_token_is_known_as_one() {
    let warnings = |scheme: &str, secret: &str| {
        let definition = format!("scheme = {scheme:?}\nsecrets = [{secret:?}]");
        let definition: Definition = toml::from_str(&definition).expect("a definition");
        let source = definition.source("config", &[]).expect("a good source");
        source.warnings().map(|warning| warning.to_string()).collect::<Vec<_>>().join("\n")
    };
    let long = "a-secret-that-is-long-enough";
    for scheme in
        Scheme::all().filter(|scheme| !["standard-webhooks", "svix", "gitlab"].contains(&scheme.name()))
    {
        let is_sha1 = ["vercel", "optimizely"].contains(&scheme.name());
        assert_eq!(warnings(scheme.name(), long).contains("HMAC-SHA1"), is_sha1, "{scheme:?}");
        assert!(warnings(scheme.name(), "short").contains("only 5 bytes long"), "{scheme:?}");
    }
    let tokens: Vec<String> =
        Scheme::all().filter(Scheme::is_token).map(|scheme| scheme.name().to_owned()).collect();
    let known = ["cloudevents", "directus", "event-grid", "gitlab-token", "posthog", "strapi", "unleash"];
    assert_eq!(tokens, known);
}

#[test]
fn success_is_200_to_those_that_know_no_other() {
    let of: Vec<String> = Scheme::all()
        .filter(|scheme| !scheme.is_token() && scheme.accepted() == 200)
        .map(|scheme| scheme.name().to_owned())
        .collect();
    assert_eq!(of, ["growthbook-event", "growthbook-sdk", "terraform-run-task"]);
    assert!(Scheme::all().filter(Scheme::is_token).all(|scheme| scheme.accepted() == 200));
}
