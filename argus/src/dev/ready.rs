//! What `argus dev` says once everything is up.

use std::{path::PathBuf, time::Duration};

use anyhow::bail;
use argus_domain::ids::ChainId;
use argus_evm::deploy::Deployed;
use serde_json::{Value, json};

use super::{accounts, folder::ApiKeys};
use crate::cli::show;

/// Longest wait for the platform: the first start compiles the JavaScript engine.
const UP: Duration = Duration::from_secs(60);

/// Everything that is said.
pub struct Ready {
    /// Of the API.
    pub port: u16,
    /// The chain.
    pub chain: ChainId,
    /// Its node.
    pub rpc: String,
    /// Our contracts.
    pub deployed: Deployed,
    /// API keys.
    pub keys: ApiKeys,
    /// Where scripts are kept.
    pub content: PathBuf,
}

/// Waits until the API says that it is ready.
pub async fn wait(port: u16) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build()?;
    let url = format!("http://127.0.0.1:{port}/ready");
    let up = async {
        loop {
            if client.get(&url).send().await.is_ok_and(|r| r.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(UP, up).await.is_err() {
        bail!("the platform was not ready within 60 s; --log info says what it waits for");
    }
    Ok(())
}

impl Ready {
    /// One JSON object on one line, or a screen for people.
    pub fn show(&self, as_json: bool) {
        if as_json { show::json(&self.object()) } else { show::line(self.screen()) }
    }

    /// Others rely on these names.
    fn object(&self) -> Value {
        let c = &self.deployed.contracts;
        let accounts: Vec<_> = accounts::users()
            .map(|a| json!({ "address": a.address.to_string(), "private_key": a.private_key }))
            .collect();
        json!({
            "api": self.api(),
            "ws": format!("ws://127.0.0.1:{}/api/ws/tasks", self.port),
            "rpc": self.rpc,
            "chain_id": self.chain.0,
            "keys": self.keys,
            "contracts": {
                "executor": c.executor.to_string(),
                "keeper_registry": c.keeper_registry.to_string(),
                "job_registry": c.job_registry.to_string(),
                "gas_registry": c.gas_registry.to_string(),
                "demo_target": self.deployed.target.map(|t| t.to_string()),
                "safe_factory": self.deployed.safes.map(|s| s.factory.to_string()),
                "safe_module": self.deployed.safes.map(|s| s.module.to_string()),
                "multisend_call_only": self.deployed.safes.map(|s| s.multi_send_call_only.to_string()),
            },
            "accounts": accounts,
            "content": self.content,
        })
    }

    fn api(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn screen(&self) -> String {
        let c = &self.deployed.contracts;
        let (api, keys) = (self.api(), &self.keys);
        let target = self.deployed.target.unwrap_or_default();
        let (user, signer) = accounts::users().next().map(|a| (a.address, a.private_key)).unwrap_or_default();
        let chain = self.chain.0;
        let rpc = &self.rpc;
        let safes = self.deployed.safes.map_or_else(String::new, |s| {
            let (factory, module, multi) = (s.factory, s.module, s.multi_send_call_only);
            format!(
                ",\n      safeFactory: '{factory}', safeModule: '{module}',\n      multisendCallOnly: '{multi}'"
            )
        });
        format!(
            "\nArgus is up. Ctrl-C stops it; a second start with the same --data goes on where this one was.\n\n  \
             API        {api}\n  WebSocket  ws://127.0.0.1:{port}/api/ws/tasks?api_key=KEY\n  chain      {chain} at {rpc}\n\n  \
             keys       app    {app}\n             user   {user_key}   (for {user})\n             admin  {admin}\n\n  \
             contracts  executor         {executor}\n             keeper registry  {keepers}\n             \
             job registry     {jobs}\n             gas registry     {gas}\n             demo target      {target}\n\n\
             A job that calls the demo target every 5 s for a minute:\n\n  \
             curl -s {api}/api/jobs -H 'X-Api-Key: {app}' -d '[{{\"job_id\":\"'$(date +%s)'\",\"user_address\":\"{user}\",\
             \"job_title\":\"first job\",\"task_definition_id\":1,\"time_frame\":60,\"timezone\":\"UTC\",\
             \"schedule_type\":\"interval\",\"time_interval\":5,\"created_chain_id\":\"{chain}\",\"target_chain_id\":\"{chain}\",\
             \"target_contract_address\":\"{target}\",\"target_function\":\"record(string,uint256)\",\"abi\":\"[]\",\
             \"arg_type\":1,\"arguments\":[\"first\",\"42\"]}}]'\n\n\
             The TriggerX SDK on this chain (development keys only):\n\n  \
             const {{ TriggerXClient }} = require('sdk-triggerx'), {{ ethers }} = require('ethers');\n  \
             require('sdk-triggerx/dist/config').CONTRACT_ADDRESSES_BY_CHAIN['{chain}'] =\n    \
             {{ gasRegistry: '{gas}', jobRegistry: '{jobs}', rpcUrl: '{rpc}'{safes} }};\n  \
             const client = new TriggerXClient('{app}', {{ baseURL: '{api}' }});\n  \
             const provider = new ethers.JsonRpcProvider('{rpc}', {chain}, {{ pollingInterval: 250 }});\n  \
             const signer = new ethers.Wallet('{signer}', provider);\n",
            port = self.port,
            app = keys.app,
            user_key = keys.user,
            admin = keys.admin,
            executor = c.executor,
            keepers = c.keeper_registry,
            jobs = c.job_registry,
            gas = c.gas_registry,
        )
    }
}
