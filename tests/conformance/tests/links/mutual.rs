//! Links in TLS: the suites, who gets nothing and what they are told, and certificates that change.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use argus_conformance::links::{self, Gate, Recorder};
use argus_grpc::{Client, ClientConfig, Served, SetupError};
use argus_ports::{Dispatch, KeeperLink, LinkError};
use argus_tls::{Authority, Files, Mutual, Role, Wanted};
use secrecy::ExposeSecret;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig as TlsClient, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, pem::PemObject},
    },
};

use crate::{KEEPERS, PATIENCE, Running, SERVICES, all_roles};

/// Longer than files are used that have changed since.
const STALE: Duration = Duration::from_millis(1500);

/// An authority with a folder.
pub struct Pki {
    folder: PathBuf,
    authority: Authority,
}

impl Pki {
    pub fn new(folder: &Path) -> Self {
        let made = Authority::make("An authority", SystemTime::now()).expect("an authority");
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(folder.join("ca.pem"), &made.certificate).expect("written");
        let authority = Authority::open(&made.certificate, &made.key).expect("an authority");
        Self { folder: folder.to_owned(), authority }
    }

    fn certificates(&self) -> String {
        std::fs::read_to_string(self.folder.join("ca.pem")).expect("its certificate")
    }

    /// Files with a certificate of this role that was made then for a day.
    fn made_at(&self, role: Role, host: &str, name: &str, now: SystemTime) -> Files {
        let folder = self.folder.join(name);
        let hosts = if role == Role::Service { vec![host.to_owned()] } else { Vec::new() };
        let wanted = Wanted { role, name: name.to_owned(), hosts, days: 1 };
        let made = self.authority.issue(&wanted, now).expect("a certificate");
        std::fs::create_dir_all(&folder).expect("a folder");
        let files = Files {
            authorities: folder.join("ca.pem"),
            certificate: folder.join("cert.pem"),
            key: folder.join("key.pem"),
        };
        std::fs::write(&files.authorities, self.certificates()).expect("written");
        std::fs::write(&files.certificate, &made.certificate).expect("written");
        std::fs::write(&files.key, made.key.expose_secret()).expect("written");
        files
    }

    pub fn member(&self, role: Role, name: &str) -> Files {
        self.made_at(role, "localhost", name, SystemTime::now())
    }
}

pub fn open(files: &Files) -> Mutual {
    Mutual::open(files).expect("certificates")
}

impl Running {
    pub fn secure(&self, token: &str, files: &Files) -> Client {
        let (url, tls) = (format!("https://localhost:{}", self.address.port()), Some(open(files)));
        Client::new(&ClientConfig { url, token: token.into(), tls, deadline: PATIENCE }).expect("a client")
    }
}

/// A server of all roles; the gate admits nobody.
async fn platform(tls: &Files) -> Running {
    let (gate, _admitted) = Gate::new();
    let served = Served { gate: Some(gate), ..all_roles(&Arc::new(Recorder::default())) };
    Running::with(served, "127.0.0.1:0", Some(open(tls))).await
}

#[tokio::test]
async fn services_over_mutual_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let pki = Pki::new(folder.path());
    let other = Arc::new(Recorder::default());
    let tls = open(&pki.member(Role::Service, "one"));
    let server = Running::with(all_roles(&other), "127.0.0.1:0", Some(tls)).await;
    links::services(&server.secure(SERVICES, &pki.member(Role::Service, "two")), &other).await;
}

#[tokio::test]
async fn keepers_over_mutual_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let pki = Pki::new(folder.path());
    let (gate, mut admitted) = Gate::new();
    let tls = open(&pki.member(Role::Service, "one"));
    let served = Served { gate: Some(gate), ..Served::default() };
    let server = Running::with(served, "127.0.0.1:0", Some(tls)).await;
    let url = format!("https://localhost:{}", server.address.port());
    let tls = Some(open(&pki.member(Role::Keeper, "keeper")));
    let config = ClientConfig { url, token: KEEPERS.into(), tls, deadline: Duration::from_secs(2) };
    links::keepers(&Client::new(&config).expect("a client"), &mut admitted).await;
}

#[track_caller]
fn told<T: std::fmt::Debug>(got: &Result<T, LinkError>, words: &str) {
    let Err(LinkError::Gone(said) | LinkError::Refused(said)) = got else { panic!("{got:?}") };
    assert!(said.contains(words), "{said:?} and not {words:?}");
}

#[tokio::test]
async fn who_lacks_something_gets_nothing_and_is_told_what() {
    let folder = tempfile::tempdir().expect("a folder");
    let pki = Pki::new(&folder.path().join("ours"));
    let strangers = Pki::new(&folder.path().join("theirs"));
    let server = platform(&pki.member(Role::Service, "server")).await;
    let (service, keeper) = (pki.member(Role::Service, "service"), pki.member(Role::Keeper, "keeper"));
    assert_eq!(server.secure(SERVICES, &service).submit(&[]).await, Ok(()));

    // A role for each service, and its token besides.
    let wrong_role = "the certificate has not the role";
    told(&server.secure(SERVICES, &keeper).submit(&[]).await, &format!("{wrong_role} service"));
    told(&server.secure(KEEPERS, &service).nonce().await, &format!("{wrong_role} keeper"));
    told(&server.secure(KEEPERS, &service).submit(&[]).await, "the token is missing or another");
    told(&server.secure(SERVICES, &keeper).nonce().await, "the token is missing or another");

    // Another authority's certificate, and the same authorities trusted.
    let stranger = strangers.member(Role::Service, "stranger");
    std::fs::copy(&service.authorities, &stranger.authorities).expect("copied");
    told(&server.secure(SERVICES, &stranger).submit(&[]).await, "is shown: another authority made it");
    // The other way round: a server of an authority that is not trusted.
    let fooled = strangers.member(Role::Service, "fooled");
    told(
        &server.secure(SERVICES, &fooled).submit(&[]).await,
        "an authority made it that ca_file does not hold",
    );

    let long_ago = SystemTime::now() - Duration::from_secs(10 * 86_400);
    let expired = pki.made_at(Role::Service, "localhost", "expired", long_ago);
    told(&server.secure(SERVICES, &expired).submit(&[]).await, "it has expired");
    let old = platform(&expired).await;
    told(&old.secure(SERVICES, &service).submit(&[]).await, "is refused: certificate expired");

    let elsewhere =
        platform(&pki.made_at(Role::Service, "elsewhere.example", "elsewhere", SystemTime::now())).await;
    let got = elsewhere.secure(SERVICES, &service).submit(&[]).await;
    told(&got, "not valid for name \"localhost\"");
    let posing = platform(&keeper).await;
    told(
        &posing.secure(SERVICES, &service).submit(&[]).await,
        "the certificate of the other side is refused",
    );

    // In clear to a port of TLS, and the reverse.
    let Err(LinkError::Gone(said)) = server.client(SERVICES, PATIENCE).submit(&[]).await else {
        panic!("a port of TLS answered in clear");
    };
    // The server's alert may be overtaken by the end of the connection.
    assert!(
        ["the other side speaks TLS", "broken pipe", "reset"].iter().any(|why| said.contains(why)),
        "{said}"
    );
    let clear = Running::start(all_roles(&Arc::new(Recorder::default())), "127.0.0.1:0").await;
    told(&clear.secure(SERVICES, &service).submit(&[]).await, "speaks no TLS");
}

#[tokio::test]
async fn who_shows_no_certificate_hears_that_one_is_wanted_and_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let pki = Pki::new(folder.path());
    let server = platform(&pki.member(Role::Service, "server")).await;
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(folder.path().join("ca.pem")).expect("PEM"))
        .expect("an authority");
    let config = TlsClient::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.address).await.expect("a connection");
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect("localhost".try_into().expect("a name"), stream).await.expect("TLS");
    let mut got = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut got)).await.expect("it is hung up on");
    let said = ended.expect_err("refused").to_string();
    assert!(got.is_empty() && said.contains("CertificateRequired"), "{got:?}, {said}");
}

#[tokio::test]
async fn https_and_certificates_go_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = Pki::new(folder.path()).member(Role::Service, "one");
    for (url, tls) in [("https://localhost:1", None), ("http://localhost:1", Some(open(&files)))] {
        let config = ClientConfig { url: url.to_owned(), token: SERVICES.into(), tls, deadline: PATIENCE };
        assert!(matches!(Client::new(&config).err(), Some(SetupError::Scheme(_))), "{url}");
    }
}

/// Puts these files in the place of others, as a tool that renews certificates does.
fn replace(old: &Files, new: &Files) {
    for (old, new) in
        [(&old.authorities, &new.authorities), (&old.certificate, &new.certificate), (&old.key, &new.key)]
    {
        std::fs::rename(new, old).expect("renamed");
    }
}

/// The certificate that a server shows, as one that connects to it sees it.
async fn shown(server: &Running, files: &Files) -> CertificateDer<'static> {
    let stream = TcpStream::connect(server.address).await.expect("a connection");
    let name = "localhost".try_into().expect("a name");
    let stream = open(files).connector().connect(name, stream).await.expect("TLS");
    stream.get_ref().1.peer_certificates().expect("certificates")[0].clone().into_owned()
}

#[tokio::test]
async fn a_link_goes_on_while_certificates_and_their_authority_are_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (Pki::new(&folder.path().join("old")), Pki::new(&folder.path().join("new")));
    let (server_files, client_files) =
        (old.member(Role::Service, "server"), old.member(Role::Service, "client"));
    let server = platform(&server_files).await;
    let client = server.secure(SERVICES, &client_files);
    assert_eq!(client.submit(&[]).await, Ok(()));
    let first = shown(&server, &client_files).await;

    replace(&server_files, &old.member(Role::Service, "renewed"));
    tokio::time::sleep(STALE).await;
    assert_eq!(client.submit(&[]).await, Ok(()), "the link goes on");
    assert_ne!(shown(&server, &client_files).await, first, "new connections have the new certificate");

    // Both authorities everywhere first, then certificates of the new one, then the new one alone.
    let both = format!("{}{}", old.certificates(), new.certificates());
    std::fs::write(&server_files.authorities, &both).expect("written");
    std::fs::write(&client_files.authorities, &both).expect("written");
    tokio::time::sleep(STALE).await;
    let newer = new.member(Role::Service, "newer");
    assert!(server.secure(SERVICES, &newer).submit(&[]).await.is_err(), "it trusts the new one alone yet");
    std::fs::write(&newer.authorities, &both).expect("written");
    assert_eq!(server.secure(SERVICES, &newer).submit(&[]).await, Ok(()), "a client of the new one");
    assert_eq!(server.secure(SERVICES, &client_files).submit(&[]).await, Ok(()), "a client of the old one");
    replace(&server_files, &new.member(Role::Service, "server"));
    tokio::time::sleep(STALE).await;
    assert_eq!(server.secure(SERVICES, &newer).submit(&[]).await, Ok(()), "a server of the new one");
    told(&server.secure(SERVICES, &client_files).submit(&[]).await, "is shown: another authority made it");
    assert_eq!(client.submit(&[]).await, Ok(()), "the first link goes on");

    // What cannot be read changes nothing.
    std::fs::write(&server_files.key, "none").expect("written");
    std::fs::write(&server_files.authorities, "none").expect("written");
    tokio::time::sleep(STALE).await;
    assert_eq!(server.secure(SERVICES, &newer).submit(&[]).await, Ok(()));
}

#[tokio::test]
async fn a_client_comes_again_with_a_certificate_that_was_renewed() {
    let folder = tempfile::tempdir().expect("a folder");
    let pki = Pki::new(folder.path());
    let server = platform(&pki.member(Role::Service, "server")).await;
    let long_ago = SystemTime::now() - Duration::from_secs(10 * 86_400);
    let files = pki.made_at(Role::Service, "localhost", "expired", long_ago);
    let client = server.secure(SERVICES, &files);
    told(&client.submit(&[]).await, "it has expired");
    replace(&files, &pki.member(Role::Service, "renewed"));
    let again = async {
        while client.submit(&[]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, again).await.expect("the same client connects with the new files");
}

#[tokio::test]
async fn silence_holds_up_nobody_and_is_hung_up_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let pki = Pki::new(folder.path());
    let server = platform(&pki.member(Role::Service, "server")).await;
    // More than one source may have in their handshakes.
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(connect_from("127.0.0.2", &server).await);
    }
    let client = server.secure(SERVICES, &pki.member(Role::Service, "client"));
    let answer = timeout(Duration::from_secs(3), client.submit(&[])).await;
    assert_eq!(answer.expect("before the silent ones are hung up on"), Ok(()));
    for mut stream in silent {
        let ended = timeout(PATIENCE, stream.read(&mut [0; 16])).await.expect("it is hung up on");
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    }
}

/// A connection that comes from another address of this machine.
pub async fn connect_from(from: &str, server: &Running) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(format!("{from}:0").parse().expect("an address")).expect("bound");
    socket.connect(server.address).await.expect("a connection")
}

#[test]
fn a_file_that_is_not_what_it_should_be_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let pki = Pki::new(folder.path());
    let other = pki.member(Role::Service, "other");
    let said = |spoil: &dyn Fn(&Files)| {
        let files = pki.member(Role::Service, "one");
        spoil(&files);
        Mutual::open(&files).expect_err("refused").to_string()
    };
    let gone = |path: &PathBuf| std::fs::remove_file(path).expect("removed");
    assert!(said(&|files| gone(&files.authorities)).contains("one/ca.pem"));
    assert!(said(&|files| gone(&files.key)).contains("one/key.pem"));
    assert!(
        said(&|files| std::fs::write(&files.certificate, "x").expect("written")).contains("one/cert.pem")
    );
    let swap = |files: &Files| assert!(std::fs::copy(&other.key, &files.key).is_ok());
    assert!(said(&swap).contains("certificate and key"));
    // An authority's certificate is nobody's on a link.
    let authority = |files: &Files| assert!(std::fs::copy(&files.authorities, &files.certificate).is_ok());
    assert!(said(&authority).contains("has no role"));
}
