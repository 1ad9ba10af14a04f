//! Merge patches (RFC 7396): what a patch says, read once, and what becomes of several of them.
//!
//! A patch is an object. A member of it that is `null` takes a member away, an object is merged into what is there,
//! and anything else takes its place.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};

use super::cursor::{Cursor, NotJson, Span};
use super::spelling::{decoded, spelt};
use crate::change::shorten;

/// How deep the objects of a patch may lie in each other: reading one costs stack.
const DEPTH_MAX: usize = 64;
/// The member that no patch may name: variables are merged and replaced in their own ways.
const VARIABLES: &str = "variables";

/// A merge patch for the `configuration` of a node.
#[derive(Clone, Debug)]
pub struct Patch<'p>(Members<'p>);

/// Members to change, each name once, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Members<'p>(pub(super) Vec<(Cow<'p, str>, Part<'p>)>);

/// What becomes of one member.
#[derive(Clone, Debug)]
pub(super) enum Part<'p> {
    /// It is taken away.
    Remove,
    /// It gets this value.
    Put(&'p str),
    /// It becomes an object, if it is none, and these members of it change.
    Merge(Members<'p>),
}

/// What of a patch stands that others follow.
#[derive(Clone, Debug)]
pub struct StandingPatch<'p> {
    /// What of it is not overwritten.
    pub patch: Patch<'p>,
    /// Whether all of that only clears places into which later ones merge: no value of it is left at the end.
    pub only_clears: bool,
}

/// What is no merge patch that could be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPatch {
    /// Its text is no JSON object.
    #[error("a merge patch must be an object")]
    NotAnObject,
    /// It names the variables.
    #[error("a merge patch cannot change `variables`: set them with the mode `merge` or `replace`")]
    Variables,
    /// A member is there twice.
    #[error("the merge patch has a member `{}` twice", shorten(.0))]
    Twice(String),
    /// A name has half of a surrogate pair.
    #[error("a name in the merge patch is not valid Unicode")]
    NotText,
    /// Too many objects lie in each other.
    #[error("the merge patch is more than {DEPTH_MAX} objects deep")]
    Deep,
}

impl<'p> Patch<'p> {
    /// Reads a patch.
    ///
    /// # Errors
    /// [`BadPatch`].
    pub fn read(text: &'p str) -> Result<Self, BadPatch> {
        let mut cursor = Cursor::new(text);
        if cursor.peek() != Some(b'{') {
            return Err(BadPatch::NotAnObject);
        }
        let members = Members::read(&mut cursor, text, 1)?;
        if members.0.iter().any(|(name, _)| name == VARIABLES) {
            return Err(BadPatch::Variables);
        }
        Ok(Self(members))
    }

    /// One that puts members back: with a value as it was, or by taking them away. Each is to be named once.
    pub fn putting(members: &[(&'p str, Option<&'p str>)]) -> Self {
        let part = |value: Option<&'p str>| value.map_or(Part::Remove, Part::Put);
        Self(Members(members.iter().map(|(name, value)| (Cow::Borrowed(*name), part(*value))).collect()))
    }

    pub(super) fn members(&self) -> &Members<'p> {
        &self.0
    }

    /// The names of the members of the configuration that it is about.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.0.iter().map(|(name, _)| &**name)
    }

    /// Of patches that are carried out one after the other, what of each is not overwritten by a later one. Nothing
    /// of one of which nothing stands.
    pub fn standing(patches: &[Self]) -> Vec<Option<StandingPatch<'p>>> {
        let mut cover = HashMap::new();
        let mut standing = Vec::with_capacity(patches.len());
        for patch in patches.iter().rev() {
            let mut only_clears = !patch.0.0.is_empty();
            let left = patch.0.uncovered(&cover, &mut only_clears);
            let stands = patch.0.0.is_empty() || !left.0.is_empty();
            standing.push(stands.then_some(StandingPatch { patch: Self(left), only_clears }));
            patch.0.cover(&mut cover);
        }
        standing.reverse();
        standing
    }

    /// The patch that asks for what these ask for, one after the other.
    pub fn all(patches: impl IntoIterator<Item = Self>) -> Self {
        let mut gathered = Gathered::default();
        patches.into_iter().for_each(|patch| gathered.add(patch.0));
        Self(gathered.members())
    }

    /// It in pieces that are about one member each, with the names of these.
    pub fn pieces(&self) -> impl Iterator<Item = (&str, Self)> {
        self.0.0.iter().map(|(name, part)| {
            let piece = Self(Members(vec![(name.clone(), part.clone())]));
            (&**name, piece)
        })
    }

    /// Of each member the name, whether it is merged into what is there, and of what it puts in the hashes of the paths
    /// and the bytes.
    pub fn sizes(&self) -> impl Iterator<Item = (&str, bool, Vec<(u64, usize)>)> {
        self.0.0.iter().map(|(name, part)| {
            let mut sizes = Vec::new();
            part.sizes(below(0, name), 0, &mut sizes);
            (&**name, matches!(part, Part::Merge(_)), sizes)
        })
    }

    /// Its text.
    pub fn text(&self) -> String {
        self.0.text(true)
    }
}

/// What later patches say of a path.
enum Cover<'p> {
    /// All of it.
    Whole,
    /// These members.
    Within(Covers<'p>),
}

type Covers<'p> = HashMap<Cow<'p, str>, Cover<'p>>;

/// What patches ask for of one object, each member found at once.
#[derive(Default)]
struct Gathered<'p> {
    parts: Vec<(Cow<'p, str>, Gathering<'p>)>,
    places: HashMap<Cow<'p, str>, usize>,
}

/// What they ask for of one member.
enum Gathering<'p> {
    /// The word of the last of them.
    Last(Part<'p>),
    /// What those ask for together that merge into it.
    Merge(Gathered<'p>),
}

impl<'p> Gathered<'p> {
    fn add(&mut self, later: Members<'p>) {
        for (name, part) in later.0 {
            let place = *self.places.entry(name.clone()).or_insert(self.parts.len());
            match (self.parts.get_mut(place), part) {
                (Some((_, Gathering::Merge(before))), Part::Merge(later)) => before.add(later),
                (Some((_, before)), later) => *before = Gathering::of(later),
                (None, first) => self.parts.push((name, Gathering::of(first))),
            }
        }
    }

    fn members(self) -> Members<'p> {
        let part = |gathering| match gathering {
            Gathering::Last(part) => part,
            Gathering::Merge(gathered) => Part::Merge(gathered.members()),
        };
        Members(self.parts.into_iter().map(|(name, gathering)| (name, part(gathering))).collect())
    }
}

impl<'p> Gathering<'p> {
    fn of(part: Part<'p>) -> Self {
        match part {
            Part::Merge(members) => {
                let mut gathered = Gathered::default();
                gathered.add(members);
                Self::Merge(gathered)
            }
            Part::Remove | Part::Put(_) => Self::Last(part),
        }
    }
}

impl<'p> Members<'p> {
    fn read(cursor: &mut Cursor<'p>, text: &'p str, depth: usize) -> Result<Self, BadPatch> {
        if depth > DEPTH_MAX {
            return Err(BadPatch::Deep);
        }
        let mut members: Vec<(Cow<'p, str>, Part<'p>)> = Vec::new();
        let mut places = HashMap::new();
        let mut bad = None;
        let read = cursor.object(|cursor, key| {
            let part = if cursor.peek() == Some(b'{') {
                match Self::read(cursor, text, depth + 1) {
                    Ok(members) => Part::Merge(members),
                    Err(error) => {
                        bad = Some(error);
                        return Err(NotJson);
                    }
                }
            } else {
                let value: Span = cursor.value()?;
                if &text[value.clone()] == "null" { Part::Remove } else { Part::Put(&text[value]) }
            };
            let Some(name) = decoded(key) else {
                bad = Some(BadPatch::NotText);
                return Err(NotJson);
            };
            if places.insert(name.clone(), ()).is_some() {
                bad = Some(BadPatch::Twice(name.into_owned()));
                return Err(NotJson);
            }
            members.push((name, part));
            Ok(())
        });
        match (read, bad) {
            (_, Some(bad)) => Err(bad),
            (Err(NotJson), None) => Err(BadPatch::NotAnObject),
            (Ok(_), None) => Ok(Self(members)),
        }
    }

    /// What of it no later patch overwrites. `only_clears` becomes false if no later one merges into some of that.
    fn uncovered(&self, cover: &Covers<'p>, only_clears: &mut bool) -> Self {
        let left = |(name, part): &(Cow<'p, str>, Part<'p>)| {
            let part = match (cover.get(name), part) {
                (None, part) => {
                    *only_clears = false;
                    Some(part.clone())
                }
                (Some(Cover::Whole), _) => None,
                (Some(Cover::Within(cover)), Part::Merge(members)) => {
                    let left = members.uncovered(cover, only_clears);
                    (!left.0.is_empty()).then_some(Part::Merge(left))
                }
                // What is merged into it later finds nothing of what was there.
                (Some(Cover::Within(_)), part @ (Part::Remove | Part::Put(_))) => Some(part.clone()),
            };
            part.map(|part| (name.clone(), part))
        };
        Self(self.0.iter().filter_map(left).collect())
    }

    fn cover(&self, cover: &mut Covers<'p>) {
        for (name, part) in &self.0 {
            match (part, cover.get_mut(name)) {
                (_, Some(Cover::Whole)) => {}
                (Part::Merge(members), Some(Cover::Within(within))) => members.cover(within),
                (Part::Merge(members), None) => {
                    let mut within = HashMap::new();
                    members.cover(&mut within);
                    cover.insert(name.clone(), Cover::Within(within));
                }
                (Part::Remove | Part::Put(_), Some(Cover::Within(_)) | None) => {
                    cover.insert(name.clone(), Cover::Whole);
                }
            }
        }
    }

    /// As JSON: with a `null` for what is taken away, or as the object that it makes out of nothing.
    pub(super) fn text(&self, is_patch: bool) -> String {
        let member = |(name, part): &(Cow<'p, str>, Part<'p>)| {
            let value = part.text(is_patch)?;
            Some(format!("{}:{value}", spelt(name)))
        };
        format!("{{{}}}", self.0.iter().filter_map(member).collect::<Vec<_>>().join(","))
    }
}

/// The hash of a path that goes one name further. Whole paths would take each name as often as there are leaves below it.
fn below(path: u64, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(path);
    hasher.write(name.as_bytes());
    hasher.finish()
}

impl Part<'_> {
    /// Adds the hashes of the paths in it to `sizes`, each with the bytes of what it puts there. To it leads `path`, which
    /// ends in a name of so many bytes.
    fn sizes(&self, path: u64, name_bytes: usize, sizes: &mut Vec<(u64, usize)>) {
        match self {
            Self::Remove => {}
            Self::Put(value) => sizes.push((path, name_bytes + value.len())),
            Self::Merge(members) => {
                for (name, part) in &members.0 {
                    part.sizes(below(path, name), name.len(), sizes);
                }
            }
        }
    }

    /// As JSON, if it leaves anything; see [`Members::text`].
    pub(super) fn text(&self, is_patch: bool) -> Option<String> {
        match self {
            Self::Remove => is_patch.then(|| "null".to_owned()),
            Self::Put(value) => Some((*value).to_owned()),
            Self::Merge(members) => Some(members.text(is_patch)),
        }
    }
}
