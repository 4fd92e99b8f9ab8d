//! Filters of event jobs.

use argus_domain::{
    event::{BadFilter, EventFilter, EventRequest},
    ids::ChainId,
};

use crate::{
    Edge,
    create::{Faults, Fields},
};

/// Most blocks on top of an event's own.
pub const CONFIRMATIONS_MAX: u64 = 1_000;

/// The filter of a job. One that cannot be compiled is refused and never "matches all".
pub fn parse(edge: &Edge, fields: &Fields<'_>, faults: &mut Faults) -> Option<EventFilter> {
    let chain = fields.chain("trigger_chain_id", faults);
    if let Some(chain) = chain
        && !edge.ports.chains.contains_key(&chain)
    {
        let message = format!("chain {chain} is not among those that this platform reads");
        faults.add(fields.path("trigger_chain_id"), "CHAIN_UNSUPPORTED", message);
    }
    let contract = fields.address("trigger_contract_address", faults);
    let event = fields.text("trigger_event", faults);
    let own = fields.text("trigger_abi", faults);
    let abi = if own.is_empty() { fields.text("abi", faults) } else { own };
    let parameter = fields.text("event_filter_para_name", faults);
    let value = fields.text("event_filter_value", faults);
    let confirmations = fields
        .whole("confirmations", (0, CONFIRMATIONS_MAX), faults)
        .unwrap_or(edge.config.policy.confirmations);
    // What is wrong with the event is told beside what is wrong with its place.
    let request = EventRequest {
        chain: chain.unwrap_or(ChainId(0)),
        contract: contract.unwrap_or_default(),
        event: &event,
        abi: &abi,
        parameter: &parameter,
        value: &value,
        confirmations,
    };
    match EventFilter::compile(&request) {
        Ok(filter) => chain.and(contract).map(|_| filter),
        Err(e) => {
            let field = match &e {
                BadFilter::Event(_) | BadFilter::NoEvent | BadFilter::IndexedUnknown(_) => "trigger_event",
                BadFilter::NoParameter
                | BadFilter::UnknownParameter { .. }
                | BadFilter::NoSuchTopic { .. } => "event_filter_para_name",
                BadFilter::NoValue(_) | BadFilter::BadTopic(_) => "event_filter_value",
            };
            faults.add(fields.path(field), "EVENT_FILTER", e.to_string());
            None
        }
    }
}
