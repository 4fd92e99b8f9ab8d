//! The chain, read and written through its node as anybody could.

use std::time::Duration;

use argus_domain::{
    U256,
    abi::{Function, encode_call},
};
use serde_json::{Value, json};

/// A node and the demo contract on its chain.
#[derive(Debug, Clone)]
pub struct Chain {
    rpc: String,
    target: String,
}

impl Chain {
    /// By address.
    pub fn new(rpc: &str, target: &str) -> Self {
        Self { rpc: rpc.to_owned(), target: target.to_owned() }
    }

    /// A JSON-RPC request.
    ///
    /// # Panics
    /// If the node does not answer with a result.
    pub async fn request(&self, method: &str, params: Value) -> Value {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build();
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let request =
            client.expect("a client").post(&self.rpc).header("content-type", "application/json").body(body);
        let text = request.send().await.expect("the node answers").text().await.expect("text");
        let mut answer: Value = serde_json::from_str(&text).expect("JSON");
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }

    /// The value stored under a key.
    pub async fn value(&self, key: &str) -> u64 {
        self.view("valueOf(string)", key).await
    }

    /// How often a value was stored under a key.
    pub async fn count(&self, key: &str) -> u64 {
        self.view("countOf(string)", key).await
    }

    async fn view(&self, signature: &str, key: &str) -> u64 {
        let call = json!({ "to": self.target, "data": calldata(signature, json!(key)) });
        let answer = self.request("eth_call", json!([call, "latest"])).await;
        let word: U256 = answer.as_str().and_then(|text| text.parse().ok()).expect("a word");
        word.to()
    }

    /// Has the demo contract emit `Pinged` about a topic, and gives the transaction's hash.
    ///
    /// # Panics
    /// If no block takes the transaction.
    pub async fn ping(&self, from: &str, topic: u64) -> String {
        let data = calldata("ping(uint256)", json!(topic.to_string()));
        let transaction = json!({ "from": from, "to": self.target, "data": data });
        let hash = self.request("eth_sendTransaction", json!([transaction])).await;
        let receipt = crate::until("the ping is mined", 10, async || {
            Some(self.request("eth_getTransactionReceipt", json!([hash])).await).filter(|r| !r.is_null())
        })
        .await;
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        hash.as_str().expect("a hash").to_owned()
    }
}

fn calldata(signature: &str, argument: Value) -> String {
    let function = Function::parse(signature).expect("a signature");
    encode_call(&function, &[argument]).expect("encoded").0.to_string()
}
