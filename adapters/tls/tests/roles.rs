//! Which certificates have a role, and what a handshake makes of those that have none.

use std::{path::Path, sync::Arc, time::SystemTime};

use argus_tls::{Authority, Files, Mutual, Role, Wanted, why};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// An authority, and a service of it.
fn service(folder: &Path) -> (argus_tls::Made, Files) {
    let made = Authority::make("An authority", SystemTime::now()).expect("an authority");
    let authority = Authority::open(&made.certificate, &made.key).expect("an authority");
    let wanted =
        Wanted { role: Role::Service, name: "one".to_owned(), hosts: vec!["localhost".to_owned()], days: 1 };
    let own = authority.issue(&wanted, SystemTime::now()).expect("a certificate");
    let [authorities, certificate, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| folder.join(name));
    for (path, text) in [
        (&authorities, made.certificate.as_str()),
        (&certificate, own.certificate.as_str()),
        (&key, own.key.expose_secret()),
    ] {
        std::fs::write(path, text).expect("written");
    }
    (made, Files { authorities, certificate, key })
}

/// A certificate of the authority with these URIs in it.
fn with_uris(
    authority: &argus_tls::Made,
    uris: &[&str],
) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let its_key = KeyPair::from_pem(authority.key.expose_secret()).expect("a key");
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, its_key).expect("an authority");
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names =
        uris.iter().map(|uri| SanType::URI((*uri).try_into().expect("a URI"))).collect();
    let key = KeyPair::generate().expect("a key");
    let made = params.signed_by(&key, &issuer).expect("a certificate");
    (made.der().clone(), PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("a key"))
}

#[tokio::test]
async fn only_a_certificate_with_one_role_comes_through_a_handshake() {
    let folder = tempfile::tempdir().expect("a folder");
    let (authority, files) = service(folder.path());
    let server = Mutual::open(&files).expect("certificates");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).expect("PEM")).expect("added");
    let cases: [(&[&str], Option<Role>); 8] = [
        (&["argus://service"], Some(Role::Service)),
        (&["argus://keeper"], Some(Role::Keeper)),
        (&["spiffe://example/x", "argus://keeper"], Some(Role::Keeper)),
        (&[], None),
        (&["spiffe://example/x"], None),
        (&["argus://service", "argus://keeper"], None),
        (&["argus://keeper/"], None),
        (&["argus://Service"], None),
    ];
    for (uris, role) in cases {
        let (certificate, key) = with_uris(&authority, uris);
        assert_eq!(Role::of(&certificate).ok(), role, "{uris:?}");
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots.clone())
            .with_client_auth_cert(vec![certificate], key)
            .expect("a pair");
        let (near, far) = tokio::io::duplex(16 * 1024);
        let taken = async {
            let mut stream = server.acceptor().accept(far).await?;
            stream.write_all(b"hello").await?;
            stream.shutdown().await
        };
        let asked = async {
            let name = "localhost".try_into().expect("a name");
            let mut stream = TlsConnector::from(Arc::new(config)).connect(name, near).await?;
            let mut got = Vec::new();
            stream.read_to_end(&mut got).await.map(|_| got)
        };
        let (taken, got) = tokio::join!(taken, asked);
        assert_eq!(taken.is_ok(), role.is_some(), "{uris:?}: {taken:?}");
        match got {
            Ok(got) => assert!(role.is_some() && got == b"hello", "{uris:?}"),
            Err(cause) => {
                assert!(role.is_none() && why(&cause).ends_with("it has no role"), "{uris:?}: {cause}")
            }
        }
    }
}
