//! What people say of themselves, as they send it.

use argus_domain::Address;
use serde_json::Value;

use crate::{
    create::Faults,
    errors::ApiError,
    json::{self, scalar_text},
};

/// Longest e-mail address (RFC 5321, section 4.5.3.1.3, with the later erratum).
const EMAIL_MAX: usize = 254;

/// Whether mail may be sent there, as far as the form tells.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let labels = || domain.split('.');
    text.len() <= EMAIL_MAX
        && (1..=64).contains(&local.len())
        && local.bytes().all(|b| b.is_ascii_graphic() && !b"@<>()[],;:\\\"".contains(&b))
        && labels().count() > 1
        && labels().all(|label| !label.is_empty() && label.bytes().all(is_word))
}

/// The e-mail address under `email_id`; an empty one takes back what was said before.
pub fn email(body: &Value, faults: &mut Faults) -> Option<String> {
    let text = match body.get("email_id") {
        None | Some(Value::Null) => return None,
        Some(value) => value.as_str().map(str::trim),
    };
    let email = text.filter(|text| text.is_empty() || is_email(text));
    if email.is_none() {
        faults.add("email_id", "EMAIL", "email_id is an e-mail address like name@example.com, or empty");
    }
    email.map(str::to_owned)
}

/// An address that must be there.
pub fn address(body: &Value, name: &str, faults: &mut Faults) -> Option<Address> {
    let address = body.get(name).and_then(Value::as_str).and_then(json::address);
    if address.is_none() {
        faults.add(name, "ADDRESS", format!("{name} is 0x and 40 hexadecimal digits"));
    }
    address
}

/// A keeper's name.
pub fn keeper_name(body: &Value, faults: &mut Faults) -> Option<String> {
    let name = body.get("keeper_name").and_then(Value::as_str).map(str::trim);
    let is_name =
        |name: &&str| (3..=50).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    let name = name.filter(is_name);
    if name.is_none() {
        faults.add("keeper_name", "LENGTH", "keeper_name has 3 to 50 characters");
    }
    name.map(str::to_owned)
}

/// A chat's number; those of groups are negative.
pub fn chat(body: &Value) -> Result<i64, ApiError> {
    let chat = body.get("chat_id").and_then(scalar_text).and_then(|text| text.parse().ok());
    chat.ok_or_else(|| {
        let mut faults = Faults::default();
        faults.add("chat_id", "TYPE", "chat_id is a whole number");
        faults.into_error()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_mail_by_their_form() {
        for (text, good) in [
            ("a@b.example", true),
            ("first.last+tag@mail.example.com", true),
            ("a@b", false),
            ("a@b..example", false),
            ("a@.example", false),
            ("@b.example", false),
            ("a b@c.example", false),
            ("a@b@c.example", false),
            ("a@b.example\r\nBcc: c@d.example", false),
            ("<a>@b.example", false),
            ("nobody", false),
        ] {
            assert_eq!(is_email(text), good, "{text}");
        }
        assert!(!is_email(&format!("{}@b.example", "a".repeat(65))));
        assert!(!is_email(&format!("a@{}.example", "b".repeat(250))));
    }
}
