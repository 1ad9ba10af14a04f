//! What every row must hold, and senders to come as rows.

use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use jiff::Timestamp;

use super::{Id, Kind, Part, Row, SignatureHeader, Time};
use crate::source::algorithm::Algorithm;
use crate::source::encoding::Encoding;
use crate::source::id::IdSource;
use crate::source::key::KeyEncoding;
use crate::source::presets::{GITHUB, ROWS, STANDARD_WEBHOOKS};
use crate::source::time::TimeSource;
use crate::source::{Scheme, Secret, Source, Verified, VerifyError};

/// What is wrong with a row. An id and a time are worth nothing if the content does not hold them where it
/// should, and what is signed must not be that of another delivery when it is split elsewhere.
fn fault(row: &Row) -> Option<&'static str> {
    let has_length = row.id.is_some_and(|id| id.length.is_some());
    // A time that is close to ours has as many digits as ours, so it has an end of its own.
    let is_open = |pair: &[Part]| match pair {
        [Part::Id, Part::Literal(text)] => text.is_empty() && !has_length,
        [Part::Id, _] => !has_length,
        [Part::Body, _] => true,
        _ => false,
    };
    let names = names(row);
    let checks = [
        (row.content.last() != Some(&Part::Body), "the body is not what it signs last"),
        (row.content.windows(2).any(is_open), "a signed part has no end"),
        (row.signs(Part::Id) && row.id.is_none(), "it signs an id and has none"),
        (row.signs(Part::Timestamp) != row.time.is_some(), "its time is not what it signs"),
        (row.kinds.is_empty(), "it has no signatures"),
        (names.iter().any(|names| names.is_empty()), "a header has no name"),
        (names.concat().iter().any(|name| *name != name.to_ascii_lowercase()), "a name has a capital"),
    ];
    checks.into_iter().find_map(|(is_so, what)| is_so.then_some(what))
}

/// The names of each header.
fn names(row: &Row) -> Vec<&'static [&'static str]> {
    let id = row.id.map(|id| match id.source {
        IdSource::Header(names) => names,
    });
    let time = row.time.map(|time| match time.source {
        TimeSource::Header(names) => names,
    });
    id.into_iter().chain(time).chain([row.signature.names]).collect()
}

#[test]
fn no_row_has_a_fault() {
    for row in ROWS.iter().chain(&[&SVIX, &CONFIGCAT, &STATSIG, &FLAGSMITH, &GROWTHBOOK_EVENT]) {
        assert_eq!(fault(row), None, "{}", row.name);
    }
}

#[test]
fn every_fault_of_a_row_is_found() {
    #[track_caller]
    fn check(row: Row, expected: &str) {
        assert_eq!(fault(&row), Some(expected), "{row:?}");
    }
    const OPEN_ID: &[Part] = &[Part::Id, Part::Timestamp, Part::Body];
    const EMPTY_END: &[Part] = &[Part::Id, Part::Literal(""), Part::Timestamp, Part::Body];
    let timed = Time { source: TimeSource::Header(&["x-time"]), per_second: 1, tolerance_s: 300 };
    let id = |names| Some(Id { source: IdSource::Header(names), length: None });

    check(Row { content: &[], ..GITHUB }, "the body is not what it signs last");
    check(Row { content: &[Part::Body, Part::Id], ..GITHUB }, "the body is not what it signs last");
    check(Row { content: &[Part::Body, Part::Body], ..GITHUB }, "a signed part has no end");
    check(Row { content: OPEN_ID, ..STANDARD_WEBHOOKS }, "a signed part has no end");
    check(Row { content: EMPTY_END, ..STANDARD_WEBHOOKS }, "a signed part has no end");
    check(Row { id: id(&["x-configcat-webhook-id"]), ..CONFIGCAT }, "a signed part has no end");
    check(Row { id: None, ..STANDARD_WEBHOOKS }, "it signs an id and has none");
    check(Row { time: None, ..STANDARD_WEBHOOKS }, "its time is not what it signs");
    check(Row { time: Some(timed), ..GITHUB }, "its time is not what it signs");
    check(Row { kinds: &[], ..GITHUB }, "it has no signatures");
    check(Row { id: id(&[]), ..GITHUB }, "a header has no name");
    check(Row { id: id(&["X-GitHub-Delivery"]), ..GITHUB }, "a name has a capital");
}

// Senders that there is no scheme for yet, as their own pages have them: rows must do for what they ask.

/// Two families of headers, the first before the second.
/// <https://docs.svix.com/receiving/verifying-payloads/how-manual>
static SVIX: Row = Row {
    name: "svix",
    signature: SignatureHeader { names: &["svix-signature", "webhook-signature"], separator: Some(' ') },
    time: Some(Time {
        source: TimeSource::Header(&["svix-timestamp", "webhook-timestamp"]),
        per_second: 1,
        tolerance_s: 300,
    }),
    id: Some(Id { source: IdSource::Header(&["svix-id", "webhook-id"]), length: None }),
    ..STANDARD_WEBHOOKS
};

/// Nothing between id, time and body, and nothing before a signature.
/// <https://configcat.com/docs/advanced/notifications-webhooks/>
static CONFIGCAT: Row = Row {
    name: "configcat",
    signature: SignatureHeader { names: &["x-configcat-webhook-signature-v1"], separator: Some(',') },
    kinds: &[hmac_sha256("", Encoding::Base64)],
    content: &[Part::Id, Part::Timestamp, Part::Body],
    time: Some(Time {
        source: TimeSource::Header(&["x-configcat-webhook-timestamp"]),
        per_second: 1,
        tolerance_s: 300,
    }),
    id: Some(Id { source: IdSource::Header(&["x-configcat-webhook-id"]), length: Some(32) }),
    ..STANDARD_WEBHOOKS
};

/// Milliseconds, and no id.
/// <https://docs.statsig.com/integrations/event_webhook>
static STATSIG: Row = Row {
    name: "statsig",
    signature: SignatureHeader { names: &["x-statsig-signature"], separator: None },
    kinds: &[hmac_sha256("v0=", Encoding::Hex)],
    content: &[Part::Literal("v0:"), Part::Timestamp, Part::Literal(":"), Part::Body],
    time: Some(Time {
        source: TimeSource::Header(&["x-statsig-request-timestamp"]),
        per_second: 1_000,
        tolerance_s: 300,
    }),
    id: None,
    ..STANDARD_WEBHOOKS
};

/// Neither time nor id.
/// <https://docs.flagsmith.com/system-administration/webhooks>
static FLAGSMITH: Row = Row {
    name: "flagsmith",
    signature: SignatureHeader { names: &["x-flagsmith-signature"], separator: None },
    kinds: &[hmac_sha256("", Encoding::Hex)],
    content: &[Part::Body],
    time: None,
    id: None,
    ..STANDARD_WEBHOOKS
};

/// Retries unless it is answered 200, and no other success.
/// <https://docs.growthbook.io/app/webhooks/event-webhooks>
static GROWTHBOOK_EVENT: Row = Row {
    name: "growthbook-event",
    signature: SignatureHeader { names: &["x-growthbook-signature"], separator: None },
    accepted: StatusCode::OK,
    ..FLAGSMITH
};

const fn hmac_sha256(prefix: &'static str, encoding: Encoding) -> Kind {
    Kind { key: KeyEncoding::Utf8, algorithm: Algorithm::HmacSha256, prefix, encoding }
}

type Lines<'a> = &'a [(&'static str, &'a str)];

fn source(row: &'static Row, secret: &str) -> Source {
    let scheme = Scheme::of(row);
    let secret = Secret::parse(scheme, secret).expect("a good secret");
    Source::new("config", scheme, vec![secret]).expect("a good source")
}

fn verify(source: &Source, lines: Lines<'_>, body: &str, now_ms: i64) -> Result<Verified, VerifyError> {
    let line = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header value"))
    };
    let headers: HeaderMap = lines.iter().map(line).collect();
    let now = Timestamp::from_millisecond(now_ms).expect("a time of our age");
    source.verify(&headers, body.to_owned().into(), now)
}

const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY: &str = r#"{"type":"config.updated","timestamp":"2026-05-28T20:26:40.000Z","data":{"key":"checkout.timeout_ms","value":2500,"note":"naïve ✓"}}"#;
const SVIX_SIGNATURE: &str = "v1,vIoDHN5HAdslYB/dhe4MaD7WND0wEcEqSPM7SNn/fIg=";

/// The delivery is one of npm svix 2.5.0.
#[test]
fn of_two_names_for_a_header_the_first_that_is_there_counts() {
    let source = source(&SVIX, WHSEC);
    let check = |names: [&'static str; 3], other: Lines<'_>, expected: Option<VerifyError>| {
        let values = ["msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", "1780000000", SVIX_SIGNATURE];
        let lines: Vec<_> = names.into_iter().zip(values).chain(other.iter().copied()).collect();
        let outcome = verify(&source, &lines, BODY, 1_780_000_000_000);
        assert_eq!(outcome.err(), expected, "{lines:?}");
    };
    let svix = ["svix-id", "svix-timestamp", "svix-signature"];
    let webhook = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    check(svix, &[], None);
    check(webhook, &[], None);
    check(svix, &[("webhook-signature", "v1,AAAA"), ("webhook-timestamp", "1")], None);
    check(webhook, &[("svix-signature", "v1,AAAA")], Some(VerifyError::NoSignature));
    check(webhook, &[("svix-timestamp", "1780000001")], Some(VerifyError::WrongSignature));
    check(["svix-id", "svix-timestamp", "x-none"], &[], Some(VerifyError::MissingHeader("svix-signature")));
    check(svix, &[("svix-id", "other")], Some(VerifyError::RepeatedHeader("svix-id")));
}

const CONFIGCAT_SECRET: &str = "configcat_whsk_VN3juirnVh5pNvCKd81RYRYchxUX4j3NykbZG2fAy88=";
const CONFIGCAT_ID: &str = "b616ca659d154a5fb907dd8475792eeb";
const CONFIGCAT_SIGNATURE: &str = "Ks3cYsu9Lslfo+hVxNC3oQWnsF9e5d73TI5t94D9DRA=";
const CONFIGCAT_NOW_MS: i64 = 1_669_629_035_000;

fn configcat(id: &str, timestamp: &str, list: &str, body: &str) -> Result<Verified, VerifyError> {
    let names = CONFIGCAT.signature.names;
    let lines =
        [("x-configcat-webhook-id", id), ("x-configcat-webhook-timestamp", timestamp), (names[0], list)];
    verify(&source(&CONFIGCAT, CONFIGCAT_SECRET), &lines, body, CONFIGCAT_NOW_MS)
}

/// The delivery is the example of ConfigCat's page.
#[test]
fn where_nothing_ends_an_id_its_length_does() {
    let good =
        configcat(CONFIGCAT_ID, "1669629035", CONFIGCAT_SIGNATURE, "examplebody").expect("it verifies");
    assert_eq!(good.id(), CONFIGCAT_ID);

    // The same bytes are signed, split elsewhere.
    let check = |id: &str, timestamp: &str, body: &str, told: &str| {
        let refused = configcat(id, timestamp, CONFIGCAT_SIGNATURE, body).expect_err("another delivery");
        assert_eq!(refused.to_string(), told, "{id} {timestamp} {body}");
    };
    let rule = "a delivery's id must be 32 visible ASCII characters";
    check("b616ca659d154a5fb907dd8475792ee", "b1669629035", "examplebody", rule);
    check(&format!("{CONFIGCAT_ID}1"), "669629035", "examplebody", rule);
    check(
        CONFIGCAT_ID,
        "166962903",
        "5examplebody",
        "it was signed 1502666132 s ago, which is not fresh: a replay, or a clock that is off",
    );

    let source = source(&CONFIGCAT, CONFIGCAT_SECRET);
    let signed = source.sign("too-short", Timestamp::UNIX_EPOCH, b"").expect_err("no delivery");
    assert_eq!(signed.to_string(), rule);
}

#[test]
fn the_items_of_a_list_may_have_spaces_around_them() {
    let zero = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for list in [format!("{zero},{CONFIGCAT_SIGNATURE}"), format!("{zero} , {CONFIGCAT_SIGNATURE}")] {
        let outcome = configcat(CONFIGCAT_ID, "1669629035", &list, "examplebody");
        assert!(outcome.is_ok(), "{list}: {outcome:?}");
    }
}

/// The delivery follows Statsig's page.
#[test]
fn a_time_may_count_milliseconds() {
    let body = r#"{"data":[{"user":{"name":"Joe","email":"joe@example.com"},"timestamp":1780000000000,"eventName":"statsig::config_change","metadata":{"type":"Gate","name":"test","action":"updated"}}]}"#;
    let lines = [
        ("x-statsig-request-timestamp", "1780000000000"),
        ("x-statsig-signature", "v0=b658633e60f06a370b950cf6fb7aba8d1f4c1282fa79a896933a7fc25b0277bd"),
    ];
    let source = source(&STATSIG, "shared-secret-0123456789");
    let check = |now_ms: i64, expected: Option<VerifyError>| {
        let outcome = verify(&source, &lines, body, now_ms);
        assert_eq!(outcome.err(), expected, "{now_ms}");
    };
    check(1_780_000_000_000, None);
    check(1_780_000_300_000, None);
    check(1_779_999_700_000, None);
    check(1_780_000_300_001, Some(VerifyError::NotFresh { age_s: 300 }));
    check(1_779_999_699_999, Some(VerifyError::NotFresh { age_s: -300 }));

    let now = Timestamp::from_millisecond(1_780_000_000_000).expect("a time of our age");
    let signed = source.sign("unused", now, body.as_bytes()).expect("it can be signed");
    let signed: Vec<_> =
        signed.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default())).collect();
    assert_eq!(signed, lines);
}

/// The secret and the body are those of Flagsmith's own test.
#[test]
fn a_delivery_of_a_scheme_without_ids_gets_one_of_ours() {
    let source = source(&FLAGSMITH, "random_key");
    let signature = "e8af67a174c950742e45136491466739cf74a634c608fda0fd487732c2a8204f";
    let lines = [("x-flagsmith-signature", signature), ("webhook-id", "not theirs")];
    let verified = verify(&source, &lines, r#"{"key": "value"}"#, 0).expect("it verifies");
    assert!(verified.id().len() == 36 && verified.id().as_bytes()[14] == b'7', "{verified:?}");
}

/// The delivery was signed as GrowthBook's server does, in npm's node:crypto.
#[test]
fn a_delivery_says_which_status_is_success_to_its_sender() {
    let accepted = |source: &Source, lines: Lines<'_>, now_ms: i64| {
        verify(source, lines, BODY, now_ms).expect("it verifies").scheme().accepted()
    };
    let signature = "8548bce69f6f7e94b69a904c83811ff718bbaf4010bf0c68dedb3eb41442e7c1";
    let growthbook = source(&GROWTHBOOK_EVENT, "shared-secret-0123456789");
    assert_eq!(accepted(&growthbook, &[("x-growthbook-signature", signature)], 0), StatusCode::OK);
    let svix = [
        ("svix-id", "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"),
        ("svix-timestamp", "1780000000"),
        ("svix-signature", SVIX_SIGNATURE),
    ];
    assert_eq!(accepted(&source(&SVIX, WHSEC), &svix, 1_780_000_000_000), StatusCode::ACCEPTED);
}
