//! Lists in pages: `limit` elements at most, those before the one that `before` names. Where there are more, a `Link`
//! leads on; clients that know nothing of it get what they always got.

use argus_domain::{
    ids::{JobId, Serial},
    job::JobRecord,
    task::TaskRecord,
};
use argus_ports::{JobQuery, TaskQuery};
use axum::http::{HeaderValue, header};

use crate::{Edge, auth, call::Call, create::Faults, errors::ApiError, reply::Reply};

/// Elements that are read at once.
const READ: u32 = 1_000;

/// Which part of a list is asked for.
pub struct Page {
    limit: usize,
    before: Option<String>,
}

impl Page {
    /// What the query asks for; `max` elements where it says nothing, and never more.
    pub fn of(call: &Call, max: usize) -> Result<Self, ApiError> {
        let mut query = call.query();
        let limit = match query.get("limit") {
            None => max,
            // One that no integer here holds is above every maximum.
            Some(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().unwrap_or(max).min(max)
            }
            Some(_) => 0,
        };
        if limit == 0 {
            return Err(ApiError::bad_request(format!(
                "limit is an integer from 1; at most {max} are shown"
            )));
        }
        Ok(Self { limit, before: query.remove("before") })
    }

    /// Most elements.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The same, as stores count.
    pub fn rows(&self) -> u32 {
        u32::try_from(self.limit).unwrap_or(u32::MAX)
    }

    /// Leads from an answer to the page after it, which begins behind this element.
    pub fn lead_on<T>(&self, call: &Call, reply: Reply<T>, last: Option<&str>) -> Reply<T> {
        let Some(last) = last else { return reply };
        let next = format!("<{}?before={last}&limit={}>; rel=\"next\"", call.parts.uri.path(), self.limit);
        match HeaderValue::from_str(&next) {
            Ok(value) => reply.with(header::LINK, value),
            Err(_) => reply,
        }
    }
}

/// A page's elements, and behind which of them the next page begins; `None`: there is none.
pub struct Part<T> {
    /// Newest first.
    pub elements: Vec<T>,
    /// Its name in a query.
    pub next: Option<String>,
}

impl<T> Part<T> {
    /// What was found, one more than is shown where there are more.
    fn cut(mut elements: Vec<T>, limit: usize, name: impl Fn(&T) -> String) -> Self {
        let has_more = elements.len() > limit;
        elements.truncate(limit);
        let next = elements.last().filter(|_| has_more).map(name);
        Self { elements, next }
    }
}

fn no_such(what: &str) -> ApiError {
    let mut faults = Faults::default();
    faults.add("before", "NO_SUCH_ELEMENT", format!("before is the {what} of an element of this list"));
    faults.into_error()
}

/// Somebody else's is none, like one that is not there.
fn or_none<T>(found: Result<T, ApiError>, what: &str) -> Result<T, ApiError> {
    found.map_err(|e| if e == ApiError::absent() { no_such(what) } else { e })
}

/// Jobs of a list that the key may see, newest first.
pub async fn jobs(call: &Call, query: JobQuery, page: &Page) -> Result<Part<JobRecord>, ApiError> {
    let (edge, key) = (&call.edge, call.key()?);
    let mut before: Option<Serial> = match &page.before {
        None => None,
        Some(text) => {
            let record = or_none(auth::own_job(edge, key, text).await, "job_id")?;
            Some(record.job.serial)
        }
    };
    // Nearly always all of them may be seen, and one more says whether there are more.
    let most = u32::try_from(page.limit.saturating_add(1)).unwrap_or(READ).min(READ);
    let mut found: Vec<JobRecord> = Vec::new();
    loop {
        let read = edge.ports.jobs.list(query.clone(), before, most).await?;
        before = read.last().map(|record| record.job.serial);
        let is_last = read.len() < most as usize;
        found.extend(read.into_iter().filter(|record| key.may_act_for(record.job.owner)));
        if is_last || found.len() > page.limit {
            return Ok(Part::cut(found, page.limit, |record| record.job.id.to_string()));
        }
    }
}

/// A task with its job.
pub type Seen = (TaskRecord, JobRecord);

/// Tasks of a list that the key may see, newest first.
pub async fn tasks(call: &Call, query: TaskQuery, page: &Page) -> Result<Part<Seen>, ApiError> {
    let (edge, key) = (&call.edge, call.key()?);
    let mut before = match &page.before {
        None => None,
        Some(text) => {
            let (task, _) = or_none(auth::own_task(edge, key, text).await, "task_id")?;
            if matches!(query, TaskQuery::Job(job) if job != task.task.job) {
                return Err(no_such("task_id"));
            }
            Some(task.task.public_id())
        }
    };
    let (mut found, mut jobs): (Vec<Seen>, Jobs) = (Vec::new(), Jobs::default());
    loop {
        let most = page.limit.saturating_add(1).saturating_sub(found.len());
        let most = u32::try_from(most).unwrap_or(READ).min(READ);
        let read = edge.ports.tasks.list(query.clone(), before, most).await?;
        before = read.last().map(|record| record.task.public_id());
        let is_last = read.len() < most as usize;
        for record in read {
            if let Some(job) = jobs.of(edge, record.task.job).await?
                && job.opened(&record.task)
                && key.may_act_for(job.job.owner)
            {
                found.push((record, job));
            }
        }
        if is_last || found.len() > page.limit {
            return Ok(Part::cut(found, page.limit, |(record, _)| record.task.public_id().to_string()));
        }
    }
}

/// Jobs of tasks, each read once.
#[derive(Default)]
struct Jobs(std::collections::BTreeMap<JobId, Option<JobRecord>>);

impl Jobs {
    async fn of(&mut self, edge: &Edge, id: JobId) -> Result<Option<JobRecord>, ApiError> {
        if let Some(known) = self.0.get(&id) {
            return Ok(known.clone());
        }
        let found = edge.ports.jobs.job(id).await?;
        self.0.insert(id, found.clone());
        Ok(found)
    }
}
