//! The types of JSON values.

use serde::Deserialize;

/// A type that a value must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// A string.
    String,
    /// A number without fraction or exponent.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An object.
    Object,
    /// An array.
    Array,
}

impl Type {
    /// Whether a JSON text is of this type.
    pub(super) fn fits(self, json: &str) -> bool {
        let begins = |with: &[char]| json.starts_with(with);
        let is_number = || json.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        match self {
            Self::String => begins(&['"']),
            Self::Integer => is_number() && !json.contains(['.', 'e', 'E']),
            Self::Number => is_number(),
            Self::Boolean => begins(&['t', 'f']),
            Self::Object => begins(&['{']),
            Self::Array => begins(&['[']),
        }
    }

    /// The type in words.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "`true` or `false`",
            Self::Object => "an object",
            Self::Array => "an array",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Type;

    #[test]
    fn a_value_is_of_its_type_and_a_whole_number_is_a_number_too() {
        const ALL: [Type; 6] =
            [Type::String, Type::Integer, Type::Number, Type::Boolean, Type::Object, Type::Array];
        let check = |json: &str, expected: &[Type]| {
            let fitting: Vec<_> = ALL.into_iter().filter(|kind| kind.fits(json)).collect();
            assert_eq!(fitting, expected, "{json}");
        };
        check(r#""5""#, &[Type::String]);
        check("5", &[Type::Integer, Type::Number]);
        check("-12345678901234567890123", &[Type::Integer, Type::Number]);
        check("5.0", &[Type::Number]);
        check("5e0", &[Type::Number]);
        check("-5E3", &[Type::Number]);
        check("true", &[Type::Boolean]);
        check("false", &[Type::Boolean]);
        check("{}", &[Type::Object]);
        check("[1]", &[Type::Array]);
        check("null", &[]);
    }
}
