//! What scripts remember.

use argus_domain::{
    ids::TaskNumber,
    state::{State, StateRef},
};

use crate::{
    Wire,
    field::{Malformed, Read, hash},
    v1,
};

impl Wire for State {
    type Message = v1::State;

    fn to_wire(&self) -> v1::State {
        let entry = |(key, value): (&String, &argus_domain::Bytes)| v1::state::Entry {
            key: key.clone(),
            value: value.to_vec(),
        };
        v1::State { entries: self.entries().map(entry).collect() }
    }

    fn from_wire(m: v1::State) -> Read<Self> {
        let mut state = Self::default();
        for entry in m.entries {
            let kept = state.set(&entry.key, entry.value.into());
            kept.map_err(|fault| Malformed::new("entries", fault.to_string()))?;
        }
        Ok(state)
    }
}

impl Wire for StateRef {
    type Message = v1::StateRef;

    fn to_wire(&self) -> v1::StateRef {
        v1::StateRef { root: self.root.to_vec(), version: self.version.0 }
    }

    fn from_wire(m: v1::StateRef) -> Read<Self> {
        Ok(Self { root: hash(&m.root, "root")?, version: TaskNumber(m.version) })
    }
}
