//! Functions and events, as ABIs and signatures describe them.

use std::borrow::Cow;

use alloy_dyn_abi::DynSolType;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{ABI_BYTES_MAX, AbiError, TYPE_DEPTH_MAX, TYPE_WORDS_MAX};

/// A parameter: its type, and the names by which objects address it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name; may be empty.
    pub name: String,
    /// Its type. Never a custom struct.
    pub ty: DynSolType,
    /// Names of the members of the tuple at the heart of the type, themselves parameters; empty where they are not
    /// known or it is no tuple.
    pub members: Vec<Parameter>,
    /// Events only: whether it is a topic.
    pub indexed: bool,
}

impl Parameter {
    /// Its canonical type.
    pub fn canonical(&self) -> String {
        canonical(&self.ty)
    }
}

/// An entry of a JSON ABI, as far as it is read. Everything is optional: ABIs of the wild leave out what they like.
#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    inputs: Option<Vec<Input>>,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    name: Option<String>,
    #[serde(rename = "type")]
    ty: String,
    #[serde(default)]
    components: Option<Vec<Input>>,
    #[serde(default)]
    indexed: Option<bool>,
}

impl From<alloy_json_abi::Param> for Input {
    fn from(param: alloy_json_abi::Param) -> Self {
        Self {
            name: Some(param.name),
            ty: param.ty,
            components: Some(param.components.into_iter().map(Self::from).collect()),
            indexed: None,
        }
    }
}

/// A name and what comes with it.
type Named = (String, Vec<Parameter>);

/// The functions of one name. Entries of other names are not looked into, so that one exotic entry spoils nothing.
pub(crate) fn functions(abi: &str, name: &str) -> Result<Vec<Named>, AbiError> {
    named(abi, name, "function", function_of_signature)
}

/// The events of one name.
pub(crate) fn events(abi: &str, name: &str) -> Result<Vec<Named>, AbiError> {
    named(abi, name, "event", event_of_signature)
}

fn named(
    abi: &str,
    name: &str,
    kind: &str,
    read: fn(&str) -> Result<Named, AbiError>,
) -> Result<Vec<Named>, AbiError> {
    let mut found: Vec<Named> = Vec::new();
    for entry in entries(abi)? {
        let next = match Entry::of(entry.get())? {
            Entry::Signature(text) => {
                let text = text.trim();
                let head = text.split('(').next().unwrap_or("").trim();
                if head == name || head.strip_prefix(kind).is_some_and(|rest| rest.trim() == name) {
                    read(text)?
                } else {
                    continue;
                }
            }
            Entry::Described(head) => {
                // Without a type it is a function (the ABI specification's default).
                let told = text_of(head.kind).unwrap_or(Cow::Borrowed("function"));
                if told != kind || text_of(head.name).is_none_or(|told| told != name) {
                    continue;
                }
                let item: Item = serde_json::from_str(entry.get())
                    .map_err(|e| AbiError::BadAbi(format!("{kind} {name}: {e}")))?;
                let inputs = checked(item.inputs.unwrap_or_default())
                    .map_err(|reason| AbiError::BadAbi(format!("{kind} {name}: {reason}")))?;
                (name.to_owned(), inputs)
            }
        };
        // Some compilers list inherited entries twice.
        if !found.iter().any(|f| signature(&f.0, &f.1) == signature(&next.0, &next.1)) {
            found.push(next);
        }
    }
    Ok(found)
}

/// An entry of an ABI, read so far that it is known whether it is wanted.
enum Entry<'a> {
    Signature(Cow<'a, str>),
    Described(Head<'a>),
}

/// Of an ABI's object only these two are looked at before its name is known to be the one that is sought: most entries
/// of most ABIs are others.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
}

impl<'a> Entry<'a> {
    fn of(json: &'a str) -> Result<Self, AbiError> {
        if let Some(text) = text_of_json(json) {
            return Ok(Self::Signature(text));
        }
        if !json.starts_with('{') {
            return Err(AbiError::BadAbi("an entry is an object or a signature".to_owned()));
        }
        serde_json::from_str(json).map(Self::Described).map_err(|e| AbiError::BadAbi(e.to_string()))
    }
}

/// The text that a member is, if it is one.
fn text_of(member: Option<&RawValue>) -> Option<Cow<'_, str>> {
    text_of_json(member?.get())
}

fn text_of_json(json: &str) -> Option<Cow<'_, str>> {
    let without_escapes = json.strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains('\\'));
    match without_escapes {
        Some(text) => Some(Cow::Borrowed(text)),
        None => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}

/// The entries of an array, of a compiler's output that has one, or the one entry that there is.
fn entries(abi: &str) -> Result<Vec<&RawValue>, AbiError> {
    #[derive(Deserialize)]
    struct Output<'a> {
        #[serde(borrow)]
        abi: Option<&'a RawValue>,
    }

    if abi.len() > ABI_BYTES_MAX {
        return Err(AbiError::BadAbi(format!("it is longer than {ABI_BYTES_MAX} bytes")));
    }
    let abi = abi.trim();
    if abi.is_empty() {
        return Ok(Vec::new());
    }
    let refused = |e: serde_json::Error| AbiError::BadAbi(e.to_string());
    if !abi.starts_with('{') {
        return array(abi, "it is no JSON array").map(Option::unwrap_or_default);
    }
    let output: Output<'_> = serde_json::from_str(abi).map_err(refused)?;
    match output.abi {
        Some(own) => {
            let says = "its member `abi` is no array";
            array(own.get(), says)?.ok_or_else(|| AbiError::BadAbi(says.to_owned()))
        }
        None => Ok(vec![serde_json::from_str(abi).map_err(refused)?]),
    }
}

/// The elements of an array, which may be null; anything else is said to be none.
fn array<'a>(json: &'a str, otherwise: &str) -> Result<Option<Vec<&'a RawValue>>, AbiError> {
    serde_json::from_str(json)
        .map_err(|e| AbiError::BadAbi(if e.is_data() { otherwise.to_owned() } else { e.to_string() }))
}

fn parameters(inputs: Vec<Input>, depth: usize) -> Result<Vec<Parameter>, String> {
    if depth > TYPE_DEPTH_MAX {
        return Err(format!("types are nested more than {TYPE_DEPTH_MAX} deep"));
    }
    inputs
        .into_iter()
        .map(|input| {
            let (ty, members) = match input.ty.trim().strip_prefix("tuple") {
                Some(suffix) => {
                    let members = parameters(input.components.unwrap_or_default(), depth + 1)?;
                    let inner: Vec<String> = members.iter().map(Parameter::canonical).collect();
                    (parse_type(&format!("({}){suffix}", inner.join(",")))?, members)
                }
                None => (parse_type(&input.ty)?, Vec::new()),
            };
            Ok(Parameter {
                name: input.name.unwrap_or_default(),
                ty,
                members,
                indexed: input.indexed.unwrap_or(false),
            })
        })
        .collect()
}

/// A function's name and parameters from its full signature.
pub(crate) fn function_of_signature(text: &str) -> Result<Named, AbiError> {
    let refuse = |reason: String| AbiError::BadSignature { text: cut(text), reason };
    check_text(text).map_err(refuse)?;
    let function =
        alloy_json_abi::Function::parse(text.trim()).map_err(|e| refuse(one_line(&e.to_string())))?;
    let inputs = checked(function.inputs.into_iter().map(Input::from).collect()).map_err(refuse)?;
    Ok((function.name, inputs))
}

/// An event's name and parameters from its full signature.
pub(crate) fn event_of_signature(text: &str) -> Result<Named, AbiError> {
    let refuse = |reason: String| AbiError::BadSignature { text: cut(text), reason };
    check_text(text).map_err(refuse)?;
    let event = alloy_json_abi::Event::parse(text.trim()).map_err(|e| refuse(one_line(&e.to_string())))?;
    let inputs = event.inputs.into_iter().map(|p| Input {
        name: Some(p.name),
        ty: p.ty,
        components: Some(p.components.into_iter().map(Input::from).collect()),
        indexed: Some(p.indexed),
    });
    let inputs = checked(inputs.collect()).map_err(refuse)?;
    Ok((event.name, inputs))
}

fn checked(inputs: Vec<Input>) -> Result<Vec<Parameter>, String> {
    let inputs = parameters(inputs, 1)?;
    let words = inputs.iter().fold(0usize, |sum, p| sum.saturating_add(words(&p.ty)));
    if words > TYPE_WORDS_MAX {
        return Err(format!("its fixed arrays take more than {TYPE_WORDS_MAX} words"));
    }
    Ok(inputs)
}

/// Refuses what a recursive parser had better not see.
fn check_text(text: &str) -> Result<(), String> {
    if text.len() > 4096 {
        return Err("it is longer than 4096 bytes".to_owned());
    }
    if !text.contains('(') {
        return Err("its parameter types are missing, as in name(uint256,address)".to_owned());
    }
    Ok(())
}

fn parse_type(text: &str) -> Result<DynSolType, String> {
    let ty = DynSolType::parse(text.trim()).map_err(|_| format!("{:?} is no Solidity type", cut(text)))?;
    check_type(&ty, 1)?;
    Ok(ty)
}

fn check_type(ty: &DynSolType, depth: usize) -> Result<(), String> {
    if depth > TYPE_DEPTH_MAX {
        return Err(format!("types are nested more than {TYPE_DEPTH_MAX} deep"));
    }
    match ty {
        DynSolType::Array(inner) => check_type(inner, depth + 1),
        DynSolType::FixedArray(_, 0) => Err("an array of length 0 is no Solidity type".to_owned()),
        DynSolType::FixedArray(inner, _) => check_type(inner, depth + 1),
        DynSolType::Tuple(members) if members.is_empty() => {
            Err("a tuple without members is no Solidity type".to_owned())
        }
        DynSolType::Tuple(members) => members.iter().try_for_each(|m| check_type(m, depth + 1)),
        _ => Ok(()),
    }
}

fn words(ty: &DynSolType) -> usize {
    match ty {
        DynSolType::Array(inner) => words(inner),
        DynSolType::FixedArray(inner, length) => words(inner).saturating_mul(*length),
        DynSolType::Tuple(members) => members.iter().fold(0, |sum, m| sum.saturating_add(words(m))),
        _ => 1,
    }
}

/// `name(type,type)` with canonical types: what selectors and topics are the hash of.
pub(crate) fn signature(name: &str, inputs: &[Parameter]) -> String {
    let types: Vec<String> = inputs.iter().map(Parameter::canonical).collect();
    format!("{name}({})", types.join(","))
}

/// A type as signatures write it. alloy's own writer is not used because it writes `(uint256,)` for a tuple of one.
pub(crate) fn canonical(ty: &DynSolType) -> String {
    match ty {
        DynSolType::Array(inner) => format!("{}[]", canonical(inner)),
        DynSolType::FixedArray(inner, length) => format!("{}[{length}]", canonical(inner)),
        DynSolType::Tuple(members) => {
            format!("({})", members.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        other => other.sol_type_name().into_owned(),
    }
}

pub(crate) fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}

fn one_line(text: &str) -> String {
    cut(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}
