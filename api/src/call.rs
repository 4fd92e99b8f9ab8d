//! One request, after policy has let it through.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use argus_domain::{
    Address, access::ApiKey, job::JobRecord, task::TaskRecord, time::Timestamp, webhook::Webhook,
};
use axum::http::request::Parts;
use bytes::Bytes;
use serde_json::Value;

use crate::{
    Edge,
    errors::ApiError,
    json,
    routes::{Body, Form, Route},
};

/// A request with what policy found: handlers see no key that may not call them, and no subject that the key may
/// not act for.
pub struct Call {
    /// The edge's ports and settings.
    pub edge: Arc<Edge>,
    /// The route that it came by.
    pub route: &'static Route,
    /// The caller's key; `None` on routes that need none.
    pub key: Option<ApiKey>,
    /// Parameters of the path, decoded.
    pub params: BTreeMap<String, String>,
    /// What the path names.
    pub subject: Found,
    /// The head of the request.
    pub parts: Parts,
    /// Its body.
    pub body: Bytes,
    /// When it was let through.
    pub now: Timestamp,
}

/// What a path names, loaded and the caller's to see.
pub enum Found {
    /// Nothing.
    Nothing,
    /// A job.
    Job(Box<JobRecord>),
    /// A task and its job.
    Task(Box<(TaskRecord, JobRecord)>),
    /// An address.
    Address(Address),
    /// A webhook.
    Webhook(Box<Webhook>),
}

impl Call {
    /// The caller's key.
    pub fn key(&self) -> Result<&ApiKey, ApiError> {
        self.key.as_ref().ok_or_else(|| ApiError::internal("a keyed handler without a key"))
    }

    /// The job that the path names.
    pub fn job(&self) -> Result<&JobRecord, ApiError> {
        match &self.subject {
            Found::Job(record) => Ok(record),
            Found::Task(both) => Ok(&both.1),
            Found::Nothing | Found::Address(_) | Found::Webhook(_) => {
                Err(ApiError::internal("a path without its job"))
            }
        }
    }

    /// The task that the path names.
    pub fn task(&self) -> Result<&TaskRecord, ApiError> {
        match &self.subject {
            Found::Task(both) => Ok(&both.0),
            Found::Nothing | Found::Job(_) | Found::Address(_) | Found::Webhook(_) => {
                Err(ApiError::internal("a path without its task"))
            }
        }
    }

    /// The address that the path names.
    pub fn address(&self) -> Result<Address, ApiError> {
        match &self.subject {
            Found::Address(address) => Ok(*address),
            Found::Nothing | Found::Job(_) | Found::Task(_) | Found::Webhook(_) => {
                Err(ApiError::internal("a path without its address"))
            }
        }
    }

    /// The webhook that the path names.
    pub fn webhook(&self) -> Result<&Webhook, ApiError> {
        match &self.subject {
            Found::Webhook(webhook) => Ok(webhook),
            Found::Nothing | Found::Job(_) | Found::Task(_) | Found::Address(_) => {
                Err(ApiError::internal("a path without its webhook"))
            }
        }
    }

    /// A parameter of the path.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// The query's pairs, those alone that the route's table names: what it hides from clients does not work either.
    pub fn query(&self) -> BTreeMap<String, String> {
        let mut pairs = json::query(self.parts.uri.query().unwrap_or_default());
        pairs.retain(|name, _| self.route.query.iter().any(|known| known.name == name));
        pairs
    }

    /// The body as JSON; of its fields those alone that the route's table names.
    pub fn json(&self) -> Result<Value, ApiError> {
        Ok(self.json_and_rest()?.0)
    }

    /// The same, and the names of the others.
    pub fn json_and_rest(&self) -> Result<(Value, BTreeSet<String>), ApiError> {
        let mut value = match self.route.body {
            Body::Json(Form::OneOrNone, _) => json::parse_or_empty(&self.body)?,
            Body::None | Body::Unread | Body::Json(..) | Body::Module(_) => json::parse(&self.body)?,
        };
        let objects = match &mut value {
            Value::Array(elements) => elements.as_mut_slice(),
            one => std::slice::from_mut(one),
        };
        let known = self.route.body.object();
        let mut rest = BTreeSet::new();
        for map in objects.iter_mut().filter_map(Value::as_object_mut) {
            map.retain(|name, _| {
                let is_known = known.is_some_and(|object| object.knows(name));
                if !is_known {
                    rest.insert(name.clone());
                }
                is_known
            });
        }
        Ok((value, rest))
    }
}
