//! What a certificate says.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use x509_parser::{
    extensions::GeneralName,
    pem::Pem,
    prelude::{FromDer, X509Certificate},
};

use crate::Role;

/// A certificate, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Whose it is.
    pub subject: String,
    /// Who made it.
    pub issuer: String,
    /// What its holder may be taken for; `None`: for nothing on a link.
    pub role: Option<Role>,
    /// Whether it is an authority's.
    pub is_authority: bool,
    /// Names and addresses under which its holder is connected to, and other names.
    pub names: Vec<String>,
    /// First second at which it is valid, since 1970.
    pub valid_from: u64,
    /// Last second at which it is valid, since 1970.
    pub valid_until: u64,
    /// SHA-256 of it, in hexadecimal digits.
    pub fingerprint: String,
}

/// Why a file says nothing of certificates.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// There is none.
    #[error("there is no certificate in it: give a PEM file with BEGIN CERTIFICATE")]
    Nothing,
    /// One that is broken.
    #[error("certificate {0} in it cannot be read")]
    Broken(usize),
}

impl About {
    /// All certificates in a PEM text, in their order.
    ///
    /// # Errors
    /// [`Unreadable`] where there is none, or one is broken.
    pub fn read(pem: &[u8]) -> Result<Vec<Self>, Unreadable> {
        let mut found = Vec::new();
        for block in Pem::iter_from_buffer(pem) {
            let broken = Unreadable::Broken(found.len() + 1);
            let Ok(block) = block else { return Err(broken) };
            if block.label == "CERTIFICATE" {
                let Ok((_, parsed)) = X509Certificate::from_der(&block.contents) else { return Err(broken) };
                found.push(Self::of(&parsed, &block.contents));
            }
        }
        if found.is_empty() { Err(Unreadable::Nothing) } else { Ok(found) }
    }

    fn of(parsed: &X509Certificate<'_>, der: &[u8]) -> Self {
        let names = parsed.subject_alternative_name().ok().flatten();
        let names = names.iter().flat_map(|names| &names.value.general_names);
        let seconds = |at: x509_parser::time::ASN1Time| u64::try_from(at.timestamp()).unwrap_or_default();
        Self {
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            role: Role::of_parsed(parsed).ok(),
            is_authority: parsed.is_ca(),
            names: names.map(name).collect(),
            valid_from: seconds(parsed.validity().not_before),
            valid_until: seconds(parsed.validity().not_after),
            fingerprint: hex::encode(Sha256::digest(der)),
        }
    }
}

fn name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(text) | GeneralName::URI(text) | GeneralName::RFC822Name(text) => {
            (*text).to_owned()
        }
        GeneralName::IPAddress(bytes) => {
            address(bytes).map_or_else(|| hex::encode(bytes), |ip| ip.to_string())
        }
        other => other.to_string(),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
