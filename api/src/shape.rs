//! The JSON shapes in which jobs and tasks leave the platform.

pub mod decision;
pub mod job;
pub mod task;
