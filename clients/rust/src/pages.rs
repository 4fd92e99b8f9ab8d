//! Lists that come in pages.

use std::collections::VecDeque;

use futures::{Stream, stream};
use reqwest::header::{HeaderMap, LINK};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Client, Error, Result};

/// A list: its route, and under which name of the answer the elements stand; none: the answer is the list.
pub(crate) struct List {
    pub(crate) parts: Vec<String>,
    pub(crate) field: Option<&'static str>,
    /// Elements of one page; `None`: as many as the platform gives.
    pub(crate) page: Option<u32>,
}

impl List {
    pub(crate) fn of(parts: &[&str], field: Option<&'static str>, page: Option<u32>) -> Self {
        Self { parts: parts.iter().map(|&part| part.to_owned()).collect(), field, page }
    }
}

struct Place<T> {
    ready: VecDeque<T>,
    before: Option<String>,
    is_last: bool,
}

impl Client {
    /// All elements, newest first; the next page is asked for when the one before is used up.
    pub(crate) fn listed<T>(&self, list: List) -> impl Stream<Item = Result<T>> + use<T>
    where
        T: DeserializeOwned + Send,
    {
        let client = self.clone();
        let start = Place { ready: VecDeque::new(), before: None, is_last: false };
        stream::try_unfold((client, list, start), async |(client, list, mut place)| {
            while place.ready.is_empty() && !place.is_last {
                place = client.page(&list, place.before.as_deref()).await?;
            }
            Ok(place.ready.pop_front().map(|element| (element, (client, list, place))))
        })
    }

    async fn page<T: DeserializeOwned>(&self, list: &List, before: Option<&str>) -> Result<Place<T>> {
        let parts: Vec<&str> = list.parts.iter().map(String::as_str).collect();
        let ask = self.get(&parts)?.query("limit", list.page).query("before", before);
        let answer = self.answer(ask).await?;
        let mut body: Value = answer.read()?;
        let elements = match list.field {
            Some(field) => body[field].take(),
            None => body,
        };
        let ready: VecDeque<T> =
            serde_json::from_value(elements).map_err(|e| Error::Answer(e.to_string()))?;
        let next = next_page(&answer.headers);
        // A page that leads to itself, or nowhere, is the last one.
        let is_last = next.is_none() || ready.is_empty() || next.as_deref() == before;
        Ok(Place { ready, before: next, is_last })
    }
}

/// The `before` of the link to the next page (RFC 8288); the rest of the address is known.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let link = headers.get(LINK)?.to_str().ok()?;
    let (target, rest) = link.strip_prefix('<')?.split_once('>')?;
    let (_, query) = target.split_once('?').filter(|_| rest.contains("rel=\"next\""))?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "before")
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_the_next_page_or_nowhere() {
        for (link, before) in [
            (r#"</api/jobs/by-apikey?before=17&limit=2>; rel="next""#, Some("17")),
            (r#"</api/jobs/by-apikey?limit=2>; rel="next""#, None),
            (r#"</api/jobs/by-apikey?before=17>; rel="prev""#, None),
            ("before=17", None),
        ] {
            let headers = HeaderMap::from_iter([(LINK, link.parse().expect("a header"))]);
            assert_eq!(next_page(&headers).as_deref(), before, "{link}");
        }
        assert_eq!(next_page(&HeaderMap::new()), None);
    }
}
