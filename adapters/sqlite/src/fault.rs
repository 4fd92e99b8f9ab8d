//! What goes wrong in a database, and what the callers are told.

use argus_ports::StoreError;
use rusqlite::ErrorCode;

use crate::database::OpenError;

/// Why an operation failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// SQLite says so.
    Sql(rusqlite::Error),
    /// The operation says so.
    Store(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sql(e)
    }
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Sql(e) => Self::Sqlite(e),
            Fault::Store(e) => Self::Damaged(e.to_string()),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Sql(e) => told(&e),
            Fault::Store(e) => e,
        }
    }
}

/// A full disk and an input/output error heal by themselves once there is room or the disk is back, so they are
/// errors of writing; a file that is damaged needs a human.
pub(crate) fn told(e: &rusqlite::Error) -> StoreError {
    use ErrorCode as C;
    match e.sqlite_error_code() {
        Some(C::DiskFull) => StoreError::ReadOnly(format!("the disk is full ({e}); make room")),
        Some(C::SystemIoFailure) => StoreError::ReadOnly(format!("the disk fails ({e})")),
        Some(C::ReadOnly | C::CannotOpen | C::PermissionDenied) => {
            StoreError::ReadOnly(format!("the database file cannot be written ({e})"))
        }
        Some(C::DatabaseBusy | C::DatabaseLocked | C::FileLockingProtocolFailed) => {
            StoreError::Unavailable(format!("another process holds the database ({e})"))
        }
        Some(C::DatabaseCorrupt | C::NotADatabase | C::ConstraintViolation | C::TypeMismatch) => {
            StoreError::Corrupt(e.to_string())
        }
        _ => StoreError::Unavailable(e.to_string()),
    }
}

/// What callers are told when the thread that should have answered is gone.
pub(crate) fn closed() -> StoreError {
    StoreError::Unavailable("the store is being closed".to_owned())
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn check(code: i32, is_it: fn(&StoreError) -> bool) {
        let told = told(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        assert!(is_it(&told), "{code}: {told:?}");
    }

    #[test]
    fn codes_as_a_table() {
        check(ffi::SQLITE_FULL, |e| matches!(e, StoreError::ReadOnly(_)));
        check(ffi::SQLITE_IOERR_FSYNC, |e| matches!(e, StoreError::ReadOnly(_)));
        check(ffi::SQLITE_READONLY, |e| matches!(e, StoreError::ReadOnly(_)));
        check(ffi::SQLITE_BUSY, |e| matches!(e, StoreError::Unavailable(_)));
        check(ffi::SQLITE_CORRUPT, |e| matches!(e, StoreError::Corrupt(_)));
        check(ffi::SQLITE_NOTADB, |e| matches!(e, StoreError::Corrupt(_)));
        check(ffi::SQLITE_NOMEM, StoreError::is_retryable);
    }
}
