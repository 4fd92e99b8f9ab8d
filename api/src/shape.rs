//! The JSON shapes in which jobs and tasks leave the platform.

pub mod decision;
pub mod formats;
pub mod job;
pub mod job_types;
pub mod task;
pub mod task_types;
