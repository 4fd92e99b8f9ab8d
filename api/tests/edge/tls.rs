//! TLS with the operator's certificate.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use argus_api::Config;
use argus_tls::TlsError;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer},
};

use crate::world::World;

/// Longer than any of this takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Writes a new certificate and its key; what a client has to know of it.
fn certificate(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

fn acceptor(folder: &Path) -> Result<argus_tls::TlsAcceptor, TlsError> {
    argus_tls::acceptor(&folder.join("cert.pem"), &folder.join("key.pem"))
}

async fn serve(folder: &Path, head_timeout: Duration) -> (SocketAddr, World, JoinSet<()>) {
    let world = World::with(Config::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    let acceptor = acceptor(folder).unwrap();
    server.spawn(argus_api::listen(listener, world.router.clone(), head_timeout, Some(acceptor)));
    (address, world, server)
}

/// What a client that trusts this certificate is told by `/ready`.
async fn ready(address: SocketAddr, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await?;
    stream.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn with_a_certificate_the_port_speaks_tls_alone() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certificate(folder.path());
    let (address, _world, _server) = serve(folder.path(), Duration::from_millis(500)).await;
    let answer = timeout(PATIENCE, ready(address, &trusted)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let stranger = certificate(tempfile::tempdir().unwrap().path());
    assert!(timeout(PATIENCE, ready(address, &stranger)).await.unwrap().is_err());
    // Neither a request in clear nor silence gets, or holds, anything.
    for sent in [&b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], b""] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        let _reset = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it is hung up on");
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_changes_is_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let first = certificate(folder.path());
    let (address, _world, _server) = serve(folder.path(), PATIENCE).await;
    assert!(ready(address, &first).await.is_ok());
    let second = certificate(folder.path());
    let renewed = async {
        while ready(address, &second).await.is_err() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, renewed).await.expect("the new certificate is served");
    // What cannot be read changes nothing.
    std::fs::write(folder.path().join("cert.pem"), "none").unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(ready(address, &second).await.is_ok());
}

#[test]
fn files_that_are_no_pair_are_refused_by_name() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let said = |folder: &Path| acceptor(folder).err().expect("refused").to_string();
    assert!(said(one.path()).contains("cert.pem"), "{}", said(one.path()));
    certificate(one.path());
    certificate(other.path());
    std::fs::copy(other.path().join("key.pem"), one.path().join("key.pem")).unwrap();
    assert!(said(one.path()).contains("certificate and key"), "{}", said(one.path()));
    std::fs::write(one.path().join("cert.pem"), "none").unwrap();
    assert!(said(one.path()).contains("cert.pem"), "{}", said(one.path()));
}
