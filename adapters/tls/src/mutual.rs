//! TLS where both sides show a certificate.

use std::{
    error::Error,
    io::{self, ErrorKind},
    path::PathBuf,
    sync::Arc,
};

use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        self, AlertDescription, CertificateError, ClientConfig, ServerConfig, client::Resumption,
        server::NoServerSessionStorage, version::TLS13,
    },
};

use crate::{
    Role, TlsError,
    pair::{Pair, role_in},
    provider,
    trust::Trust,
};

/// What is spoken inside: HTTP/2 (RFC 9113, section 3.1).
const INSIDE: &[u8] = b"h2";

/// Where a link's certificates lie, PEM.
#[derive(Debug, Clone)]
pub struct Files {
    /// The authorities whose certificates are taken.
    pub authorities: PathBuf,
    /// The own certificate, with those in between.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Both sides of a link, of files that are read again once they have changed: connections that begin afterwards have
/// what is new, and those that are there go on. TLS 1.3 alone, since both ends are ours, and no session is resumed: a
/// resumed one would not be held to authorities that have changed since.
#[derive(Debug, Clone)]
pub struct Mutual {
    role: Role,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Mutual {
    /// Of these files.
    ///
    /// # Errors
    /// Where they are not what they should be now. A later change that cannot be read is told in the log, and what was
    /// read before stays in use.
    pub fn open(files: &Files) -> Result<Self, TlsError> {
        let role = role_in(&files.certificate)?;
        let pair = Arc::new(Pair::open(&files.certificate, &files.key, Some(role))?);
        let trust = Arc::new(Trust::open(&files.authorities)?);
        let refused = |cause: rustls::Error| TlsError::Setup(cause.to_string());
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(refused)?
            .with_client_cert_verifier(trust.clone())
            .with_cert_resolver(pair.clone());
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.alpn_protocols = vec![INSIDE.to_vec()];
        let mut client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(refused)?
            .dangerous()
            .with_custom_certificate_verifier(trust)
            .with_client_cert_resolver(pair);
        client.resumption = Resumption::disabled();
        client.alpn_protocols = vec![INSIDE.to_vec()];
        Ok(Self { role, server: Arc::new(server), client: Arc::new(client) })
    }

    /// What the own certificate makes its holder.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Takes connections of those with a certificate, and with a role.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.server.clone())
    }

    /// Connects to services.
    pub fn connector(&self) -> TlsConnector {
        TlsConnector::from(self.client.clone())
    }
}

/// What an operator has to know of a handshake that failed, on the side that connects.
pub fn why(cause: &io::Error) -> String {
    match cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => {
            let why = match alert {
                AlertDescription::CertificateRequired => "there is none",
                AlertDescription::CertificateExpired => "it has expired, or is not valid yet",
                AlertDescription::UnknownCA | AlertDescription::DecryptError => "another authority made it",
                AlertDescription::AccessDenied => "it has no role",
                _ => return format!("the other side ended the handshake: {alert:?}"),
            };
            format!("the other side refuses the certificate that it is shown: {why}")
        }
        Some(rustls::Error::InvalidCertificate(cause)) => {
            let why = match cause {
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    "an authority made it that ca_file does not hold".to_owned()
                }
                CertificateError::Other(other) => other.0.to_string(),
                cause => cause.to_string(),
            };
            format!("the certificate of the other side is refused: {why}")
        }
        Some(rustls::Error::InvalidMessage(_)) => "the other side speaks no TLS".to_owned(),
        Some(cause) => cause.to_string(),
        None if cause.kind() == ErrorKind::UnexpectedEof => {
            "the other side ended the handshake without a word: it may be one that speaks no TLS".to_owned()
        }
        None => match cause.source() {
            Some(source) => format!("{cause}: {source}"),
            None => cause.to_string(),
        },
    }
}
