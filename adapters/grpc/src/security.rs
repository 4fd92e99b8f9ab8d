//! Who may talk to whom.

use argus_tls::Role;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
};

use crate::{accept::Caller, protocol};

/// Shorter tokens can be guessed.
pub const TOKEN_BYTES_MIN: usize = 16;
const HEADER: &str = "authorization";

/// What callers have to show.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// Services of the platform, to each other.
    pub services: SecretString,
    /// Keepers, which may be other people's.
    pub keepers: SecretString,
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
    /// One of both without the other.
    #[error("the link to {0} cannot be set up: https:// needs certificates, and goes with them alone")]
    Scheme(String),
    /// The URL, or the listener.
    #[error("the link cannot be set up: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// Holds callers to a token, and where there is TLS to a role.
#[derive(Clone)]
pub(crate) struct Guard {
    header: SecretString,
    role: Option<Role>,
}

impl Guard {
    pub(crate) fn new(token: &SecretString, whose: &'static str) -> Result<Self, SetupError> {
        if token.expose_secret().len() < TOKEN_BYTES_MIN {
            return Err(SetupError::WeakToken(whose));
        }
        Ok(Self { header: format!("Bearer {}", token.expose_secret()).into(), role: None })
    }

    /// Lets in only who has a certificate with this role, besides.
    pub(crate) fn with_role(self, role: Option<Role>) -> Self {
        Self { role, ..self }
    }

    /// Why a caller gets nothing, where that is so.
    fn refusal(&self, caller: Option<&Caller>, shown: Option<&[u8]>) -> Option<Status> {
        if let Some(wanted) = self.role
            && caller.and_then(|caller| caller.role) != Some(wanted)
        {
            return Some(Status::permission_denied(format!("the certificate has not the role {wanted}")));
        }
        let is_right: bool = shown.unwrap_or_default().ct_eq(self.header.expose_secret().as_bytes()).into();
        (!is_right).then(|| Status::unauthenticated("the token is missing or another"))
    }

    /// The header that satisfies it.
    pub(crate) fn header(&self) -> Result<MetadataValue<Ascii>, SetupError> {
        let mut value: MetadataValue<Ascii> =
            self.header.expose_secret().parse().map_err(|_| SetupError::BadToken)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl tonic::service::Interceptor for Guard {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let caller = request.extensions().get::<Caller>();
        match self.refusal(caller, request.metadata().get(HEADER).map(|value| value.as_bytes())) {
            None => {
                if let Some(caller) = caller {
                    caller.know();
                }
                match protocol::refusal(request.metadata()) {
                    None => Ok(request),
                    Some(refusal) => Err(refusal),
                }
            }
            Some(refusal) => {
                if let Some(caller) = caller {
                    caller.blame();
                }
                Err(refusal)
            }
        }
    }
}

/// Shows a token, and what this program speaks.
#[derive(Clone)]
pub(crate) struct Show(pub MetadataValue<Ascii>);

impl tonic::service::Interceptor for Show {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(HEADER, self.0.clone());
        protocol::show(request.metadata_mut());
        Ok(request)
    }
}
