//! Whose certificates are taken, in both directions.

use std::{fmt, path::Path, sync::Arc};

use tokio_rustls::rustls::{
    self, CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use crate::{Role, TlsError, pair::chain, provider, watch::Watched};

/// The authorities in a file: one, or those of before and after a change.
pub(crate) struct Trust(Watched<Verifiers>);

struct Verifiers {
    clients: Arc<dyn ClientCertVerifier>,
    servers: Arc<WebPkiServerVerifier>,
}

impl Trust {
    pub fn open(authorities: &Path) -> Result<Self, TlsError> {
        let file = authorities.to_owned();
        Watched::open(vec![file.clone()], move || read(&file)).map(Self)
    }
}

fn read(file: &Path) -> Result<Verifiers, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(file)? {
        let in_file = |cause| TlsError::Authority { file: file.display().to_string(), cause };
        roots.add(certificate).map_err(in_file)?;
    }
    let (roots, refused) =
        (Arc::new(roots), |cause: rustls::server::VerifierBuilderError| TlsError::Setup(cause.to_string()));
    let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider()).build();
    let servers = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
    Ok(Verifiers { clients: clients.map_err(refused)?, servers: servers.map_err(refused)? })
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("in", &self.0.files()).finish_non_exhaustive()
    }
}

impl ClientCertVerifier for Trust {
    // Whoever has a certificate of ours knows which one to show.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.0.get().clients.verify_client_cert(end_entity, intermediates, now)?;
        // The alert that follows from it says that access is denied.
        Role::of(end_entity).map_err(|_| CertificateError::ApplicationVerificationFailure)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.get().clients.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.get().clients.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.get().clients.supported_verify_schemes()
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let servers = self.0.get().servers.clone();
        let verified =
            servers.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        match Role::of(end_entity) {
            Ok(Role::Service) => Ok(verified),
            Ok(Role::Keeper) => Err(CertificateError::Other(OtherError(Arc::new(KeeperServes))).into()),
            Err(cause) => Err(CertificateError::Other(OtherError(Arc::new(cause))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.get().servers.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.get().servers.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.get().servers.supported_verify_schemes()
    }
}

/// A keeper's certificate where a service has to be.
#[derive(Debug, thiserror::Error)]
#[error("it is a keeper's, and a service has to be there")]
struct KeeperServes;
