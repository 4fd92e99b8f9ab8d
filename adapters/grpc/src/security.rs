//! Who may talk to whom.

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig},
};

/// Shorter tokens can be guessed.
const TOKEN_BYTES_MIN: usize = 16;
const HEADER: &str = "authorization";

/// What callers have to show.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// Services of the platform, to each other.
    pub services: SecretString,
    /// Keepers, which may be other people's.
    pub keepers: SecretString,
}

/// A server's TLS, PEM texts.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// Its certificate, with those in between.
    pub certificate: String,
    /// Its private key.
    pub key: SecretString,
    /// Callers must have a certificate of this authority.
    pub client_authority: Option<String>,
}

/// A client's TLS, PEM texts.
#[derive(Debug, Clone)]
pub struct ClientTls {
    /// The authority of the server's certificate.
    pub authority: String,
    /// The name in the server's certificate, where it is not the host of the URL.
    pub server_name: Option<String>,
    /// Certificate and private key to show.
    pub identity: Option<(String, SecretString)>,
}

/// Why a link cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A token that protects nothing.
    #[error(
        "the {0} token has fewer than {TOKEN_BYTES_MIN} characters: make one with `openssl rand -hex 32`"
    )]
    WeakToken(&'static str),
    /// It does not fit into a header.
    #[error("the token holds characters that no header may: use letters and digits")]
    BadToken,
    /// URL, certificate or key.
    #[error("the link cannot be set up: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// Holds callers to a token.
#[derive(Clone)]
pub(crate) struct Guard(SecretString);

impl Guard {
    pub(crate) fn new(token: &SecretString, whose: &'static str) -> Result<Self, SetupError> {
        if token.expose_secret().len() < TOKEN_BYTES_MIN {
            return Err(SetupError::WeakToken(whose));
        }
        Ok(Self(format!("Bearer {}", token.expose_secret()).into()))
    }

    /// The header that satisfies it.
    pub(crate) fn header(&self) -> Result<MetadataValue<Ascii>, SetupError> {
        let mut value: MetadataValue<Ascii> =
            self.0.expose_secret().parse().map_err(|_| SetupError::BadToken)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl tonic::service::Interceptor for Guard {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let shown = request.metadata().get(HEADER).map(|value| value.as_bytes()).unwrap_or_default();
        let right: bool = shown.ct_eq(self.0.expose_secret().as_bytes()).into();
        if right { Ok(request) } else { Err(Status::unauthenticated("the token is missing or another")) }
    }
}

/// Shows a token.
#[derive(Clone)]
pub(crate) struct Show(pub MetadataValue<Ascii>);

impl tonic::service::Interceptor for Show {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(HEADER, self.0.clone());
        Ok(request)
    }
}

impl ServerTls {
    pub(crate) fn config(&self) -> ServerTlsConfig {
        let identity = Identity::from_pem(&self.certificate, self.key.expose_secret());
        let config = ServerTlsConfig::new().identity(identity);
        match &self.client_authority {
            Some(authority) => config.client_ca_root(Certificate::from_pem(authority)),
            None => config,
        }
    }
}

impl ClientTls {
    pub(crate) fn config(&self) -> ClientTlsConfig {
        let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.authority));
        if let Some(name) = &self.server_name {
            config = config.domain_name(name);
        }
        if let Some((certificate, key)) = &self.identity {
            config = config.identity(Identity::from_pem(certificate, key.expose_secret()));
        }
        config
    }
}
