//! What bodies say: the fields that a route reads, each with its form. Handlers see no other field of a body, so that
//! what is described and what is read are the same.

/// Whether a body is read, and what it says.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    /// It is left alone.
    None,
    /// It is taken, up to the configured size, and says nothing.
    Unread,
    /// JSON up to the configured size.
    Json(Form, &'static Object),
    /// JSON up to the size that the largest module has as base64.
    Module(&'static Object),
}

/// How many objects a body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One.
    One,
    /// One, or nothing at all.
    OneOrNone,
    /// One, by itself or alone in an array.
    OneOrWrapped,
    /// An array of them, as many as are configured.
    Many,
    /// One by itself, or an array of them. It is only tried: whatever is wrong with it is answered with 200.
    Tried,
}

/// An object and what it says.
#[derive(Debug)]
pub struct Object {
    /// Its name among the components.
    pub name: &'static str,
    /// Fields that are always read.
    pub fields: &'static [Field],
    /// Fields that are read where other fields have some values.
    pub cases: &'static [Case],
}

/// Fields that count where other ones have some values.
#[derive(Debug)]
pub struct Case {
    /// The other ones, each with its values as texts.
    pub when: &'static [(&'static str, &'static [&'static str])],
    /// Fields.
    pub fields: &'static [Field],
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What is taken for it. Of what is not needed, null is the same as absent.
    pub kind: Kind,
    /// Whether the route refuses to work without it.
    pub is_needed: bool,
    /// One line for people.
    pub summary: &'static str,
}

/// What is taken for a field.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A text of so many characters.
    Text(usize, usize),
    /// The same; a number is its digits.
    Loose(usize, usize),
    /// One of these words in any case; empty where it is not needed.
    Word(&'static [&'static str]),
    /// `true` or `false`, also as a text or a digit.
    Flag,
    /// A whole number from one to another, also as a text.
    Whole(u64, u64),
    /// A whole number of any sign, also as a text.
    Integer,
    /// A decimal number, also as a text.
    Decimal,
    /// Decimal digits, as a text or a number.
    Digits,
    /// 0x and 40 hexadecimal digits.
    Address,
    /// An array of at most so many, also as JSON text.
    List(usize, &'static Kind),
    /// A list of some of these.
    Some(&'static [&'static str]),
    /// JSON, also as text.
    Json,
    /// Any value.
    Any,
    /// An object.
    Object(&'static Object),
}

impl Object {
    /// All fields, also those that count in some cases only.
    pub fn all(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().chain(self.cases.iter().flat_map(|case| case.fields))
    }

    /// Whether a field of this name is read.
    pub fn knows(&self, name: &str) -> bool {
        self.all().any(|field| field.name == name)
    }
}

impl Body {
    /// The object that is read.
    pub fn object(&self) -> Option<&'static Object> {
        match self {
            Self::None | Self::Unread => None,
            Self::Json(_, object) | Self::Module(object) => Some(object),
        }
    }
}

/// A field that the route refuses to work without.
pub(super) const fn needs(name: &'static str, kind: Kind, summary: &'static str) -> Field {
    Field { name, kind, is_needed: true, summary }
}

/// A field that may be absent.
pub(super) const fn takes(name: &'static str, kind: Kind, summary: &'static str) -> Field {
    Field { name, kind, is_needed: false, summary }
}

/// An object whose fields are always read.
pub(super) const fn object(name: &'static str, fields: &'static [Field]) -> Object {
    Object { name, fields, cases: &[] }
}
