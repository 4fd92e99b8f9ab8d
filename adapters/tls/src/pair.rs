//! A certificate with its key, to show.

use std::{fmt, path::Path, sync::Arc};

use tokio_rustls::rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::aws_lc_rs,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{Role, TlsError, watch::Watched};

/// A certificate chain and its key, of two files.
pub(crate) struct Pair(Watched<CertifiedKey>);

impl Pair {
    /// Where there is a role, a certificate that has another one or none is refused, now and later.
    pub fn open(certificates: &Path, key: &Path, role: Option<Role>) -> Result<Self, TlsError> {
        let files = vec![certificates.to_owned(), key.to_owned()];
        let (certificates, key) = (certificates.to_owned(), key.to_owned());
        let read = move || {
            let pair = read(&certificates, &key)?;
            match role {
                Some(role) if role_of(&pair, &certificates)? != role => {
                    let said = format!("{} has no longer the role {role}", certificates.display());
                    Err(TlsError::Setup(said))
                }
                _ => Ok(pair),
            }
        };
        Watched::open(files, read).map(Self)
    }
}

/// The role that the certificate in this file has now.
pub(crate) fn role_in(certificates: &Path) -> Result<Role, TlsError> {
    let chain = chain(certificates)?;
    let first = chain.first().ok_or_else(|| empty(certificates))?;
    Role::of(first).map_err(|cause| TlsError::Role { file: certificates.display().to_string(), cause })
}

fn role_of(pair: &CertifiedKey, file: &Path) -> Result<Role, TlsError> {
    let own = pair.end_entity_cert().map_err(TlsError::Pair)?;
    Role::of(own).map_err(|cause| TlsError::Role { file: file.display().to_string(), cause })
}

fn read(certificates: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = chain(certificates)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(in_file(key))?;
    let key = aws_lc_rs::sign::any_supported_type(&key).map_err(TlsError::Pair)?;
    let pair = CertifiedKey::new(chain, key);
    pair.keys_match().map_err(TlsError::Pair)?;
    Ok(pair)
}

/// The certificates of a PEM file, one at least.
pub(crate) fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(in_file(file))?;
    if chain.is_empty() { Err(empty(file)) } else { Ok(chain) }
}

fn empty(file: &Path) -> TlsError {
    in_file(file)(pem::Error::NoItemsFound)
}

fn in_file(file: &Path) -> impl FnOnce(pem::Error) -> TlsError {
    let file = file.display().to_string();
    |cause| TlsError::File { file, cause }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("of", &self.0.files()).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Pair {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.get())
    }
}

impl ResolvesClientCert for Pair {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.get())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
