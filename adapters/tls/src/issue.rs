//! An authority, and the certificates that it makes.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType,
};
use secrecy::{ExposeSecret, SecretString};
use tokio_rustls::rustls::pki_types::ServerName;
use x509_parser::pem::parse_x509_pem;

use crate::Role;

/// Longest time for which a certificate is made: that of an authority, ten years.
pub const DAYS_MAX: u32 = 3650;
/// Clocks of machines differ: what is made now is valid on one that is behind by this much.
const SKEW: Duration = Duration::from_secs(3600);
/// Longest name (RFC 5280, ub-common-name).
const NAME_MAX: usize = 64;

/// Why a certificate is not made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// What was given for the authority.
    #[error("the authority's certificate and key: {0}")]
    Authority(&'static str),
    /// A name that no certificate has.
    #[error("{0:?} is no name: give 1 to {NAME_MAX} characters, none of which is a control character")]
    Name(String),
    /// A host that no server's name is.
    #[error("{0:?} is no host: give a DNS name or an address, without port or scheme")]
    Host(String),
    /// A keeper takes no calls.
    #[error("a keeper's certificate names no host: keepers dial out, and nobody connects to them")]
    KeeperWithHost,
    /// A time that cannot be had.
    #[error(
        "{0} days are no time for a certificate: give 1 to {1}, which is as long as its authority is valid"
    )]
    Days(u32, u64),
    /// Making it failed.
    #[error("the certificate cannot be made: {0}")]
    Made(#[from] rcgen::Error),
}

/// A certificate and its key, PEM.
#[derive(Debug)]
pub struct Made {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: SecretString,
}

/// What is asked of an authority.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Whose it is.
    pub role: Role,
    /// Which one of them, for people.
    pub name: String,
    /// Names and addresses under which it is connected to.
    pub hosts: Vec<String>,
    /// How long it is valid.
    pub days: u32,
}

/// Who makes certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    until: SystemTime,
}

impl Authority {
    /// A new one, valid for [`DAYS_MAX`].
    ///
    /// # Errors
    /// [`IssueError::Name`], and where the system gives no randomness.
    pub fn make(name: &str, now: SystemTime) -> Result<Made, IssueError> {
        let mut params = params(name, DAYS_MAX, now)?;
        // It makes certificates of those who use them, and no further authorities.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Made { certificate, key: key.serialize_pem().into() })
    }

    /// The one of this certificate and key.
    ///
    /// # Errors
    /// [`IssueError::Authority`] where they are none, or do not belong together.
    pub fn open(certificate: &str, key: &SecretString) -> Result<Self, IssueError> {
        let no_certificate = IssueError::Authority("the one cannot be read");
        let key = KeyPair::from_pem(key.expose_secret())
            .map_err(|_| IssueError::Authority("the other cannot be read"))?;
        let Ok((_, pem)) = parse_x509_pem(certificate.as_bytes()) else { return Err(no_certificate) };
        let Ok(parsed) = pem.parse_x509() else { return Err(no_certificate) };
        if !parsed.is_ca() {
            return Err(IssueError::Authority("the certificate is no authority's"));
        }
        if parsed.public_key().subject_public_key.data.as_ref() != key.der_bytes() {
            return Err(IssueError::Authority("they do not belong together"));
        }
        let until = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or_default();
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(until);
        Ok(Self { issuer: Issuer::from_ca_cert_pem(certificate, key)?, until })
    }

    /// Makes a certificate.
    ///
    /// # Errors
    /// Where something else is asked for than it can make.
    pub fn issue(&self, wanted: &Wanted, now: SystemTime) -> Result<Made, IssueError> {
        let left = self.until.duration_since(now).unwrap_or_default().as_secs() / SECS_PER_DAY;
        if wanted.days == 0 || u64::from(wanted.days) > left {
            return Err(IssueError::Days(wanted.days, left));
        }
        if wanted.role == Role::Keeper && !wanted.hosts.is_empty() {
            return Err(IssueError::KeeperWithHost);
        }
        let mut params = params(&wanted.name, wanted.days, now)?;
        params.subject_alt_names = vec![SanType::URI(wanted.role.uri().try_into()?)];
        for host in &wanted.hosts {
            params.subject_alt_names.push(host_name(host)?);
        }
        params.use_authority_key_identifier_extension = true;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Services call each other; keepers only call.
        params.extended_key_usages = match wanted.role {
            Role::Service => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            Role::Keeper => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Made { certificate, key: key.serialize_pem().into() })
    }
}

const SECS_PER_DAY: u64 = 24 * 60 * 60;

fn params(name: &str, days: u32, now: SystemTime) -> Result<CertificateParams, IssueError> {
    if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        return Err(IssueError::Name(name.to_owned()));
    }
    let mut params = CertificateParams::default();
    params.not_before = (now - SKEW).into();
    params.not_after = (now + Duration::from_secs(u64::from(days) * SECS_PER_DAY)).into();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

fn host_name(host: &str) -> Result<SanType, IssueError> {
    let no_host = || IssueError::Host(host.to_owned());
    match ServerName::try_from(host).map_err(|_| no_host())? {
        ServerName::IpAddress(address) => Ok(SanType::IpAddress(std::net::IpAddr::from(address))),
        ServerName::DnsName(name) => Ok(SanType::DnsName(name.as_ref().try_into()?)),
        _ => Err(no_host()),
    }
}
