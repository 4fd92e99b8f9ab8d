//! Whose certificate it is, as a name in it says.

use std::fmt;

use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

/// What begins the name, which is a URI among the certificate's alternative names.
const SCHEME: &str = "argus://";

/// Who has a certificate. One has one role alone, so that a service is never taken for a keeper, nor the reverse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A process of the platform.
    Service,
    /// A keeper, which may be somebody else's.
    Keeper,
}

/// Why a certificate says not whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRole {
    /// No certificate that can be read.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// Without a name that says so.
    #[error("the certificate has no role")]
    None,
    /// With two, or one that is unknown.
    #[error("the certificate has several roles, or one that is unknown")]
    Unclear,
}

impl Role {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Keeper => "keeper",
        }
    }

    /// The name that says so in a certificate.
    pub fn uri(self) -> String {
        format!("{SCHEME}{}", self.name())
    }

    /// The role of whoever has this certificate.
    ///
    /// # Errors
    /// Where it has not exactly one.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, NoRole> {
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| NoRole::Unreadable)?;
        Self::of_parsed(&certificate)
    }

    pub(crate) fn of_parsed(certificate: &X509Certificate<'_>) -> Result<Self, NoRole> {
        let names = certificate.subject_alternative_name().map_err(|_| NoRole::Unreadable)?;
        let mut roles =
            names.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
                GeneralName::URI(uri) => uri.strip_prefix(SCHEME),
                _ => None,
            });
        match (roles.next(), roles.next()) {
            (None, _) => Err(NoRole::None),
            (Some("service"), None) => Ok(Self::Service),
            (Some("keeper"), None) => Ok(Self::Keeper),
            (Some(_), _) => Err(NoRole::Unclear),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
