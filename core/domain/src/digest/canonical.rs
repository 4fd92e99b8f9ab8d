//! Canonical bytes of a value: short, quick to write, and never read again.
//!
//! Each part begins with one byte that says what it is; numbers are sixteen bytes, texts and bytes have their length
//! in front, and what holds others ends with [`END`], which begins nothing. Fields are told apart by their place and
//! variants by their name.

use std::fmt::Display;

use serde::{
    Serialize,
    ser::{
        self, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

const NONE: u8 = 0;
const SOME: u8 = 1;
const FALSE: u8 = 2;
const TRUE: u8 = 3;
const UNSIGNED: u8 = 4;
const SIGNED: u8 = 5;
const TEXT: u8 = 6;
const BYTES: u8 = 7;
const UNIT: u8 = 8;
const VARIANT: u8 = 9;
const LIST: u8 = 10;
const MAP: u8 = 11;
const RECORD: u8 = 12;
const ABSENT: u8 = 13;
const END: u8 = 14;

/// The canonical bytes of a value.
pub(super) fn bytes<T: Serialize>(value: &T) -> Vec<u8> {
    // Most values are of about this size.
    let mut out = Writer(Vec::with_capacity(1024));
    // Only a floating point number is refused, and the domain has none; what was written up to it would still be
    // bound to its tag.
    let _ = value.serialize(&mut out);
    out.0
}

/// What has no canonical bytes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotCanonical(String);

impl ser::Error for NotCanonical {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Done = Result<(), NotCanonical>;

struct Writer(Vec<u8>);

impl Writer {
    fn sized(&mut self, what: u8, bytes: &[u8]) -> Done {
        self.0.push(what);
        self.0.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn one(&mut self, what: u8) -> Done {
        self.0.push(what);
        Ok(())
    }

    fn open(&mut self, what: u8) -> Result<&mut Self, NotCanonical> {
        self.0.push(what);
        Ok(self)
    }

    fn variant(&mut self, name: &str) -> Result<&mut Self, NotCanonical> {
        self.sized(VARIANT, name.as_bytes())?;
        Ok(self)
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty as $wide:ty, $tag:ident);+ $(;)?) => {
        $(fn $method(self, n: $type) -> Done {
            self.0.push($tag);
            self.0.extend_from_slice(&<$wide>::from(n).to_be_bytes());
            Ok(())
        })+
    };
}

impl ser::Serializer for &mut Writer {
    type Ok = ();
    type Error = NotCanonical;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn is_human_readable(&self) -> bool {
        false
    }

    integers! {
        serialize_u8: u8 as u128, UNSIGNED;
        serialize_u16: u16 as u128, UNSIGNED;
        serialize_u32: u32 as u128, UNSIGNED;
        serialize_u64: u64 as u128, UNSIGNED;
        serialize_u128: u128 as u128, UNSIGNED;
        serialize_i8: i8 as i128, SIGNED;
        serialize_i16: i16 as i128, SIGNED;
        serialize_i32: i32 as i128, SIGNED;
        serialize_i64: i64 as i128, SIGNED;
        serialize_i128: i128 as i128, SIGNED;
    }

    fn serialize_bool(self, is: bool) -> Done {
        self.one(if is { TRUE } else { FALSE })
    }

    #[expect(clippy::disallowed_types, reason = "serde asks for it, and it is refused")]
    fn serialize_f32(self, _: f32) -> Done {
        Err(ser::Error::custom("a floating point number"))
    }

    #[expect(clippy::disallowed_types, reason = "serde asks for it, and it is refused")]
    fn serialize_f64(self, _: f64) -> Done {
        Err(ser::Error::custom("a floating point number"))
    }

    fn serialize_char(self, c: char) -> Done {
        self.serialize_str(c.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Done {
        self.sized(TEXT, text.as_bytes())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Done {
        self.sized(BYTES, bytes)
    }

    fn serialize_none(self) -> Done {
        self.one(NONE)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        self.0.push(SOME);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        self.one(UNIT)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        self.one(UNIT)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Done {
        self.variant(name)?.one(UNIT)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Done {
        value.serialize(self.variant(name)?)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, NotCanonical> {
        self.open(LIST)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, NotCanonical> {
        self.open(LIST)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, NotCanonical> {
        self.open(LIST)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Self, NotCanonical> {
        self.variant(name)?.open(LIST)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, NotCanonical> {
        self.open(MAP)
    }

    // Not a list: serde_json writes a number as a structure with its text, beside lists of texts.
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, NotCanonical> {
        self.open(RECORD)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Self, NotCanonical> {
        self.variant(name)?.open(LIST)
    }
}

macro_rules! lists {
    ($($trait:ident: $method:ident);+ $(;)?) => {
        $(impl $trait for &mut Writer {
            type Ok = ();
            type Error = NotCanonical;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                value.serialize(&mut **self)
            }

            fn end(self) -> Done {
                self.one(END)
            }
        })+
    };
}

lists! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

macro_rules! records {
    ($($trait:ident),+) => {
        $(impl $trait for &mut Writer {
            type Ok = ();
            type Error = NotCanonical;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Done {
                value.serialize(&mut **self)
            }

            fn skip_field(&mut self, _: &'static str) -> Done {
                self.one(ABSENT)
            }

            fn end(self) -> Done {
                self.one(END)
            }
        })+
    };
}

records!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for &mut Writer {
    type Ok = ();
    type Error = NotCanonical;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(&mut **self)
    }

    fn end(self) -> Done {
        self.one(END)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use alloy_primitives::{Address, B256};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Serialize)]
    enum Kind {
        Bare,
        One(u8),
        Two(u8, u8),
        Named { a: Option<u8> },
    }

    #[test]
    fn values_that_look_alike_have_bytes_of_their_own() {
        let alike = [
            bytes(&json!(null)),
            bytes(&json!([])),
            bytes(&json!([null])),
            bytes(&json!([[]])),
            bytes(&json!({})),
            bytes(&json!(5)),
            bytes(&json!("5")),
            bytes(&json!(5.0)),
            bytes(&json!(["5"])),
            bytes(&json!([["5"], []])),
            bytes(&json!([["5", []]])),
            bytes(&json!({"5": null})),
            bytes(&json!(["5", null])),
            bytes(&json!("")),
            bytes(&json!(["", ""])),
            bytes(&json!([""])),
            bytes(&Kind::Bare),
            bytes(&Kind::One(5)),
            bytes(&Kind::Two(5, 5)),
            bytes(&Kind::Named { a: None }),
            bytes(&Kind::Named { a: Some(5) }),
            bytes(&("Bare", 5u8)),
            bytes(&5u8),
            bytes(&5i8),
            bytes(&Some(5u8)),
            bytes(&None::<u8>),
            bytes(&true),
            bytes(&B256::with_last_byte(5)),
            bytes(&Address::with_last_byte(5)),
        ];
        assert_eq!(alike.iter().collect::<BTreeSet<_>>().len(), alike.len());
    }

    #[test]
    fn hashes_are_written_as_bytes() {
        assert_eq!(bytes(&B256::ZERO).len(), 1 + 8 + 32);
        assert_eq!(bytes(&5u8), bytes(&5u64), "the width of a field says nothing");
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a0]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::vec(("[ab]", inner), 0..3)
                    .prop_map(|pairs| { Value::Object(pairs.into_iter().collect()) }),
            ]
        })
    }

    proptest! {
        #[test]
        fn equal_bytes_mean_equal_values(a in json_value(), b in json_value()) {
            // As written: the order of an object's members counts.
            let (written, other) = (a.to_string(), b.to_string());
            prop_assert_eq!(written == other, bytes(&a) == bytes(&b));
        }
    }
}
