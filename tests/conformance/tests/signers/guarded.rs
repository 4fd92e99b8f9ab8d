//! A signer that asks who calls: by TLS, and by a login.

use std::{sync::Arc, time::SystemTime};

use argus_conformance::web3signer::Web3signer;
use argus_evm::{BadSigner, Credentials, Web3Signer, Web3SignerConfig, anvil::DEV_KEYS};
use argus_ports::{Signer, SignerError};
use argus_tls::{Authority, Made, Role, Wanted};
use secrecy::{ExposeSecret, SecretString};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};

use super::{LIMIT, config, local};

/// An authority, and what it made for a signer and for who calls it.
struct Papers {
    authority: Made,
    signer: Made,
    caller: Made,
}

fn papers() -> Papers {
    let now = SystemTime::now();
    let authority = Authority::make("signers", now).expect("made");
    let open = Authority::open(&authority.certificate, &authority.key).expect("opened");
    let issue = |role, hosts: &[&str]| {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        open.issue(&Wanted { role, name: "one".to_owned(), hosts, days: 2 }, now).expect("issued")
    };
    Papers { signer: issue(Role::Service, &["127.0.0.1"]), caller: issue(Role::Keeper, &[]), authority }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

/// Takes those alone whose certificate is of this authority.
fn acceptor(papers: &Papers) -> TlsAcceptor {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(&papers.authority.certificate)).expect("a root");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build();
    let key = PrivateKeyDer::from_pem_slice(papers.signer.key.expose_secret().as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.expect("a verifier"))
        .with_single_cert(vec![certificate(&papers.signer.certificate)], key);
    TlsAcceptor::from(Arc::new(config.expect("a configuration")))
}

#[tokio::test]
async fn both_sides_of_tls_have_to_show_who_they_are() {
    let (papers, others) = (papers(), papers());
    let server = Web3signer::start(&DEV_KEYS[..2], Some(acceptor(&papers))).await;
    let limit = std::time::Duration::from_millis(800);
    let with = |authorities: Option<&Made>, own: Option<&Made>, limit| {
        let pem = |made: &Made| format!("{}\n{}", made.certificate, made.key.expose_secret());
        let authorities = authorities.map(|made| made.certificate.clone().into_bytes());
        let identity = own.map(pem).map(SecretString::from);
        let config = Web3SignerConfig { authorities, identity, ..config(server.url(), limit) };
        Web3Signer::new(config).expect("a client").signer(local().address())
    };
    let known = with(Some(&papers.authority), Some(&papers.caller), LIMIT);
    assert_eq!(known.sign(b"a").await, local().sign(b"a").await);
    for (what, stranger) in [
        ("shows nothing", with(Some(&papers.authority), None, limit)),
        ("shows another's", with(Some(&papers.authority), Some(&others.caller), limit)),
        ("believes another", with(Some(&others.authority), Some(&papers.caller), limit)),
        ("believes the system", with(None, Some(&papers.caller), limit)),
    ] {
        let error = stranger.sign(b"a").await.expect_err(what);
        assert!(matches!(error, SignerError::Unreachable(_)), "{what}: {error}");
    }
}

#[tokio::test]
async fn a_login_is_shown_and_told_nobody_else() {
    let server = Web3signer::start(&DEV_KEYS[..2], None).await;
    for (text, header) in
        [("argus:s3cret", "Basic YXJndXM6czNjcmV0"), ("t0ken-s3cret", "Bearer t0ken-s3cret")]
    {
        let credentials = Credentials::read(&text.into());
        let service = Web3Signer::new(Web3SignerConfig { credentials, ..config(server.url(), LIMIT) });
        let signer = service.expect("a client").signer(local().address());
        signer.sign(b"a").await.expect("signed");
        let last = server.asked().pop().expect("asked");
        assert_eq!(last.authorization.as_deref(), Some(header));
        assert!(!last.what.contains("s3cret") && !last.body.contains("s3cret"), "{last:?}");
        server.behave(argus_conformance::web3signer::Manner::Says(401, ""));
        let error = signer.sign(b"a").await.expect_err("refused").to_string();
        assert!(!error.contains("s3cret"), "{error}");
        server.behave(argus_conformance::web3signer::Manner::Honest);
    }
}

#[test]
fn urls_and_files_that_are_of_no_use_are_refused_at_once() {
    for url in
        ["ftp://signer", "signer:9000", "https://user:pw@signer", "https://signer/?a=b", "https://signer/#a"]
    {
        let refused = Web3Signer::new(config(url.to_owned(), LIMIT)).err();
        assert!(matches!(refused, Some(BadSigner::Url)), "{url}: {refused:?}");
        assert!(!refused.expect("refused").to_string().contains("pw"));
    }
    let url = "https://signer".to_owned();
    let made = papers();
    let bad = SecretString::from(made.caller.certificate.clone());
    let refused = Web3Signer::new(Web3SignerConfig { identity: Some(bad), ..config(url, LIMIT) }).err();
    assert!(matches!(refused, Some(BadSigner::Identity(_))), "{refused:?}");
}
