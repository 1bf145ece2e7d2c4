//! Names of files and of extended attributes: bytes, not text.

use std::fmt;

/// A name: at least one byte, none of them NUL. Any other byte may occur; a name need not be UTF-8.
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Name([u8]);

/// Why bytes are no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// No bytes.
    Empty,
    /// A NUL byte inside.
    Nul,
    /// A `/` in the name of a directory entry.
    Slash,
    /// `.` or `..` where an entry of its own is meant.
    Dots,
    /// Longer than [`abi::NAME_MAX`](crate::abi::NAME_MAX) bytes.
    TooLong,
    /// The terminating NUL is missing.
    Unterminated,
}

impl Name {
    /// Any name: of an extended attribute, or of a file where `/` has been dealt with.
    ///
    /// # Errors
    /// The bytes are empty or contain a NUL.
    pub fn new(bytes: &[u8]) -> Result<&Self, NameError> {
        if bytes.is_empty() {
            return Err(NameError::Empty);
        }
        if bytes.contains(&0) {
            return Err(NameError::Nul);
        }
        Ok(Self::wrap(bytes))
    }

    /// The name of a directory entry; `.` and `..` included.
    ///
    /// # Errors
    /// As [`new`](Self::new), or a `/`.
    pub fn component(bytes: &[u8]) -> Result<&Self, NameError> {
        let name = Self::new(bytes)?;
        if bytes.contains(&b'/') {
            return Err(NameError::Slash);
        }
        Ok(name)
    }

    /// The bytes, without a terminator.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is `.` or `..`, which name no entry of their own.
    pub fn is_dots(&self) -> bool {
        matches!(&self.0, b"." | b"..")
    }

    fn wrap(bytes: &[u8]) -> &Self {
        // SAFETY: repr(transparent) over [u8]; the borrow is passed on unchanged.
        unsafe { &*(bytes as *const [u8] as *const Self) }
    }
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Name {
    /// Quoted, with everything but printable ASCII escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the name is empty",
            Self::Nul => "the name contains a NUL byte",
            Self::Slash => "the name contains a slash",
            Self::Dots => "the name is \".\" or \"..\"",
            Self::TooLong => "the name is longer than 1024 bytes",
            Self::Unterminated => "the name is not terminated by a NUL byte",
        })
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_any_bytes_but_nul() {
        assert_eq!(Name::new(b"\xff\xfe").map(Name::as_bytes), Ok(&b"\xff\xfe"[..]));
        assert_eq!(Name::new(b"user.a/b").map(Name::as_bytes), Ok(&b"user.a/b"[..]));
        assert_eq!(Name::new(b""), Err(NameError::Empty));
        assert_eq!(Name::new(b"a\0b"), Err(NameError::Nul));
    }

    #[test]
    fn a_component_has_no_slash() {
        assert_eq!(Name::component(b"/"), Err(NameError::Slash));
        assert_eq!(Name::component(b"a/b"), Err(NameError::Slash));
        assert!(Name::component(b"..").is_ok_and(Name::is_dots));
        assert!(Name::component(b"...").is_ok_and(|name| !name.is_dots()));
    }

    #[test]
    fn debug_output_stays_on_one_line() {
        let name = Name::new(b"a\n\xf0\"").expect("no NUL inside");
        assert_eq!(format!("{name:?}"), r#""a\n\xf0\"""#);
    }
}
