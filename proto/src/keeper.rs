//! Keepers.

use argus_domain::{
    keeper::{KeeperHello, KeeperRecord, LiveKeeper},
    module::EngineId,
    time::Timestamp,
};

use crate::{
    Wire,
    field::{Read, chains, hash, keeper, need, u128},
    v1,
};

impl Wire for KeeperRecord {
    type Message = v1::KeeperRecord;

    fn to_wire(&self) -> v1::KeeperRecord {
        v1::KeeperRecord {
            keeper: self.keeper.0.to_vec(),
            name: self.name.clone(),
            stake: self.stake.to_be_bytes().to_vec(),
            chains: self.chains.iter().map(|chain| chain.0).collect(),
            faults: self.faults,
            registered_at_ms: self.registered_at.0,
        }
    }

    fn from_wire(m: v1::KeeperRecord) -> Read<Self> {
        Ok(Self {
            keeper: keeper(&m.keeper, "keeper")?,
            name: m.name,
            stake: u128(&m.stake, "stake")?,
            chains: chains(m.chains),
            faults: m.faults,
            registered_at: Timestamp(m.registered_at_ms),
        })
    }
}

impl Wire for KeeperHello {
    type Message = v1::KeeperHello;

    fn to_wire(&self) -> v1::KeeperHello {
        v1::KeeperHello {
            keeper: self.keeper.0.to_vec(),
            engines: self.engines.iter().map(|engine| engine.0.to_vec()).collect(),
            chains: self.chains.iter().map(|chain| chain.0).collect(),
            capacity: self.capacity,
            version: self.version.clone(),
            box_key: self.box_key.map(|key| key.to_vec()),
        }
    }

    fn from_wire(m: v1::KeeperHello) -> Read<Self> {
        Ok(Self {
            keeper: keeper(&m.keeper, "keeper")?,
            engines: m.engines.iter().map(|id| hash(id, "engines").map(EngineId)).collect::<Read<_>>()?,
            chains: chains(m.chains),
            capacity: m.capacity,
            version: m.version,
            box_key: m.box_key.map(|key| hash(&key, "box_key")).transpose()?,
        })
    }
}

impl Wire for LiveKeeper {
    type Message = v1::LiveKeeper;

    fn to_wire(&self) -> v1::LiveKeeper {
        v1::LiveKeeper {
            hello: Some(self.hello.to_wire()),
            load: self.load,
            heard_at_ms: self.heard_at.0,
            stake: self.stake.to_be_bytes().to_vec(),
            faults: self.faults,
        }
    }

    fn from_wire(m: v1::LiveKeeper) -> Read<Self> {
        Ok(Self {
            hello: need(m.hello, "hello")?,
            load: m.load,
            heard_at: Timestamp(m.heard_at_ms),
            stake: u128(&m.stake, "stake")?,
            faults: m.faults,
        })
    }
}
