//! Fields of one job, in any form that clients send: numbers as strings, strings as numbers, absent as null.

use argus_domain::{Address, decimal::Decimal, ids::ChainId};
use serde_json::{Map, Value};

use crate::{create::Faults, json};

/// Fields of one object and where it stands in the request.
pub struct Fields<'a> {
    map: &'a Map<String, Value>,
    prefix: &'a str,
}

impl<'a> Fields<'a> {
    /// Fields of an object at this path.
    pub fn new(map: &'a Map<String, Value>, prefix: &'a str) -> Self {
        Self { map, prefix }
    }

    /// The JSON path of a field.
    pub fn path(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }

    /// A field; null is absent.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// A text; absent is empty, a number is its digits.
    pub fn text(&self, name: &str, faults: &mut Faults) -> String {
        match self.get(name) {
            None => String::new(),
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(n)) => n.to_string(),
            Some(_) => {
                faults.add(self.path(name), "TYPE", format!("{name} is a text"));
                String::new()
            }
        }
    }

    /// A text as it is; absent: `None`.
    pub fn verbatim(&self, name: &str, faults: &mut Faults) -> Option<&'a str> {
        let value = self.get(name)?;
        if !value.is_string() {
            faults.add(self.path(name), "TYPE", format!("{name} is a text"));
        }
        value.as_str()
    }

    /// The first text that is not empty, of those that a field and its other name hold.
    pub fn text_of(&self, names: [&str; 2], faults: &mut Faults) -> String {
        let [first, other] = names.map(|name| self.text(name, faults));
        if first.is_empty() { other } else { first }
    }

    /// A flag; absent is `default`.
    pub fn flag(&self, name: &str, default: bool, faults: &mut Faults) -> bool {
        let Some(value) = self.get(name) else { return default };
        json::flag(value).unwrap_or_else(|| {
            faults.add(self.path(name), "TYPE", format!("{name} is true or false"));
            default
        })
    }

    /// A whole number within a range; absent: `None`.
    pub fn whole(&self, name: &str, range: (u64, u64), faults: &mut Faults) -> Option<u64> {
        let value = self.get(name).filter(|value| value.as_str() != Some(""))?;
        let found = json::whole(value).filter(|n| (range.0..=range.1).contains(n));
        if found.is_none() {
            let message = format!("{name} is a whole number from {} to {}", range.0, range.1);
            faults.add(self.path(name), "RANGE", message);
        }
        found
    }

    /// A decimal, exact; absent: `None`.
    pub fn decimal(&self, name: &str, faults: &mut Faults) -> Option<Decimal> {
        let value = self.get(name).filter(|value| value.as_str() != Some(""))?;
        let found = json::decimal(value);
        if found.is_none() {
            faults.add(self.path(name), "NUMBER", format!("{name} is a decimal number"));
        }
        found
    }

    /// Whose the job is to be, as far as it says so.
    pub fn owner(&self) -> Option<Address> {
        json::address(self.get("user_address")?.as_str()?)
    }

    /// An address that must be there.
    pub fn address(&self, name: &str, faults: &mut Faults) -> Option<Address> {
        let text = self.text(name, faults);
        let found = json::address(&text);
        if found.is_none() {
            faults.add(self.path(name), "ADDRESS", format!("{name} is 0x and 40 hexadecimal digits"));
        }
        found
    }

    /// A chain by its number, which must be there.
    pub fn chain(&self, name: &str, faults: &mut Faults) -> Option<ChainId> {
        let found = self.get(name).and_then(json::whole).map(ChainId);
        if found.is_none() {
            faults.add(self.path(name), "CHAIN", format!("{name} is the number of a chain"));
        }
        found
    }

    /// An array; absent: empty. Texts that hold a JSON array are read as that.
    pub fn array(&self, name: &str, max: usize, faults: &mut Faults) -> Vec<Value> {
        let found = match self.get(name) {
            None => return Vec::new(),
            Some(Value::Array(values)) => Some(values.clone()),
            Some(Value::String(text)) if text.trim().is_empty() => return Vec::new(),
            Some(Value::String(text)) => serde_json::from_str::<Vec<Value>>(text).ok(),
            Some(_) => None,
        };
        match found {
            Some(values) if values.len() <= max => values,
            Some(values) => {
                let message = format!("{name} has {} elements; at most {max}", values.len());
                faults.add(self.path(name), "TOO_MANY", message);
                Vec::new()
            }
            None => {
                faults.add(self.path(name), "TYPE", format!("{name} is an array"));
                Vec::new()
            }
        }
    }

    /// An object; absent: `None`.
    pub fn object(&self, name: &str, faults: &mut Faults) -> Option<&'a Map<String, Value>> {
        match self.get(name)? {
            Value::Object(map) => Some(map),
            _ => {
                faults.add(self.path(name), "TYPE", format!("{name} is an object"));
                None
            }
        }
    }
}
