//! Certificates: read from files and read again when they change, made, and shown.
//!
//! [`acceptor`] is a server's TLS for clients that show no certificate, which is what the API has. [`Mutual`] is TLS
//! where both sides show one of the same authority, with the [`Role`] of whoever has it: what links have.
//! [`Authority`] makes such certificates, and [`About`] says what one holds. This crate opens no connection and holds
//! nobody to a role: who may do what is decided where the call comes in.

mod about;
mod issue;
mod mutual;
mod pair;
mod role;
mod trust;
mod watch;

use std::{path::Path, sync::Arc};

use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::pem,
};
pub use tokio_rustls::{TlsAcceptor, TlsConnector, client, rustls::pki_types, server};

pub use about::{About, Unreadable};
pub use issue::{Authority, DAYS_MAX, IssueError, Made, Wanted};
pub use mutual::{Files, Mutual, why};
pub use role::Role;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read, or is no PEM of what it should be.
    #[error("{file}: {cause}")]
    File {
        /// Its path.
        file: String,
        /// What was met.
        cause: pem::Error,
    },
    /// The key is of no use, or not that of the certificate.
    #[error("certificate and key: {0}")]
    Pair(rustls::Error),
    /// A certificate of an authority that is none.
    #[error("{file}: {cause}")]
    Authority {
        /// Its path.
        file: String,
        /// What was met.
        cause: rustls::Error,
    },
    /// A link's certificate that says not whose it is.
    #[error("{file}: {cause}; `argus pki issue` makes one with a role")]
    Role {
        /// Its path.
        file: String,
        /// What was met.
        cause: role::NoRole,
    },
    /// The library refuses what it is set up with.
    #[error("TLS: {0}")]
    Setup(String),
}

/// Takes connections with the certificate chain and the key of these PEM files.
///
/// # Errors
/// Where the files are not what they should be now. A later change that cannot be read is told in the log, and what was
/// read before stays in use.
pub fn acceptor(certificates: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let pair = pair::Pair::open(certificates, key, None)?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|cause| TlsError::Setup(cause.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(pair));
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
