//! Calls, logs, pins, limits and transactions.

use std::collections::BTreeMap;

use argus_domain::{
    call::Call,
    chain::{Log, Pin, SignedTx, TxDraft},
    ids::ChainId,
    limits::Limits,
    time::Timestamp,
};

use crate::{
    Malformed, Wire,
    field::{Read, address, hash, need, texts, u128, u256, values, word},
    v1,
};

impl Wire for Pin {
    type Message = v1::Pin;

    fn to_wire(&self) -> v1::Pin {
        v1::Pin { number: self.number, hash: self.hash.to_vec() }
    }

    fn from_wire(m: v1::Pin) -> Read<Self> {
        Ok(Self { number: m.number, hash: hash(&m.hash, "hash")? })
    }
}

pub(crate) fn pins_to_wire(pins: &BTreeMap<ChainId, Pin>) -> Vec<v1::ChainPin> {
    pins.iter().map(|(chain, pin)| v1::ChainPin { chain: chain.0, pin: Some(pin.to_wire()) }).collect()
}

pub(crate) fn pins_from_wire(pins: Vec<v1::ChainPin>, field: &str) -> Read<BTreeMap<ChainId, Pin>> {
    let mut map = BTreeMap::new();
    for pin in pins {
        let value = need(pin.pin, field)?;
        if map.insert(ChainId(pin.chain), value).is_some() {
            return Err(Malformed::new(field, format!("chain {} is there twice", pin.chain)));
        }
    }
    Ok(map)
}

impl Wire for Log {
    type Message = v1::Log;

    fn to_wire(&self) -> v1::Log {
        v1::Log {
            chain: self.chain.0,
            address: self.address.to_vec(),
            topics: self.topics.iter().map(|t| t.to_vec()).collect(),
            data: self.data.to_vec(),
            block_number: self.block_number,
            block_hash: self.block_hash.to_vec(),
            block_time_ms: self.block_time.0,
            transaction: self.transaction.to_vec(),
            index_in_block: self.index_in_block,
            index_in_transaction: self.index_in_transaction,
        }
    }

    fn from_wire(m: v1::Log) -> Read<Self> {
        Ok(Self {
            chain: ChainId(m.chain),
            address: address(&m.address, "address")?,
            topics: m.topics.iter().map(|t| hash(t, "topics")).collect::<Read<_>>()?,
            data: m.data.into(),
            block_number: m.block_number,
            block_hash: hash(&m.block_hash, "block_hash")?,
            block_time: Timestamp(m.block_time_ms),
            transaction: hash(&m.transaction, "transaction")?,
            index_in_block: m.index_in_block,
            index_in_transaction: m.index_in_transaction,
        })
    }
}

impl Wire for Call {
    type Message = v1::Call;

    fn to_wire(&self) -> v1::Call {
        v1::Call {
            chain: self.chain.0,
            target: self.target.to_vec(),
            value_wei: word(self.value),
            calldata: self.calldata.to_vec(),
            arguments: texts(&self.arguments),
        }
    }

    fn from_wire(m: v1::Call) -> Read<Self> {
        Ok(Self {
            chain: ChainId(m.chain),
            target: address(&m.target, "target")?,
            value: u256(&m.value_wei, "value_wei")?,
            calldata: m.calldata.into(),
            arguments: values(&m.arguments, "arguments")?,
        })
    }
}

impl Wire for Limits {
    type Message = v1::Limits;

    fn to_wire(&self) -> v1::Limits {
        v1::Limits {
            fuel_max: self.fuel_max,
            memory_bytes: self.memory_bytes,
            wall_ms: self.wall_ms,
            output_bytes: self.output_bytes,
            log_bytes: self.log_bytes,
            host_calls: self.host_calls,
            http_calls: self.http_calls,
            http_body_bytes: self.http_body_bytes,
            http_wall_ms: self.http_wall_ms,
            evm_calls: self.evm_calls,
            json_depth: self.json_depth,
            table_elements: self.table_elements,
            command_bytes: self.command_bytes,
        }
    }

    fn from_wire(m: v1::Limits) -> Read<Self> {
        Ok(Self {
            fuel_max: m.fuel_max,
            memory_bytes: m.memory_bytes,
            wall_ms: m.wall_ms,
            output_bytes: m.output_bytes,
            log_bytes: m.log_bytes,
            host_calls: m.host_calls,
            http_calls: m.http_calls,
            http_body_bytes: m.http_body_bytes,
            http_wall_ms: m.http_wall_ms,
            evm_calls: m.evm_calls,
            json_depth: m.json_depth,
            table_elements: m.table_elements,
            // What was stored before there was this limit.
            command_bytes: if m.command_bytes == 0 { Self::DEFAULT.command_bytes } else { m.command_bytes },
        })
    }
}

impl Wire for TxDraft {
    type Message = v1::TxDraft;

    fn to_wire(&self) -> v1::TxDraft {
        v1::TxDraft {
            chain: self.chain.0,
            nonce: self.nonce,
            to: self.to.to_vec(),
            value_wei: word(self.value),
            data: self.data.to_vec(),
            gas_limit: self.gas_limit,
            max_fee_per_gas_wei: self.max_fee_per_gas.to_be_bytes().to_vec(),
            max_priority_fee_per_gas_wei: self.max_priority_fee_per_gas.to_be_bytes().to_vec(),
        }
    }

    fn from_wire(m: v1::TxDraft) -> Read<Self> {
        Ok(Self {
            chain: ChainId(m.chain),
            nonce: m.nonce,
            to: address(&m.to, "to")?,
            value: u256(&m.value_wei, "value_wei")?,
            data: m.data.into(),
            gas_limit: m.gas_limit,
            max_fee_per_gas: u128(&m.max_fee_per_gas_wei, "max_fee_per_gas_wei")?,
            max_priority_fee_per_gas: u128(&m.max_priority_fee_per_gas_wei, "max_priority_fee_per_gas_wei")?,
        })
    }
}

impl Wire for SignedTx {
    type Message = v1::SignedTx;

    fn to_wire(&self) -> v1::SignedTx {
        v1::SignedTx { hash: self.hash.to_vec(), raw: self.raw.to_vec() }
    }

    fn from_wire(m: v1::SignedTx) -> Read<Self> {
        Ok(Self { hash: hash(&m.hash, "hash")?, raw: m.raw.into() })
    }
}
