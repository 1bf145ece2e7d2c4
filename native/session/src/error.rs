//! What goes wrong with a session as a whole. Errors of single requests are `Errno`s and never come here.

use std::borrow::Cow;
use std::fmt;
use std::io;

/// Class of an [`Error`], for callers that decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The device or the memory of the session could not be set up.
    Resources,
    /// The kernel did not speak in time.
    TimedOut,
    /// The kernel speaks a protocol version that is not supported.
    Unsupported,
    /// The kernel ended the connection: unmounted or aborted.
    Disconnected,
    /// The first message was not a valid INIT.
    Protocol,
    /// The file system refused to start.
    Refused,
}

/// A failure of the session: what was done to what, why it failed, and what helps.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    operation: &'static str,
    object: Cow<'static, str>,
    source: Option<io::Error>,
    remedy: &'static str,
}

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        operation: &'static str,
        object: impl Into<Cow<'static, str>>,
        remedy: &'static str,
    ) -> Self {
        Self {
            kind,
            operation,
            object: object.into(),
            source: None,
            remedy,
        }
    }

    pub(crate) fn caused_by(mut self, source: io::Error) -> Self {
        self.source = Some(source);
        self
    }

    /// Class of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was being done.
    pub fn operation(&self) -> &str {
        self.operation
    }

    /// What it was done to.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// What helps.
    pub fn remedy(&self) -> &str {
        self.remedy
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} failed", self.operation, self.object)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        write!(f, "; {}", self.remedy)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_operation_object_cause_and_remedy() {
        let error = Error::new(ErrorKind::TimedOut, "waiting for", "INIT", "check the mount")
            .caused_by(io::Error::from_raw_os_error(libc::ETIMEDOUT));
        let text = error.to_string();
        assert!(text.starts_with("waiting for INIT failed: "), "{text}");
        assert!(text.ends_with("; check the mount"), "{text}");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
