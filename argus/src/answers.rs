//! Recorded answers instead of the network: what a script's local test runs against.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::Context;
use argus_domain::ids::ChainId;
use argus_memory::recorded::{Chain, Exchange, Recorded, readers};
use argus_ports::ChainReader;
use serde::Deserialize;

/// A file of answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    http: Vec<Exchange>,
    #[serde(default)]
    chains: Vec<Chain>,
}

/// What a recorded world consists of.
pub struct Answers {
    /// HTTP.
    pub http: Arc<Recorded>,
    /// Chains.
    pub chains: BTreeMap<ChainId, Arc<dyn ChainReader>>,
}

/// Reads a file of answers.
pub fn read(file: &Path) -> anyhow::Result<Answers> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let File { http, chains } = serde_json::from_str(&text).with_context(|| {
        format!("{} holds no answers: {{\"http\": [...], \"chains\": [...]}}", file.display())
    })?;
    Ok(Answers { http: Arc::new(Recorded::new(http)), chains: readers(chains) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use argus_domain::{Address, B256, U256, chain::LogQuery};
    use argus_ports::{
        ChainError, Egress, EgressError, EgressRequest, EgressResponse, Method, Reach, chain::At,
    };

    use serde_json::json;

    use super::*;

    fn answers(text: &str) -> anyhow::Result<Answers> {
        let place = tempfile::tempdir()?;
        let file = place.path().join("answers.json");
        std::fs::write(&file, text)?;
        read(&file)
    }

    async fn ask(world: &Answers, method: Method, body: Option<&str>) -> Result<String, EgressError> {
        let response = fetch(world, method, "https://a.example/x", body).await?;
        Ok(format!("{} {}", response.status, String::from_utf8_lossy(&response.body)))
    }

    async fn fetch(
        world: &Answers,
        method: Method,
        url: &str,
        body: Option<&str>,
    ) -> Result<EgressResponse, EgressError> {
        let request = EgressRequest {
            method,
            url: url.to_owned(),
            headers: Vec::new(),
            body: body.map(|text| text.to_owned().into()),
            timeout: Duration::from_secs(1),
            max_body: 20,
            reach: Reach::default(),
        };
        world.http.fetch(request).await
    }

    #[tokio::test]
    async fn equal_requests_get_their_answers_in_order_and_the_last_again() {
        let world = answers(
            r#"{"http": [{"url": "https://a.example/x", "status": 500},
                         {"url": "https://a.example/x", "body": {"n": 1}},
                         {"method": "post", "url": "https://a.example/x", "sent": {"q": 1}, "body": "hi"},
                         {"method": "PUT", "url": "https://a.example/x", "body": "longer than twenty bytes"}]}"#,
        )
        .expect("answers");
        assert_eq!(ask(&world, Method::Get, None).await, Ok("500 ".to_owned()));
        for _ in 0..2 {
            assert_eq!(ask(&world, Method::Get, None).await, Ok(r#"200 {"n":1}"#.to_owned()));
        }
        assert_eq!(ask(&world, Method::Post, Some(r#"{ "q": 1 }"#)).await, Ok("200 hi".to_owned()));
        let other = ask(&world, Method::Post, Some(r#"{"q": 2}"#)).await.expect_err("another body");
        assert!(other.to_string().contains("POST https://a.example/x"), "{other}");
        assert_eq!(ask(&world, Method::Put, None).await, Err(EgressError::TooLarge(20)));
        world.http.rewind();
        assert_eq!(ask(&world, Method::Get, None).await, Ok("500 ".to_owned()));
    }

    #[tokio::test]
    async fn an_answer_is_for_every_spelling_of_its_url() {
        let url = "HTTPS://API.example.com:443?q=a b&of=ü'#part";
        let world = answers(
            &json!({"http": [{"url": url, "headers": [["Content-Type", "text/plain"], ["ETag", "A"]]}]})
                .to_string(),
        )
        .expect("answers");
        for same in [
            url,
            "https://api.example.com/?q=a%20b&of=%C3%BC%27",
            "https://api.example.com?q=a%20b&of=ü%27",
            "https://api.example.com:443/?q=a b&of=%C3%BC'",
            "https://api.example.com/./?q=a b&of=ü'",
        ] {
            let response = fetch(&world, Method::Get, same, None).await.expect(same);
            let headers = [("content-type", "text/plain"), ("etag", "A")];
            assert_eq!(response.headers, headers.map(|(n, v)| (n.to_owned(), v.to_owned())), "{same}");
        }
        for other in [
            "http://api.example.com/?q=a%20b&of=%C3%BC%27",
            "https://api.example.com:444/?q=a%20b&of=%C3%BC%27",
            "https://api.example.com/?of=%C3%BC%27&q=a%20b",
            "https://api.example.com/?q=a+b&of=%C3%BC%27",
            "https://api.example.com/Q?q=a%20b&of=%C3%BC%27",
            "no URL",
        ] {
            assert!(fetch(&world, Method::Get, other, None).await.is_err(), "{other}");
        }
    }

    #[tokio::test]
    async fn a_chain_answers_what_is_recorded_for_it() {
        let to = Address::repeat_byte(1);
        let world = answers(&format!(
            r#"{{"chains": [{{"id": 1, "balances": [["{to}", "5"]], "calls": [
                {{"to": "{to}", "data": "0x01", "returns": "0x02"}},
                {{"to": "{to}", "data": "0x03", "reverts": "0x04"}}]}}]}}"#
        ))
        .expect("answers");
        let chain = &world.chains[&ChainId(1)];
        let call = |data: u8| chain.call(None, to, vec![data].into(), At::Head);
        assert_eq!(call(1).await, Ok(vec![2].into()));
        assert!(matches!(call(3).await, Err(ChainError::Reverted { data, .. }) if data == vec![4]));
        assert!(matches!(call(9).await, Err(ChainError::Unreachable { .. })));
        assert_eq!(chain.balance(to, At::Head).await, Ok(U256::from(5)));
    }

    #[tokio::test]
    async fn a_chain_has_the_logs_that_are_recorded_for_it() {
        let (to, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let topic = |n: u8| B256::repeat_byte(n);
        let log = |of: Address, block: u64, n: u8| {
            format!(
                r#"{{"address": "{of}", "topics": ["{}"], "data": "0x0{n}", "block_number": {block}}}"#,
                topic(n)
            )
        };
        let logs =
            [log(to, 9, 1), log(to, 10, 1), log(to, 11, 2), log(other, 11, 1), log(to, 12, 1)].join(",");
        let world = answers(&format!(r#"{{"chains": [{{"id": 1, "logs": [{logs}]}}]}}"#)).expect("answers");
        let chain = &world.chains[&ChainId(1)];
        let found = async |addresses: &[Address], topic0: &[B256]| {
            let query = LogQuery { from: 10, to: 11, addresses: addresses.into(), topic0: topic0.into() };
            let logs = chain.logs(query).await.expect("logs");
            logs.iter().map(|log| (log.block_number, log.data[0])).collect::<Vec<_>>()
        };
        assert_eq!(found(&[], &[]).await, [(10, 1), (11, 2), (11, 1)]);
        assert_eq!(found(&[to], &[]).await, [(10, 1), (11, 2)]);
        assert_eq!(found(&[to], &[topic(2)]).await, [(11, 2)]);
        assert_eq!(found(&[], &[topic(1)]).await, [(10, 1), (11, 1)]);
    }

    #[test]
    fn a_misspelt_member_is_refused() {
        assert!(answers(r#"{"http": [{"url": "https://a.example", "stauts": 1}]}"#).is_err());
        assert!(answers(r#"{"htpp": []}"#).is_err());
    }
}
