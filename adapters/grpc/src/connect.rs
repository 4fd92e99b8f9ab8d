//! Connections of a client, in TLS.

use std::{io, time::Duration};

use argus_tls::{TlsConnector, client::TlsStream, pki_types::ServerName, why};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncBufReadExt, net::TcpStream, time::timeout};
use tonic::transport::Uri;
use tower::{Service, service_fn};

/// How long the other side may take for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Connects to a URL's host and port, whose name is looked up each time, and has it prove its name.
pub(crate) fn over_tls(
    tls: TlsConnector,
) -> impl Service<Uri, Response = TokioIo<TlsStream<TcpStream>>, Error = io::Error, Future: Send> + Send + 'static
{
    service_fn(move |uri: Uri| connect(tls.clone(), uri))
}

async fn connect(tls: TlsConnector, uri: Uri) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| io::Error::other(format!("{host:?} is no name that a certificate has")))?;
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await?;
    stream.set_nodelay(true)?;
    let handshake = async {
        let mut stream = tls.connect(name, stream).await?;
        // In TLS 1.3 a client is done before the server has looked at its certificate. A server of HTTP/2 speaks first
        // (RFC 9113, section 3.4): once it does, it has taken the certificate, else its reason comes instead.
        if stream.fill_buf().await?.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(stream)
    };
    let failed = |cause: &io::Error| io::Error::other(format!("no link to {host}: {}", why(cause)));
    match timeout(HANDSHAKE, handshake).await {
        Ok(done) => done.map(TokioIo::new).map_err(|cause| failed(&cause)),
        Err(_) => Err(io::Error::other(format!("no link to {host}: the handshake took too long"))),
    }
}
