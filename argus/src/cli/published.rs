//! A published script, fetched from a platform. What comes is believed for its hash and for nothing else.

use anyhow::{Context, bail};
use argus_domain::module::{Cid, Language};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value;

use crate::client::Server;

/// The CID that a text names, bare or as `ipfs://CID`; `None`: it names none.
pub fn cid_of(text: &str) -> Option<Cid> {
    let bare = text.strip_prefix("ipfs://").unwrap_or(text);
    argus_ipfs::parse(bare.strip_prefix("ipfs/").unwrap_or(bare)).ok()
}

/// The bytes that the CID names, and their language: the one that is told, or the one they were published in.
pub async fn fetch(cid: &Cid, told: Option<&str>, server: &Server) -> anyhow::Result<(Bytes, Language)> {
    let reply = server
        .get(&format!("/modules/{cid}?source=true"))
        .await
        .with_context(|| format!("{cid} cannot be fetched from {}", server.api))?;
    let bytes = bytes_of(&reply).with_context(|| format!("what {} gave for {cid}", server.api))?;
    argus_ipfs::check(cid, &bytes)
        .with_context(|| format!("the platform at {} is wrong about the script: ask another", server.api))?;
    let language = told.unwrap_or_else(|| reply["language"].as_str().unwrap_or_default());
    Ok((bytes, language.parse()?))
}

fn bytes_of(reply: &Value) -> anyhow::Result<Bytes> {
    match (reply["source"].as_str(), reply["wasm_base64"].as_str()) {
        (Some(text), _) => Ok(text.to_owned().into()),
        (None, Some(text)) => Ok(STANDARD.decode(text)?.into()),
        (None, None) => bail!("it gave no bytes: the platform is of an older version, ask another"),
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, http::Uri, routing::get};
    use serde_json::json;

    use super::*;

    /// CID of the text `print [1]`, as any other tool writes it.
    const CID: &str = "bafkreicvtj6jq5y72zobi5ocluhr6vu5vbnnuibsdw7vubnmed5saiwk34";

    /// Asks a platform that answers this for every CID.
    async fn fetched(answer: Value, told: Option<&str>) -> anyhow::Result<(Bytes, Language)> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let api = format!("http://{}", listener.local_addr()?);
        let answer = move |uri: Uri| {
            let answer =
                if uri.query() == Some("source=true") { answer.to_string() } else { "{}".to_owned() };
            async move { answer }
        };
        let serving = axum::serve(listener, Router::new().route("/api/modules/{cid}", get(answer)));
        let server = Server { api, key: Some("key".to_owned()) };
        let cid = cid_of(CID).context("the CID")?;
        tokio::select! {
            ended = serving => bail!("{ended:?}"),
            fetched = fetch(&cid, told, &server) => fetched,
        }
    }

    #[test]
    fn a_cid_is_taken_bare_and_as_a_url() {
        for text in [CID.to_owned(), format!("ipfs://{CID}"), format!("ipfs://ipfs/{CID}")] {
            assert_eq!(cid_of(&text).map(|cid| cid.0).as_deref(), Some(CID), "{text}");
        }
        for text in ["price.ts", "ipfs://", "ipfs://bafy", "bafk", "", &format!("ipfs://{CID}/a.ts")] {
            assert_eq!(cid_of(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn what_comes_is_what_the_cid_names_or_nothing() {
        let honest = json!({ "source": "print [1]", "language": "js" });
        let (bytes, language) = fetched(honest.clone(), None).await.expect("it is what was named");
        assert_eq!((&bytes[..], language), (&b"print [1]"[..], Language::JavaScript));
        let (_, language) = fetched(honest, Some("ts")).await.expect("it is what was named");
        assert_eq!(language, Language::TypeScript);
        let encoded = json!({ "wasm_base64": STANDARD.encode("print [1]"), "language": "wasm" });
        let (bytes, _) = fetched(encoded, None).await.expect("it is what was named");
        assert_eq!(&bytes[..], b"print [1]");

        for (forged, part) in [
            (json!({ "source": "print [2]", "language": "js" }), "not what the CID names"),
            (json!({ "wasm_base64": "AAAA", "language": "wasm" }), "not what the CID names"),
            (json!({ "language": "js" }), "gave no bytes"),
        ] {
            let error = fetched(forged.clone(), None).await.expect_err("it is not what was named");
            assert!(format!("{error:#}").contains(part), "{forged}: {error:#}");
        }
    }
}
