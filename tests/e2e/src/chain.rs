//! The chain, read and written through its node as anybody could.

use std::time::Duration;

use argus_domain::{
    B256, Bytes, U256,
    abi::{Function, encode_call},
    keccak256,
};
use serde_json::{Value, json};

/// A node and the demo contract on its chain.
#[derive(Debug, Clone)]
pub struct Chain {
    rpc: String,
    target: String,
}

/// An effect of a job: the demo contract was told to store a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recorded {
    /// In which transaction.
    pub transaction: String,
    /// Under which key.
    pub key: String,
    /// What.
    pub value: u64,
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

    /// Every effect there ever was on this chain, oldest first.
    pub async fn recorded(&self) -> Vec<Recorded> {
        let topic = keccak256("Recorded(string,uint256,uint256)");
        let filter = json!({
            "address": self.target, "fromBlock": "0x0", "toBlock": "latest", "topics": [topic.to_string()],
        });
        let logs = self.request("eth_getLogs", json!([filter])).await;
        logs.as_array().expect("logs").iter().map(recorded).collect()
    }

    /// Whether the transaction succeeded; `None`: no block has it.
    pub async fn succeeded(&self, transaction: &str) -> Option<bool> {
        let receipt = self.request("eth_getTransactionReceipt", json!([transaction])).await;
        receipt["status"].as_str().map(|status| status == "0x1")
    }

    /// The hash of the block that has the transaction; `None`: no block has it.
    pub async fn block_of(&self, transaction: &str) -> Option<String> {
        let receipt = self.request("eth_getTransactionReceipt", json!([transaction])).await;
        receipt["blockHash"].as_str().map(str::to_owned)
    }

    async fn view(&self, signature: &str, key: &str) -> u64 {
        self.word(&self.target, signature, &[json!(key)]).await.to()
    }

    /// A contract's answer of one word.
    async fn word(&self, contract: &str, signature: &str, arguments: &[Value]) -> U256 {
        let call = json!({ "to": contract, "data": calldata(signature, arguments) });
        let answer = self.request("eth_call", json!([call, "latest"])).await;
        answer.as_str().and_then(|text| text.parse().ok()).expect("a word")
    }

    /// Has the demo contract emit `Pinged` about a topic, and gives the transaction's hash.
    ///
    /// # Panics
    /// If no block takes the transaction.
    pub async fn ping(&self, from: &str, topic: u64) -> String {
        let data = calldata("ping(uint256)", &[json!(topic.to_string())]);
        self.send(json!({ "from": from, "to": self.target, "data": data })).await
    }

    /// Deposits wei for somebody in the gas registry.
    ///
    /// # Panics
    /// If no block takes the transaction.
    pub async fn deposit(&self, from: &str, registry: &str, account: &str, wei: U256) {
        let data = calldata("depositFor(address)", &[json!(account)]);
        self.send(json!({ "from": from, "to": registry, "value": format!("{wei:#x}"), "data": data })).await;
    }

    /// What somebody has in the gas registry, wei.
    ///
    /// # Panics
    /// If the node does not answer with a number.
    pub async fn credit(&self, registry: &str, account: &str) -> U256 {
        self.word(registry, "getBalance(address)", &[json!(account)]).await
    }

    /// Has the factory make a Safe for an account, and gives its address.
    ///
    /// # Panics
    /// If no block takes the transaction.
    pub async fn make_safe(&self, factory: &str, owner: &str) -> String {
        let data = calldata("createSafeWallet(address)", &[json!(owner)]);
        let hash = self.send(json!({ "from": owner, "to": factory, "data": data })).await;
        let receipt = self.request("eth_getTransactionReceipt", json!([hash])).await;
        let logs = receipt["logs"].as_array().expect("logs");
        let made = logs
            .iter()
            .find(|log| log["address"].as_str().is_some_and(|at| at.eq_ignore_ascii_case(factory)));
        let topic = made.and_then(|log| log["topics"][2].as_str()).expect("a Safe's address");
        format!("0x{}", &topic[26..])
    }

    /// What an owner of a Safe signs so that the Safe says of a digest that it signed it.
    ///
    /// # Panics
    /// If that is no Safe.
    pub async fn safe_message(&self, safe: &str, digest: B256) -> B256 {
        self.word(safe, "getMessageHash(bytes)", &[json!(digest)]).await.into()
    }

    /// Registers a job that runs every second in the job registry, and gives its id and the transaction's hash.
    ///
    /// # Panics
    /// If no block takes the transaction.
    pub async fn register(&self, from: &str, registry: &str, target: &str) -> (String, String) {
        let data = calldata(
            "createJob(string,uint8,uint256,address,bytes)",
            &[json!("end to end"), json!(1), json!(120), json!(target), json!(format!("{:#066x}", 1))],
        );
        let hash = self.send(json!({ "from": from, "to": registry, "data": data })).await;
        let receipt = self.request("eth_getTransactionReceipt", json!([hash])).await;
        let id: U256 = receipt["logs"][0]["topics"][1].as_str().and_then(|t| t.parse().ok()).expect("an id");
        (id.to_string(), hash)
    }

    /// Deletes a job in the job registry, and gives the transaction's hash.
    ///
    /// # Panics
    /// If no block takes the transaction.
    pub async fn unregister(&self, from: &str, registry: &str, job: &str) -> String {
        let data = calldata("deleteJob(uint256)", &[json!(job)]);
        self.send(json!({ "from": from, "to": registry, "data": data })).await
    }

    /// Sends a transaction of an account that the node has the key of, and waits until it is mined.
    async fn send(&self, transaction: Value) -> String {
        let hash = self.request("eth_sendTransaction", json!([transaction])).await;
        let receipt = crate::until("the transaction is mined", 10, async || {
            Some(self.request("eth_getTransactionReceipt", json!([hash])).await).filter(|r| !r.is_null())
        })
        .await;
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        hash.as_str().expect("a hash").to_owned()
    }
}

/// Reads `Recorded(string key, uint256 value, uint256 count)`: three words, then the key's length and text.
fn recorded(log: &Value) -> Recorded {
    let text = |field: &str| log[field].as_str().unwrap_or_else(|| panic!("{field}: {log}")).to_owned();
    let data: Bytes = text("data").parse().expect("bytes");
    let word = |n: usize| U256::from_be_slice(&data[32 * n..32 * (n + 1)]).to::<u64>();
    let length = usize::try_from(word(3)).expect("a length");
    let key = String::from_utf8(data[128..128 + length].to_vec()).expect("text");
    Recorded { transaction: text("transactionHash"), key, value: word(1) }
}

fn calldata(signature: &str, arguments: &[Value]) -> String {
    let function = Function::parse(signature).expect("a signature");
    encode_call(&function, arguments).expect("encoded").0.to_string()
}
