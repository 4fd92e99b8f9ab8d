//! The links of a process: to its own roles, and to those of other processes.

use std::{path::Path, sync::Arc};

use anyhow::bail;
use argus_ports::{Aggregate, Dispatch, KeeperLink, Nudge, Outcomes};

use super::{Process, Role};
use crate::links::{self, Every, Leading, LeadingGate, LocalKeepers};

/// Roles of this process that other processes may call.
#[derive(Default)]
pub(super) struct Own {
    pub nudge: Option<Arc<dyn Nudge>>,
    pub dispatch: Option<Arc<argus_dispatcher::Handle>>,
    pub aggregate: Option<Arc<dyn Aggregate>>,
}

impl Process<'_> {
    /// Joins the links to roles that run elsewhere. A role of this process is always taken here.
    pub(super) fn join_others(&mut self) -> anyhow::Result<()> {
        // Keepers speak to the gate alone, with a token of their own; their operators are not given the platform's.
        if self.roles.iter().all(|role| *role == Role::Keeper) {
            return Ok(());
        }
        if !self.has(Role::Scheduler) {
            self.join_schedulers(None)?;
        }
        if !self.has(Role::Dispatcher) {
            self.join_dispatchers(None)?;
        }
        if !self.has(Role::Aggregator) {
            self.join_aggregators(None)?;
        }
        Ok(())
    }

    /// What this process shows to those of others.
    fn services(&self) -> (&Path, argus_tls::Role) {
        (&self.config.links.token_file, argus_tls::Role::Service)
    }

    /// Joins the link to schedulers: to this process's and all others that are configured.
    pub(super) fn join_schedulers(&mut self, own: Option<Arc<dyn Nudge>>) -> anyhow::Result<()> {
        let mut ends: Vec<_> = own.iter().map(|own| ("here".to_owned(), own.clone())).collect();
        let links = &self.config.links;
        for (url, client) in links::remotes(&links.scheduler, self.services(), links)? {
            ends.push((url, client));
        }
        if !ends.is_empty() {
            self.nudge.join(Arc::new(Every::new(ends)));
        }
        self.own.nudge = own;
        Ok(())
    }

    /// The same to dispatchers.
    pub(super) fn join_dispatchers(
        &mut self,
        own: Option<Arc<argus_dispatcher::Handle>>,
    ) -> anyhow::Result<()> {
        let links = &self.config.links;
        let here = "here".to_owned();
        let mut dispatch: Vec<(_, Arc<dyn Dispatch>)> = Vec::new();
        let mut outcomes: Vec<(_, Arc<dyn Outcomes>)> = Vec::new();
        if let Some(own) = &own {
            dispatch.push((here.clone(), own.clone()));
            outcomes.push((here, own.clone()));
        }
        for (url, client) in links::remotes(&links.dispatcher, self.services(), links)? {
            dispatch.push((url.clone(), client.clone()));
            outcomes.push((url, client));
        }
        if !dispatch.is_empty() {
            self.dispatch.join(Arc::new(Every::new(dispatch)));
            self.outcomes.join(Arc::new(Every::new(outcomes)));
        }
        self.own.dispatch = own;
        Ok(())
    }

    /// The same to aggregators: to whichever leads.
    pub(super) fn join_aggregators(&mut self, own: Option<Arc<dyn Aggregate>>) -> anyhow::Result<()> {
        let mut ends: Vec<_> = own.iter().map(|own| ("here".to_owned(), own.clone())).collect();
        let links = &self.config.links;
        for (url, client) in links::remotes(&links.aggregator, self.services(), links)? {
            ends.push((url, client));
        }
        if !ends.is_empty() {
            self.aggregate.join(Arc::new(Leading::new(ends)));
        }
        self.own.aggregate = own;
        Ok(())
    }

    /// Where keepers of this process dial in: at whichever aggregator leads.
    pub(super) fn gates(&self) -> anyhow::Result<Arc<dyn KeeperLink>> {
        let mut gates: Vec<(_, Arc<dyn KeeperLink>)> = Vec::new();
        if let Some(gate) = &self.gate {
            gates.push(("here".to_owned(), Arc::new(LocalKeepers(gate.clone()))));
        }
        let links = &self.config.links;
        let shown = (links.keeper_token_file.as_path(), argus_tls::Role::Keeper);
        for (url, client) in links::remotes(&links.aggregator, shown, links)? {
            gates.push((url, client));
        }
        if gates.is_empty() {
            bail!("keepers without an aggregator in the same process need its address in [links] aggregator");
        }
        Ok(Arc::new(LeadingGate::new(gates)))
    }

    /// Offers this process's roles to others, where the configuration says so.
    pub(super) async fn listen(&mut self) -> anyhow::Result<()> {
        let Some(address) = self.config.links.listen else { return Ok(()) };
        let served = argus_grpc::Served {
            // This process's own: what others say to it goes no further.
            nudge: self.own.nudge.clone(),
            dispatch: self.own.dispatch.clone().map(|own| own as _),
            aggregate: self.own.aggregate.clone(),
            outcomes: self.own.dispatch.clone().map(|own| own as _),
            gate: self.gate.clone(),
        };
        let serving = links::serve(served, address, &self.config.links).await?;
        self.add("links", serving);
        Ok(())
    }
}
