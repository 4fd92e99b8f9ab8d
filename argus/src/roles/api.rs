//! The API, with everything that it asks.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use argus_ports::Signer;

use super::Process;
use crate::{backends, cli::keygen::read_secret, traces};

impl Process<'_> {
    fn faucet(&mut self) -> anyhow::Result<Option<Arc<dyn Signer>>> {
        let Some(key) = self.config.faucet.key.clone() else { return Ok(None) };
        Ok(Some(self.signer(&key).context("the faucet's account")?))
    }

    pub(super) async fn api(&mut self) -> anyhow::Result<()> {
        let config = argus_api::Config {
            cors_origins: self.config.api.cors_origins.clone(),
            behind_proxy: self.config.api.behind_proxy,
            keyed_per_minute: self.config.api.keyed_per_minute,
            job_registry: if self.config.api.registry_required {
                argus_api::RegistryRule::Required
            } else {
                argus_api::RegistryRule::Optional
            },
            policy: argus_api::config::PolicyDefaults {
                keepers: self.config.keepers,
                threshold: self.config.threshold,
                fee_cap_max: self.config.fees.cap,
                ..Default::default()
            },
            scripts: argus_api::config::ScriptRules {
                allow_http: self.config.api.http_scripts,
                ..Default::default()
            },
            operator_reach: self.config.egress_allow.clone(),
            tariff: self.config.fees.tariff.clone(),
            prices: argus_api::config::PriceRules {
                fresh: self.config.fees.price_fresh,
                stale_max: self.config.fees.price_stale,
            },
            registration_grace: Duration::from_millis(self.config.timing.registration_grace_ms),
            sign_in_domains: self.config.api.sign_in_domains.clone(),
            boards: self.config.api.boards.clone(),
            rooms: argus_api::config::RoomLimits {
                connections_per_key: self.config.api.connections_per_key,
                ..Default::default()
            },
            faucet: argus_api::config::FaucetRules {
                amount: self.config.faucet.amount,
                networks: self.config.faucet.networks.clone(),
            },
            failpoint: self.config.failpoint,
            ..argus_api::Config::default()
        };
        let faucet = self.faucet()?;
        let (b, store) = (&self.backends, self.backends.store()?);
        let chains = b.chains.iter().map(|(id, c)| {
            let chain = argus_api::Chain {
                reader: c.evm.clone(),
                writer: c.evm.clone(),
                contracts: c.contracts,
                explorer: c.explorer.clone(),
            };
            (*id, chain)
        });
        let ports = argus_api::Ports {
            jobs: store.clone(),
            tasks: store.clone(),
            decisions: store.clone(),
            registrations: store.clone(),
            bus: b.bus()?,
            keys: b.keys()?,
            keepers: store.clone(),
            ledger: store.clone(),
            profiles: store.clone(),
            webhooks: store.clone(),
            claims: store.clone(),
            faucet,
            recover: argus_evm::recover,
            modules: store.clone(),
            answers: store.clone(),
            content: b.content.clone(),
            archive: store.clone(),
            secrets: backends::secrets(&self.config, store.clone())?,
            egress: b.egress.clone(),
            runner: b.runner()?,
            builder: self.builder.clone(),
            clock: b.clock.clone(),
            limiter: b.limiter.clone(),
            nudge: self.nudge.clone(),
            chains: chains.collect(),
            checks: b.checks(),
            metrics: self.figures.clone(),
            witness: self.tracer.clone().map(traces::requests),
        };
        if let Some(tracer) = self.tracer.clone() {
            let told = traces::follow(self.backends.bus()?, tracer);
            self.add("traces of changes", async {
                told.await;
                Err(anyhow!("the event bus was closed"))
            });
        }
        let head_timeout = config.head_timeout;
        let (router, background) = argus_api::api(config, ports)?;
        let address = self.config.api.listen;
        let tls = match &self.config.api.tls {
            None => None,
            Some((certificates, key)) => {
                let _closed = read_secret(key, "the key of the API's certificate")?;
                Some(argus_tls::acceptor(certificates, key).context("the API has no TLS")?)
            }
        };
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .with_context(|| format!("the API cannot listen on {address}: choose another [api] listen"))?;
        tracing::info!(address = %listener.local_addr()?, "the API listens");
        self.add("api", async move {
            tokio::select! {
                () = argus_api::listen(listener, router, head_timeout, tls) => Err(anyhow!("it stopped listening")),
                () = background => Err(anyhow!("the event bus was closed")),
            }
        });
        Ok(())
    }
}
