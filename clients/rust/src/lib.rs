//! Client of the Argus API.
//!
//! A [`Client`] asks and waits for a bounded time. What is safe to send again is sent again when no answer came, or
//! one that says "later": everything that only reads, and what carries an `Idempotency-Key`. Refusals are
//! [`Error::Refused`], with the sentence, its code and every fault. Amounts are [`Wei`], never floating point.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use argus_client::{Action, Client, NewJob, Trigger};
//!
//! # async fn example() -> Result<(), argus_client::Error> {
//! let client = Client::builder("http://127.0.0.1:9002").key("TGRX-...").build()?;
//! let trigger = Trigger::every(Duration::from_secs(60));
//! let action = Action::call("0x94ee...", "record(string,uint256)", ["guide", "7"]);
//! let job = NewJob::new("1001", "0xf39F...", "every minute", 31337, trigger, action);
//! let created = client.create_jobs(&[job]).await?;
//! println!("{}", created.job_ids[0]);
//! # Ok(())
//! # }
//! ```

mod client;
mod error;
mod jobs;
mod keys;
mod live;
mod new_job;
mod pages;
mod people;
mod scripts;
mod secrets;
mod tasks;
mod webhooks;
mod wei;

pub use client::{Builder, Client};
pub use error::{Error, Fault, Refusal, Result, ScriptRefusal};
pub use jobs::{Created, Decision, Decisions, DryRun, Ended, Fees, Job, Now, Paused};
pub use keys::{ApiKey, NewKey};
pub use live::{Change, Event, Live, Room};
pub use new_job::{Action, NewJob, Trigger};
pub use people::{Keeper, Performer, RankedKeeper, RankedUser, User};
pub use reqwest::Method;
pub use scripts::{Module, Run, Script};
pub use secrets::Secret;
pub use tasks::{Task, TaskFee};
pub use webhooks::{Webhook, WebhookFailure, verify_signature};
pub use wei::Wei;
