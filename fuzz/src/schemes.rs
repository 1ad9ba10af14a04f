//! What the senders' own pages say of a delivery, written down without the knobs of a table. Where those pages are
//! stands beside each scheme in `src/source/presets.toml`.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use flowhook::source::{DELIVERY_ID_MAX_BYTES, Scheme};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::json;
use super::signatures::Request;

/// More signatures of the scheme's kind than this are refused.
const SIGNATURES_MAX: usize = 8;
const TOLERANCE_S: i64 = 300;
/// The schemes that sign the id.
const STANDARD: [&str; 4] = ["standard-webhooks", "svix", "gitlab", "growthbook-sdk"];

/// Whether the request is a delivery, signed by one of `keys`; nothing for a scheme that is not written down here.
pub fn verifies(scheme: &Scheme, keys: &[&str], request: &Request, now_s: i64) -> Option<bool> {
    let sent = Sent { scheme, keys, request, now_s };
    let holds = match scheme.name() {
        "standard-webhooks" | "gitlab" | "growthbook-sdk" => sent.standard(&["webhook-"]),
        "svix" => sent.standard(&["svix-", "webhook-"]),
        "github" => sent.hex(&["x-hub-signature-256"], "sha256="),
        "gitea" => sent.hex(&["x-gitea-signature", "x-forgejo-signature"], ""),
        "forgejo" => sent.hex(&["x-forgejo-signature", "x-gitea-signature"], ""),
        "bitbucket" => sent.hex(&["x-hub-signature"], "sha256="),
        "launchdarkly" => sent.hex(&["x-ld-signature"], ""),
        "flagsmith" => sent.hex(&["x-flagsmith-signature"], ""),
        "growthbook-event" => sent.hex(&["x-growthbook-signature"], ""),
        "doppler" => sent.hex(&["x-doppler-signature"], "sha256="),
        "terraform-cloud" => sent.hex(&["x-tfe-notification-signature"], ""),
        "terraform-run-task" => sent.hex(&["x-tfc-task-signature"], ""),
        "vercel" => sent.hex(&["x-vercel-signature"], ""),
        "optimizely" => sent.hex(&["x-hub-signature"], "sha1="),
        "shopify" => sent.shopify(),
        "stripe" => sent.items("stripe-signature", hex::encode, 1),
        "sanity" => {
            let base64url = |mac: Vec<u8>| BASE64_URL_SAFE_NO_PAD.encode(mac);
            sent.items("sanity-webhook-signature", base64url, 1_000)
        }
        "slack" => sent.v0("x-slack-signature", "x-slack-request-timestamp", 1),
        "statsig" => sent.v0("x-statsig-signature", "x-statsig-request-timestamp", 1_000),
        "configcat" => sent.configcat(),
        "infisical" => sent.infisical(),
        "gitlab-token" => sent.token("x-gitlab-token", ""),
        "unleash" => sent.token("authorization", ""),
        "strapi" | "posthog" | "directus" | "event-grid" => sent.token("authorization", ""),
        "cloudevents" => sent.token("authorization", "Bearer "),
        _ => return None,
    };
    Some(holds)
}

/// The key that a secret's text stands for, empty where it stands for none; nothing for one that is not written down
/// here.
pub fn key(scheme: &Scheme, text: &str) -> Option<Vec<u8>> {
    let is_decoded = ["standard-webhooks", "svix", "gitlab"].contains(&scheme.name());
    if is_decoded {
        let text = text.trim();
        if text.starts_with("whpk_") || text.starts_with("whsk_") {
            return None;
        }
        let encoded = text.strip_prefix("whsec_").unwrap_or(text);
        return Some(BASE64_STANDARD.decode(encoded).unwrap_or_default());
    }
    let is_unseen = |c: char| c.is_whitespace() || c.is_control() || "\u{feff}\u{200b}".contains(c);
    let is_whole = !text.starts_with(is_unseen) && !text.ends_with(is_unseen);
    let fits = is_whole && (!scheme.is_token() || text.bytes().all(|b| (b' '..=b'~').contains(&b)));
    Some(if fits { text.into() } else { Vec::new() })
}

/// Whether the signature covers the id.
pub fn signs_id(scheme: &Scheme) -> bool {
    STANDARD.contains(&scheme.name()) || scheme.name() == "configcat"
}

/// Whether the id may name a delivery.
pub fn is_id(scheme: &Scheme, id: &str) -> bool {
    let is_graphic = id.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    let is_split = STANDARD.contains(&scheme.name()) && id.contains('.');
    let fits = if scheme.name() == "configcat" {
        id.len() == 32
    } else {
        (1..=DELIVERY_ID_MAX_BYTES).contains(&id.len())
    };
    is_graphic && !is_split && fits
}

/// A request, and what it is held to.
struct Sent<'r> {
    scheme: &'r Scheme,
    keys: &'r [&'r str],
    request: &'r Request,
    now_s: i64,
}

impl Sent<'_> {
    /// The value of the first of these headers that is there, if it is there once and is ASCII text.
    fn line(&self, names: &[&str]) -> Option<&str> {
        let headers = &self.request.headers;
        let name = names.iter().find(|name| headers.iter().any(|(other, _)| other == **name))?;
        let mut lines = headers.iter().filter(|(other, _)| other == *name).map(|(_, value)| value);
        let (Some(line), None) = (lines.next(), lines.next()) else { return None };
        let is_text = line.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        str::from_utf8(line).ok().filter(|_| is_text)
    }

    /// Whether one of the secrets makes one of these signatures of the content, and they are not too many.
    fn signed(&self, content: &[u8], signatures: &[&str], text: impl Fn(Vec<u8>) -> String) -> bool {
        let mac = |secret: &&str| {
            let key = key(self.scheme, secret).expect("the secrets are written down");
            text(match self.scheme.name() {
                "vercel" | "optimizely" => hmac_sha1(&key, content),
                "terraform-cloud" | "terraform-run-task" => hmac_sha512(&key, content),
                _ => hmac_sha256(&key, content),
            })
        };
        let expected: Vec<String> = self.keys.iter().map(mac).collect();
        let matches = signatures.iter().any(|signature| expected.iter().any(|mac| mac == signature));
        matches && signatures.len() <= SIGNATURES_MAX
    }

    fn is_fresh(&self, time: &str, per_second: i64) -> bool {
        let digits = time.bytes().all(|byte| byte.is_ascii_digit()) && (1..=16).contains(&time.len());
        let signed: Option<i64> = time.parse().ok().filter(|_| digits && !time.starts_with('0'));
        signed.is_some_and(|signed| (self.now_s * per_second - signed).abs() <= TOLERANCE_S * per_second)
    }

    /// The body's one member of that name.
    fn member(&self, name: &str) -> Option<(String, json::Value)> {
        let text = str::from_utf8(&self.request.body).ok()?;
        let value = json::read(text).ok()?;
        let found = value.all(name);
        let [one] = found[..] else { return None };
        Some((text.to_owned(), one.clone()))
    }

    fn standard(&self, families: &[&str]) -> bool {
        let line = |what: &str| {
            let names: Vec<String> = families.iter().map(|family| format!("{family}{what}")).collect();
            self.line(&names.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let (Some(id), Some(time), Some(list)) = (line("id"), line("timestamp"), line("signature")) else {
            return false;
        };
        let signatures: Vec<&str> = list.split(' ').filter_map(|item| item.strip_prefix("v1,")).collect();
        // The other kind of signatures, with which none of the secrets has to do.
        let others =
            list.split(' ').filter(|item| self.scheme.name() != "growthbook-sdk" && item.starts_with("v1a,"));
        let content = [id.as_bytes(), b".", time.as_bytes(), b".", &self.request.body].concat();
        self.signed(&content, &signatures, |mac| BASE64_STANDARD.encode(mac))
            && signatures.len() + others.count() <= SIGNATURES_MAX
            && is_id(self.scheme, id)
            && self.is_fresh(time, 1)
    }

    fn hex(&self, names: &[&str], mark: &str) -> bool {
        let signature = self.line(names).and_then(|line| line.strip_prefix(mark));
        signature.is_some_and(|signature| {
            self.signed(&self.request.body, &[&signature.to_ascii_lowercase()], hex::encode)
        })
    }

    fn shopify(&self) -> bool {
        let signature = self.line(&["x-shopify-hmac-sha256"]);
        signature.is_some_and(|signature| {
            self.signed(&self.request.body, &[signature], |mac| BASE64_STANDARD.encode(mac))
        })
    }

    /// Time and signatures in one header.
    fn items(&self, name: &str, text: impl Fn(Vec<u8>) -> String, per_second: i64) -> bool {
        let Some(line) = self.line(&[name]) else { return false };
        let items: Vec<&str> = line.split(',').map(|item| item.trim_matches(' ')).collect();
        let marked = |mark: &str| items.iter().filter_map(|item| item.strip_prefix(mark)).collect::<Vec<_>>();
        let [time] = marked("t=")[..] else { return false };
        let lower: Vec<String> = marked("v1=").into_iter().map(|mac| self.cased(mac)).collect();
        let content = [time.as_bytes(), b".", &self.request.body].concat();
        let signatures: Vec<&str> = lower.iter().map(String::as_str).collect();
        self.signed(&content, &signatures, text) && self.is_fresh(time, per_second)
    }

    /// Hex is read in either case; base64 is not hex.
    fn cased(&self, signature: &str) -> String {
        if self.scheme.name() == "stripe" { signature.to_ascii_lowercase() } else { signature.to_owned() }
    }

    fn v0(&self, name: &str, time: &str, per_second: i64) -> bool {
        let signature = self.line(&[name]).and_then(|line| line.strip_prefix("v0="));
        let (Some(signature), Some(time)) = (signature, self.line(&[time])) else { return false };
        let content = [b"v0:", time.as_bytes(), b":", &self.request.body].concat();
        self.signed(&content, &[&signature.to_ascii_lowercase()], hex::encode)
            && self.is_fresh(time, per_second)
    }

    fn configcat(&self) -> bool {
        let names = ["id", "timestamp", "signature-v1"].map(|what| format!("x-configcat-webhook-{what}"));
        let [id, time, list] = names.each_ref().map(|name| self.line(&[name]));
        let (Some(id), Some(time), Some(list)) = (id, time, list) else { return false };
        let signatures: Vec<&str> = list.split(',').map(|item| item.trim_matches(' ')).collect();
        let content = [id.as_bytes(), time.as_bytes(), &self.request.body].concat();
        self.signed(&content, &signatures, |mac| BASE64_STANDARD.encode(mac))
            && is_id(self.scheme, id)
            && self.is_fresh(time, 1)
    }

    fn infisical(&self) -> bool {
        let Some(line) = self.line(&["x-infisical-signature"]) else { return false };
        let items: Vec<String> =
            line.split(';').map(|item| item.trim_matches(' ').to_ascii_lowercase()).collect();
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        let time = self.member("timestamp").map(|(text, value)| value.raw(&text).to_owned());
        self.signed(&self.request.body, &items, hex::encode)
            && time.is_some_and(|time| self.is_fresh(&time, 1_000))
    }

    fn token(&self, name: &str, mark: &str) -> bool {
        let token = self.line(&[name]).and_then(|line| line.strip_prefix(mark));
        token.is_some_and(|token| self.keys.contains(&token))
    }
}

fn hmac_sha1(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.chain_update(content).finalize().into_bytes().to_vec()
}

fn hmac_sha256(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.chain_update(content).finalize().into_bytes().to_vec()
}

fn hmac_sha512(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.chain_update(content).finalize().into_bytes().to_vec()
}
