//! What can be wrong with the definition of a scheme.

use crate::json::BadPointer;

/// A fault of a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("`{key}` has no name in it: give the header's")]
    NoHeader { key: &'static str },
    #[error("`{key}` names `{name}`, which no header can be called: use letters, digits and `-`")]
    BadHeader { key: &'static str, name: String },
    #[error("`content` has `{placeholder}`, and knows only {{id}}, {{timestamp}} and {{body}}")]
    Placeholder { placeholder: String },
    #[error("`content` has {{{part}}} twice: once is enough")]
    Twice { part: &'static str },
    #[error(
        "`content` does not end with {{body}}, and nothing else says where a body ends: the same signature would hold \
         for another delivery"
    )]
    BodyNotLast,
    #[error(
        "`content` has nothing behind {{id}} that ends it, so that the same signature would hold for another id: \
         put a text there, or set `id.length` if the sender's ids are all of one length"
    )]
    OpenId,
    #[error("`content` has {{{part}}}, and no header says what it is: set `{part}`")]
    NoSource { part: &'static str },
    #[error(
        "`content` has {{{part}}}, which is in the body: it is signed with the body, remove it from `content`"
    )]
    InBody { part: &'static str },
    #[error(
        "`timestamp` is not in `content`, so anybody could set it: remove it, or sign it with {{timestamp}}"
    )]
    UnsignedTime,
    #[error("`{key}` is to be in one place: set one of {places}")]
    Places { key: &'static str, places: &'static str },
    #[error(
        "`{key}` names a header that `header` names too, which holds what must not be shown: name one of its own"
    )]
    SharedHeader { key: &'static str },
    #[error("`{key}`: {bad}")]
    Pointer { key: &'static str, bad: BadPointer },
    #[error("`id.length` must be a number from 1 to {most}")]
    Length { most: usize },
    #[error("`separator` is `{0}`, which may stand in a signature: use a space, a comma or a semicolon")]
    Separator(char),
    #[error(
        "`{key}` is `{text}`, which cannot stand there: use visible ASCII characters, without `separator`"
    )]
    Mark { key: &'static str, text: String },
    #[error("`timestamp.item` needs `separator`, which divides the signature's header")]
    NotDivided,
    #[error("`timestamp.item` begins what `prefix` begins too: no item could be told from the other")]
    SameMark,
    #[error("a token signs nothing: remove `{key}`")]
    Token { key: &'static str },
    #[error("`algorithm` \"by-key\" has marks and spellings of its own: remove `{key}`")]
    ByKey { key: &'static str },
    #[error("an Ed25519 key is no text: set `key` to \"base64\", \"hex\" or \"standard\"")]
    TextKey,
    #[error("`encoding` is missing: say how signatures are written, \"hex\", \"base64\" or \"base64url\"")]
    NoEncoding,
}
