//! What handlers answer: a type with its schema, under a status that is part of the type, so that the route table and
//! openapi.json say of a route what it does.

use std::marker::PhantomData;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use crate::{json, once::Undone};

/// What a route answers once it has done, or looked at, what was asked.
pub trait Answer: IntoResponse {
    /// Its answers as openapi.json has them.
    fn described(schemas: &mut SchemaGenerator) -> Vec<Described>;
}

/// One answer, described.
pub struct Described {
    /// Its status.
    pub status: u16,
    /// Media type and schema of its body; `None`: there is none.
    pub content: Option<(&'static str, Schema)>,
}

/// JSON under a status.
pub struct Reply<T, const STATUS: u16 = 200> {
    body: T,
    headers: HeaderMap,
    is_undone: bool,
}

impl<T, const STATUS: u16> Reply<T, STATUS> {
    /// The answer with this body.
    pub fn of(body: T) -> Self {
        Self { body, headers: HeaderMap::new(), is_undone: false }
    }

    /// With a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The same, of which it is known that nothing was done.
    #[must_use]
    pub fn undone(self) -> Self {
        Self { is_undone: true, ..self }
    }
}

impl<T: Serialize, const STATUS: u16> IntoResponse for Reply<T, STATUS> {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(STATUS).unwrap_or(StatusCode::OK);
        let mut response = json::reply(status, &self.body);
        response.headers_mut().extend(self.headers);
        if self.is_undone {
            response.extensions_mut().insert(Undone);
        }
        response
    }
}

impl<T: Serialize + JsonSchema, const STATUS: u16> Answer for Reply<T, STATUS> {
    fn described(schemas: &mut SchemaGenerator) -> Vec<Described> {
        let content = Some(("application/json", schemas.subschema_for::<T>()));
        vec![Described { status: STATUS, content }]
    }
}

/// That it was done, in a sentence.
#[derive(Serialize, JsonSchema)]
pub struct Done {
    /// For people.
    pub message: &'static str,
}

/// 204: done, and nothing to say.
pub struct Nothing;

impl IntoResponse for Nothing {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl Answer for Nothing {
    fn described(_: &mut SchemaGenerator) -> Vec<Described> {
        vec![Described { status: StatusCode::NO_CONTENT.as_u16(), content: None }]
    }
}

/// A kind of document that is not made of one of our types.
pub trait Document {
    /// Its media type.
    const MEDIA_TYPE: &'static str;
    /// What it looks like.
    fn schema() -> Schema;
}

/// A document's bytes.
pub struct File<D> {
    bytes: Vec<u8>,
    headers: HeaderMap,
    kind: PhantomData<D>,
}

impl<D> File<D> {
    /// A document with these bytes.
    pub fn of(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), headers: HeaderMap::new(), kind: PhantomData }
    }

    /// With a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

impl<D: Document> IntoResponse for File<D> {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.bytes));
        *response.headers_mut() = self.headers;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(D::MEDIA_TYPE));
        response
    }
}

impl<D: Document> Answer for File<D> {
    fn described(_: &mut SchemaGenerator) -> Vec<Described> {
        let content = Some((D::MEDIA_TYPE, D::schema()));
        vec![Described { status: StatusCode::OK.as_u16(), content }]
    }
}

/// 101: the connection speaks another protocol from here on.
pub struct Upgrade(pub Response);

impl IntoResponse for Upgrade {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Answer for Upgrade {
    fn described(_: &mut SchemaGenerator) -> Vec<Described> {
        vec![Described { status: StatusCode::SWITCHING_PROTOCOLS.as_u16(), content: None }]
    }
}

/// One of two answers, under different statuses.
pub enum Either<A, B> {
    /// The one.
    One(A),
    /// The other.
    Other(B),
}

impl<A: IntoResponse, B: IntoResponse> IntoResponse for Either<A, B> {
    fn into_response(self) -> Response {
        match self {
            Self::One(answer) => answer.into_response(),
            Self::Other(answer) => answer.into_response(),
        }
    }
}

impl<A: Answer, B: Answer> Answer for Either<A, B> {
    fn described(schemas: &mut SchemaGenerator) -> Vec<Described> {
        let mut both = A::described(schemas);
        both.extend(B::described(schemas));
        both
    }
}
