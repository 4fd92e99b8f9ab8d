//! TLS where the operator gives a certificate: read from files, and read again once they have changed.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(5);

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
    Pair(#[from] rustls::Error),
}

/// Takes connections with the certificate chain and the key of these PEM files.
///
/// # Errors
/// Where the files are not what they should be now. A later change that cannot be read is told in the log, and what was
/// read before stays in use.
pub fn acceptor(certificates: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let files = Files { certificates: certificates.to_owned(), key: key.to_owned() };
    let seen = files.written()?;
    let held = Held { pair: files.read()?, seen, next_look: Instant::now() + LOOK };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Certificates { files, held: Mutex::new(held) }));
    Ok(TlsAcceptor::from(Arc::new(config)))
}

struct Files {
    certificates: PathBuf,
    key: PathBuf,
}

impl Files {
    fn written(&self) -> Result<[SystemTime; 2], TlsError> {
        let of = |file: &Path| {
            let modified = std::fs::metadata(file).and_then(|about| about.modified());
            modified.map_err(|cause| in_file(file)(pem::Error::Io(cause)))
        };
        Ok([of(&self.certificates)?, of(&self.key)?])
    }

    fn read(&self) -> Result<Arc<CertifiedKey>, TlsError> {
        let chain = CertificateDer::pem_file_iter(&self.certificates)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(in_file(&self.certificates))?;
        if chain.is_empty() {
            return Err(in_file(&self.certificates)(pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(in_file(&self.key))?;
        let pair = CertifiedKey::new(chain, aws_lc_rs::sign::any_supported_type(&key)?);
        pair.keys_match()?;
        Ok(Arc::new(pair))
    }
}

fn in_file(file: &Path) -> impl FnOnce(pem::Error) -> TlsError {
    let file = file.display().to_string();
    |cause| TlsError::File { file, cause }
}

struct Held {
    pair: Arc<CertifiedKey>,
    seen: [SystemTime; 2],
    next_look: Instant,
}

struct Certificates {
    files: Files,
    held: Mutex<Held>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("of", &self.files.certificates).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if Instant::now() >= held.next_look {
            held.next_look = Instant::now() + LOOK;
            let written = self.files.written().unwrap_or(held.seen);
            if written != held.seen {
                match self.files.read() {
                    Ok(pair) => {
                        tracing::info!("the certificate of the API was read anew");
                        (held.pair, held.seen) = (pair, written);
                    }
                    // One file may be newer than the other for a moment: the next look finds both.
                    Err(cause) => tracing::warn!(%cause, "the API keeps its certificate"),
                }
            }
        }
        Some(held.pair.clone())
    }
}
