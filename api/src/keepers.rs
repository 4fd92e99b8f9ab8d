//! Keepers, as far as everyone may see them.

use axum::response::Response;
use serde_json::{Value, json};

use crate::{call::Call, errors::ApiError, json};

/// `GET /api/keepers/performers`
pub async fn performers(call: Call) -> Result<Response, ApiError> {
    let keepers = call.edge.ports.keepers.all().await?;
    let shown: Vec<Value> = keepers
        .iter()
        .map(|record| {
            json!({
                "keeper_id": json::address_number(record.keeper.0),
                "keeper_address": record.keeper.0,
                "keeper_name": record.name,
            })
        })
        .collect();
    Ok(json::ok(&shown))
}
