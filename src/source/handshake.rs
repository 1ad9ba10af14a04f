//! What some senders ask before they deliver anything, and what they are to be told.
//!
//! Only a source whose scheme names a handshake answers it. Two come unsigned, since whoever asks has not been told
//! a secret yet: of those only the one text is read that is to be sent back, nothing is kept, and what is sent back
//! is a plain word, so that nobody can have us say what a browser or a log would take for more.

use hyper::HeaderMap;
use serde::Deserialize;

use super::{Source, Verified};

/// The longest body of a handshake that comes unsigned: 64 KiB.
pub const HANDSHAKE_BYTES: usize = 64 * 1_024;
/// The longest word that is sent back.
const WORD_MAX_BYTES: usize = 256;

/// What a sender asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Handshake {
    /// Nothing.
    #[default]
    None,
    /// A signed request with a `challenge`. <https://docs.slack.dev/reference/events/url_verification/>
    Slack,
    /// An unsigned request with a `verification_code`. <https://docs.statsig.com/integrations/event_webhook>
    Statsig,
    /// A request with a `validationCode`.
    /// <https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema>
    Eventgrid,
    /// `OPTIONS`. <https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md>
    Cloudevents,
}

/// What a sender is told who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeReply {
    /// An object with one member.
    Word {
        /// The member's name.
        member: &'static str,
        /// Its value, as it was asked.
        word: String,
    },
    /// That it may deliver.
    Allowed {
        /// How it may.
        methods: String,
        /// Who may.
        origin: String,
        /// How many deliveries a minute, if it asked: as many as it wants, since what is too much is told when it
        /// comes.
        rate: Option<String>,
    },
}

impl Source {
    /// What to say to a request with this method that is no delivery's, if it is a handshake.
    pub fn handshake_by_method(&self, method: &hyper::Method, headers: &HeaderMap) -> Option<HandshakeReply> {
        if self.handshake() != Handshake::Cloudevents || method != hyper::Method::OPTIONS {
            return None;
        }
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
        let origin = text("webhook-request-origin").filter(|origin| is_word(origin))?;
        let asked = headers.contains_key("webhook-request-rate");
        let rate = text("webhook-request-rate").filter(|rate| is_word(rate));
        let rate = asked.then(|| rate.unwrap_or_else(|| "*".to_owned()));
        Some(HandshakeReply::Allowed { methods: self.terms.allow(), origin, rate })
    }

    /// Whether a request that nobody has verified may be a handshake, by its headers.
    pub fn may_be_handshake(&self, headers: &HeaderMap) -> bool {
        match self.handshake() {
            Handshake::Statsig => !self.scheme.row().signature.names.is_in(headers),
            Handshake::Eventgrid => {
                headers.get("aeg-event-type").is_some_and(|kind| kind == "SubscriptionValidation")
            }
            Handshake::None | Handshake::Slack | Handshake::Cloudevents => false,
        }
    }

    /// What to say to the body of a request that [may be a handshake](Self::may_be_handshake), if it is one.
    pub fn unsigned_handshake(&self, body: &[u8]) -> Option<HandshakeReply> {
        if body.len() > HANDSHAKE_BYTES {
            return None;
        }
        match self.handshake() {
            Handshake::Statsig => statsig(body),
            Handshake::Eventgrid => eventgrid(body),
            Handshake::None | Handshake::Slack | Handshake::Cloudevents => None,
        }
    }

    /// What to say to a delivery, if it is a handshake.
    pub fn signed_handshake(&self, verified: &Verified) -> Option<HandshakeReply> {
        match self.handshake() {
            Handshake::Slack => slack(verified.body()),
            Handshake::Statsig => statsig(verified.body()),
            Handshake::None | Handshake::Eventgrid | Handshake::Cloudevents => None,
        }
    }

    fn handshake(&self) -> Handshake {
        self.scheme.row().handshake
    }
}

fn slack(body: &[u8]) -> Option<HandshakeReply> {
    #[derive(Deserialize)]
    struct Asked {
        r#type: String,
        challenge: String,
    }
    let asked: Asked = serde_json::from_slice(body).ok()?;
    (asked.r#type == "url_verification").then(|| word("challenge", asked.challenge)).flatten()
}

fn statsig(body: &[u8]) -> Option<HandshakeReply> {
    #[derive(Deserialize)]
    struct Asked {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        event: String,
        verification_code: String,
    }
    let Asked { data } = serde_json::from_slice(body).ok()?;
    (data.event == "url_verification").then(|| word("verification_code", data.verification_code)).flatten()
}

fn eventgrid(body: &[u8]) -> Option<HandshakeReply> {
    #[derive(Deserialize)]
    struct Event {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "validationCode")]
        code: String,
    }
    let [event]: [Event; 1] = serde_json::from_slice(body).ok()?;
    word("validationResponse", event.data.code)
}

fn word(member: &'static str, word: String) -> Option<HandshakeReply> {
    is_word(&word).then_some(HandshakeReply::Word { member, word })
}

fn is_word(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-');
    (1..=WORD_MAX_BYTES).contains(&text.len()) && text.bytes().all(plain)
}
