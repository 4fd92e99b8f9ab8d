use std::{collections::BTreeMap, path::Path, sync::Mutex};

use argus_ports::{Egress, EgressError, EgressRequest, EgressResponse, Reach};
use prost::Message;

use super::*;
use crate::unixfs::{KIND_FILE, PbLink, PbNode, UnixFs};

/// `hello\n` as `ipfs add` names it.
const HELLO_V0: &str = "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN";

/// URLs and what they answer: a status, a `location`, a body.
#[derive(Default)]
struct Web {
    pages: BTreeMap<String, (u16, String, Bytes)>,
    asked: Mutex<Vec<String>>,
    /// URLs that keep the caller waiting for ever.
    silent: Vec<String>,
    /// Requests, from the first on, that find nobody.
    down: usize,
}

#[async_trait]
impl Egress for Web {
    async fn fetch(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        let nth = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(request.url.clone());
            asked.len()
        };
        if self.silent.contains(&request.url) {
            std::future::pending::<()>().await;
        }
        if nth <= self.down {
            return Err(EgressError::Transport("connection refused".to_owned()));
        }
        let Some((status, location, body)) = self.pages.get(&request.url) else {
            return Err(EgressError::Timeout(request.timeout));
        };
        if body.len() as u64 > request.max_body {
            return Err(EgressError::TooLarge(request.max_body));
        }
        let headers = vec![("location".to_owned(), location.clone())];
        Ok(EgressResponse { status: *status, headers, body: body.clone() })
    }

    fn check(&self, _: &str, _: &Reach) -> Result<(), EgressError> {
        Ok(())
    }
}

fn file(data: &[u8], parts: &[&Name]) -> Bytes {
    let fs = UnixFs {
        kind: KIND_FILE,
        data: Some(data.to_vec()),
        filesize: Some(data.len() as u64),
        blocksizes: vec![],
    };
    let bytes = |name: &Name| cid::Cid::try_from(name.cid().0.as_str()).unwrap().to_bytes();
    let links = parts.iter().map(|name| PbLink { hash: bytes(name), name: None, tsize: None });
    PbNode { data: Some(fs.encode_to_vec()), links: links.collect() }.encode_to_vec().into()
}

fn named(block: &[u8], like: &str) -> Name {
    // A dag-pb name of these bytes, made from any other dag-pb name.
    let mut cid = cid::Cid::try_from(like).unwrap().to_bytes();
    let at = cid.len() - 32;
    cid[at..].copy_from_slice(&<sha2::Sha256 as sha2::Digest>::digest(block));
    Name::from_bytes(&cid).unwrap()
}

fn open(root: &Path, gateways: Vec<String>, web: Arc<Web>) -> IpfsContent {
    let places = Places { root: root.to_owned(), gateways, ..Places::default() };
    let egress: Arc<dyn Egress> = web;
    IpfsContent::open(&places, &egress).unwrap()
}

async fn store(blocks: &[(&Name, Bytes)]) -> (tempfile::TempDir, IpfsContent) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("blocks"), vec![], Arc::new(Web::default()));
    for (name, block) in blocks {
        store.directory.write(name, block.clone()).await.unwrap();
    }
    (dir, store)
}

#[tokio::test]
async fn a_file_of_one_block_is_read_under_both_versions_of_its_cid() {
    // What `ipfs add` makes of "hello\n", byte for byte.
    let block = Bytes::from_static(b"\x0a\x0c\x08\x02\x12\x06hello\n\x18\x06");
    let name = Name::parse(HELLO_V0).unwrap();
    assert!(name.names(&block));
    let (_dir, store) = store(&[(&name, block)]).await;
    let v1 = store.parse(HELLO_V0).unwrap();
    for cid in [Cid(HELLO_V0.to_owned()), v1] {
        assert_eq!(store.get(&cid, 6).await, Ok(Bytes::from_static(b"hello\n")), "{cid}");
        assert_eq!(store.get(&cid, 5).await, Err(ContentError::TooLarge { max: 5 }), "{cid}");
    }
}

#[tokio::test]
async fn a_file_of_several_blocks_is_put_together_in_order() {
    let (a, b) = (Bytes::from_static(b"one "), Bytes::from_static(b"two "));
    let inner = file(b"", &[&Name::of_raw(&b), &Name::of_raw(&a)]);
    let inner_name = named(&inner, HELLO_V0);
    let root = file(b"zero ", &[&Name::of_raw(&a), &inner_name, &Name::of_raw(&b)]);
    let root_name = named(&root, HELLO_V0);
    let blocks = [
        (&Name::of_raw(&a), a.clone()),
        (&Name::of_raw(&b), b.clone()),
        (&inner_name, inner),
        (&root_name, root),
    ];
    let (_dir, store) = store(&blocks).await;
    let whole = store.get(&root_name.cid(), 100).await;
    assert_eq!(whole, Ok(Bytes::from_static(b"zero one two one two ")));
    assert_eq!(store.get(&root_name.cid(), 20).await, Err(ContentError::TooLarge { max: 20 }));
}

#[tokio::test]
async fn what_is_no_file_is_refused() {
    let folder = PbNode { data: Some(vec![8, 1]), links: vec![] }.encode_to_vec();
    let junk = vec![0xff; 9];
    for block in [folder, junk] {
        let name = named(&block, HELLO_V0);
        let (_dir, store) = store(&[(&name, block.into())]).await;
        assert!(matches!(store.get(&name.cid(), 100).await, Err(ContentError::BadCid(_))));
    }
}

#[tokio::test]
async fn a_changed_file_is_noticed_and_put_heals_it() {
    let (dir, store) = store(&[]).await;
    let cid = store.put(Bytes::from_static(b"right")).await.unwrap();
    let path = dir.path().join("blocks").join(&cid.0[cid.0.len() - 2..]).join(&cid.0);
    std::fs::write(&path, b"wrong").unwrap();
    assert_eq!(store.get(&cid, 100).await, Err(ContentError::Mismatch(cid.clone())));
    assert_eq!(store.put(Bytes::from_static(b"right")).await, Ok(cid.clone()));
    assert_eq!(store.get(&cid, 100).await, Ok(Bytes::from_static(b"right")));
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing temporary stays behind");
}

#[tokio::test]
async fn only_its_owner_can_look_inside() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, store) = store(&[]).await;
    let cid = store.put(Bytes::from_static(b"x")).await.unwrap();
    let blocks = dir.path().join("blocks");
    let file = blocks.join(&cid.0[cid.0.len() - 2..]).join(&cid.0);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&blocks), mode(&file)), (0o700, 0o600));
}

/// One gateway's answers for the name of `right`, and what `get` then says.
async fn ask(pages: &[(&str, u16, &str, &'static [u8])]) -> Result<Bytes, ContentError> {
    let cid = Name::of_raw(b"right").cid();
    let pages = pages.iter().map(|(url, status, to, body)| {
        let url = url.replace("CID", &cid.0);
        (url, (*status, to.replace("CID", &cid.0), Bytes::from_static(body)))
    });
    let web = Arc::new(Web { pages: pages.collect(), ..Web::default() });
    let bases = vec!["http://a.example".to_owned(), "http://b.example/base/".to_owned()];
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), bases, web.clone());
    let first = store.get(&cid, 10).await;
    if first.is_ok() {
        let asked = web.asked.lock().unwrap().len();
        assert_eq!(store.get(&cid, 10).await, first);
        assert_eq!(web.asked.lock().unwrap().len(), asked, "what was fetched is kept");
    }
    first
}

#[tokio::test]
async fn gateways_as_a_table() {
    const A: &str = "http://a.example/ipfs/CID?format=raw";
    const B: &str = "http://b.example/base/ipfs/CID?format=raw";
    let right = Ok(Bytes::from_static(b"right"));
    let cid = Name::of_raw(b"right").cid();
    assert_eq!(ask(&[(A, 200, "", b"right")]).await, right);
    assert_eq!(ask(&[(A, 404, "", b""), (B, 200, "", b"right")]).await, right);
    assert_eq!(ask(&[(A, 200, "", b"wrong"), (B, 200, "", b"right")]).await, right, "a liar is passed over");
    let there = "http://CID.a.example/x";
    assert_eq!(
        ask(&[(A, 302, there, b""), (there, 200, "", b"right")]).await,
        right,
        "a redirect is followed"
    );
    assert!(ask(&[(A, 302, A, b""), (B, 404, "", b"")]).await.is_err(), "but not for ever");
    assert_eq!(
        ask(&[(A, 200, "", b"wrong"), (B, 404, "", b"")]).await,
        Err(ContentError::Mismatch(cid.clone()))
    );
    assert_eq!(ask(&[(A, 404, "", b""), (B, 410, "", b"")]).await, Err(ContentError::Absent(cid)));
    assert_eq!(ask(&[(A, 200, "", b"much too large")]).await, Err(ContentError::TooLarge { max: 10 }));
    assert!(matches!(ask(&[]).await, Err(ContentError::Unavailable(_))), "nobody answers");
}

/// Two gateways, both with the right block.
async fn race(silent: Vec<String>, down: usize) -> (Result<Bytes, ContentError>, usize) {
    let cid = Name::of_raw(b"right").cid();
    let bases = ["http://a.example".to_owned(), "http://b.example".to_owned()];
    let page = |base: &String| {
        (format!("{base}/ipfs/{cid}?format=raw"), (200, String::new(), Bytes::from_static(b"right")))
    };
    let silent = silent.iter().map(|base| page(base).0).collect();
    let web = Arc::new(Web { pages: bases.iter().map(page).collect(), silent, down, ..Web::default() });
    let dir = tempfile::tempdir().unwrap();
    let found = open(dir.path(), bases.to_vec(), web.clone()).get(&cid, 10).await;
    let asked = web.asked.lock().unwrap().len();
    (found, asked)
}

#[tokio::test]
async fn the_next_gateway_is_asked_while_the_first_is_silent() {
    let right = Ok(Bytes::from_static(b"right"));
    assert_eq!(race(vec![], 0).await, (right.clone(), 1), "the first answers: the second is left alone");
    assert_eq!(race(vec!["http://a.example".to_owned()], 0).await, (right, 2));
}

#[tokio::test]
async fn everybody_is_asked_again_while_nobody_can_be_reached_but_not_for_ever() {
    assert_eq!(race(vec![], 5).await, (Ok(Bytes::from_static(b"right")), 6));
    let (found, asked) = race(vec![], usize::MAX).await;
    assert!(matches!(found, Err(ContentError::Unavailable(_))), "{found:?}");
    assert_eq!(asked, 6);
}

#[tokio::test]
async fn a_path_leads_through_folders() {
    let leaf = Bytes::from_static(b"right");
    let folder = |entry: &str, to: &Name| {
        let link = PbLink { hash: to.to_bytes(), name: Some(entry.to_owned()), tsize: None };
        Bytes::from(PbNode { data: Some(vec![8, 1]), links: vec![link] }.encode_to_vec())
    };
    let inner = folder("a.ts", &Name::of_raw(&leaf));
    let outer = folder("in", &Name::of_node(&inner));
    let names = [Name::of_raw(&leaf), Name::of_node(&inner), Name::of_node(&outer)];
    let blocks = [(&names[0], leaf), (&names[1], inner), (&names[2], outer)];
    let (_dir, store) = store(&blocks).await;
    let root = names[2].cid();
    assert_eq!(store.resolve(&format!("{root}/in/a.ts")).await, Ok(names[0].cid()));
    assert_eq!(store.resolve(&root.0).await, Ok(root.clone()));
    for path in ["/out", "/in/b.ts", "/in/a.ts/b"] {
        let found = store.resolve(&format!("{root}{path}")).await;
        assert!(matches!(found, Err(ContentError::Absent(_))), "{path}: {found:?}");
    }
    let long = "/in".repeat(50);
    assert!(store.resolve(&format!("{root}{long}")).await.is_err());
}
