//! Calls to a chain, and its head as it was last seen.

use std::sync::Arc;

use argus_domain::{
    Address, B256, Bytes, U256,
    chain::{Block, GasPrice, Inclusion, Log, LogQuery, SignedTx, TxReceipt},
    ids::ChainId,
};
use argus_evm::EvmChain;
use argus_metrics::{Figures, Gauges, Sample, Unregistered, Value, table};
use argus_ports::{ChainError, ChainReader, ChainWriter, Clock, chain::At};
use async_trait::async_trait;

use super::Calls;

/// Figures that all chains of a process share.
#[derive(Clone)]
pub struct ChainFigures {
    calls: Calls,
    head: Gauges,
    head_time: Gauges,
    head_seen: Gauges,
}

impl ChainFigures {
    /// Registers them.
    pub fn register(figures: &Figures) -> Result<Self, Unregistered> {
        Ok(Self {
            calls: Calls::timed(figures, &table::CHAIN_CALLS, &table::CHAIN_SECONDS)?,
            head: figures.gauges(&table::CHAIN_HEAD)?,
            head_time: figures.gauges(&table::CHAIN_HEAD_TIME)?,
            head_seen: figures.gauges(&table::CHAIN_HEAD_SEEN)?,
        })
    }
}

/// The nodes of a chain, with how often each of them did not answer.
pub fn register_endpoints(
    figures: &Figures,
    chain: ChainId,
    evm: &Arc<EvmChain>,
) -> Result<(), Unregistered> {
    let series = move |evm: &EvmChain, value: fn(&argus_evm::Endpoint) -> u64| -> Vec<Sample> {
        let endpoints = evm.endpoints();
        let sample = |(place, endpoint): (u32, &argus_evm::Endpoint)| {
            Sample::of(&[&chain.to_string(), &place.to_string()], Value::Count(value(endpoint)))
        };
        (1..).zip(&endpoints).map(sample).collect()
    };
    let (failing, first) = (evm.clone(), evm.clone());
    figures.read(&table::CHAIN_ENDPOINT_FAILURES, move || series(&failing, |e| e.failures))?;
    figures.read(&table::CHAIN_ENDPOINT_FIRST, move || series(&first, |e| u64::from(e.is_first)))
}

/// A chain whose calls are counted.
pub struct CountedChain<C> {
    inner: Arc<C>,
    name: String,
    figures: ChainFigures,
    clock: Arc<dyn Clock>,
}

impl<C: ChainReader> CountedChain<C> {
    /// Around a chain.
    pub fn new(inner: Arc<C>, figures: ChainFigures, clock: Arc<dyn Clock>) -> Self {
        Self { name: inner.chain().to_string(), inner, figures, clock }
    }

    fn saw(&self, head: &Block) {
        let ChainFigures { head: number, head_time, head_seen, .. } = &self.figures;
        let name = [self.name.as_str()];
        number.of(&name).set(head.number);
        head_time.of(&name).set(head.time.0 / 1000);
        head_seen.of(&name).set(self.clock.now().0 / 1000);
    }
}

/// Makes a call of the chain within and counts it under its name.
macro_rules! counted {
    ($self:ident, $port:ident :: $verb:ident ($($argument:expr),*)) => {
        $self.figures.calls.call(&[&$self.name, stringify!($verb)], $port::$verb(&*$self.inner $(, $argument)*)).await
    };
}

#[async_trait]
impl<C: ChainReader> ChainReader for CountedChain<C> {
    fn chain(&self) -> ChainId {
        self.inner.chain()
    }

    async fn block(&self, at: At) -> Result<Option<Block>, ChainError> {
        let found = counted!(self, ChainReader::block(at))?;
        if let (At::Head, Some(head)) = (at, &found) {
            self.saw(head);
        }
        Ok(found)
    }

    async fn call(
        &self,
        from: Option<Address>,
        to: Address,
        data: Bytes,
        at: At,
    ) -> Result<Bytes, ChainError> {
        counted!(self, ChainReader::call(from, to, data, at))
    }

    async fn balance(&self, account: Address, at: At) -> Result<U256, ChainError> {
        counted!(self, ChainReader::balance(account, at))
    }

    async fn logs(&self, query: LogQuery) -> Result<Vec<Log>, ChainError> {
        counted!(self, ChainReader::logs(query))
    }

    async fn receipt(&self, transaction: B256) -> Result<Option<TxReceipt>, ChainError> {
        counted!(self, ChainReader::receipt(transaction))
    }

    async fn code(&self, account: Address) -> Result<Bytes, ChainError> {
        counted!(self, ChainReader::code(account))
    }

    async fn inclusion(&self, transaction: B256, block: B256) -> Result<Inclusion, ChainError> {
        counted!(self, ChainReader::inclusion(transaction, block))
    }
}

#[async_trait]
impl<C: ChainReader + ChainWriter> ChainWriter for CountedChain<C> {
    fn chain(&self) -> ChainId {
        ChainWriter::chain(&*self.inner)
    }

    async fn nonce(&self, account: Address) -> Result<u64, ChainError> {
        counted!(self, ChainWriter::nonce(account))
    }

    async fn gas_price(&self) -> Result<GasPrice, ChainError> {
        counted!(self, ChainWriter::gas_price())
    }

    async fn estimate(
        &self,
        from: Address,
        to: Address,
        value: U256,
        data: Bytes,
    ) -> Result<u64, ChainError> {
        counted!(self, ChainWriter::estimate(from, to, value, data))
    }

    async fn send(&self, tx: &SignedTx) -> Result<(), ChainError> {
        counted!(self, ChainWriter::send(tx))
    }
}
