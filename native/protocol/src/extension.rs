//! Extensions at the end of requests that make files: security contexts and supplementary groups.
//!
//! They follow the payload without alignment, so their numbers are read byte by byte. An extension that is malformed
//! ends the iteration as [`Extension::Unknown`] with the bytes that could not be read.

use crate::abi::{self, ext};
use crate::name::Name;

/// One extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension<'a> {
    /// Labels for the new file (`init::SECURITY_CTX`).
    SecurityContexts(SecurityContexts<'a>),
    /// Groups of the caller (`init::CREATE_SUPP_GROUP`).
    Groups(Groups<'a>),
    /// Neither of them, or malformed: header and body as they came.
    Unknown(&'a [u8]),
}

/// Iterator over the extensions of a message, made by [`Message::extensions`](crate::Message::extensions).
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    rest: &'a [u8],
}

impl<'a> Extensions<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Extension<'a>;

    fn next(&mut self) -> Option<Extension<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((extension, rest)) = first(self.rest) else {
            return Some(Extension::Unknown(std::mem::take(&mut self.rest)));
        };
        self.rest = rest;
        Some(extension)
    }
}

/// The first extension and what follows it; `None` when its head can't be right.
fn first(bytes: &[u8]) -> Option<(Extension<'_>, &[u8])> {
    let size = number(bytes, 0)? as usize;
    let kind = number(bytes, 4)?;
    let head = size_of::<abi::ExtHeader>();
    if size < head || size % abi::RECORD_ALIGN != 0 {
        return None;
    }
    let (whole, rest) = bytes.split_at_checked(size)?;
    let body = &whole[head..];
    let extension = match kind {
        0..=ext::MAX_NR_SECCTX => Extension::SecurityContexts(SecurityContexts {
            rest: body,
            count: kind,
        }),
        ext::GROUPS => Groups::new(body).map_or(Extension::Unknown(whole), Extension::Groups),
        _ => Extension::Unknown(whole),
    };
    Some((extension, rest))
}

/// Group ids; iterates over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups<'a> {
    /// A whole number of groups, 4 bytes each.
    ids: &'a [u8],
}

impl<'a> Groups<'a> {
    fn new(body: &'a [u8]) -> Option<Self> {
        let head = size_of::<abi::SuppGroups>();
        let count = number(body, 0)? as usize;
        let ids = body.get(head..head.checked_add(count.checked_mul(4)?)?)?;
        Some(Self { ids })
    }
}

impl Iterator for Groups<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let id = number(self.ids, 0)?;
        self.ids = &self.ids[4..];
        Some(id)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.ids.len() / 4;
        (count, Some(count))
    }
}

impl ExactSizeIterator for Groups<'_> {}

/// Labels of a new file; iterates over them, and ends early at one that is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityContexts<'a> {
    rest: &'a [u8],
    count: u32,
}

/// One label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityContext<'a> {
    /// Extended attribute that holds it, such as `security.selinux`.
    pub name: &'a Name,
    /// Its value.
    pub value: &'a [u8],
}

impl SecurityContexts<'_> {
    /// How many labels the kernel announced and the iteration has not yet given.
    pub fn announced(&self) -> u32 {
        self.count
    }
}

impl<'a> Iterator for SecurityContexts<'a> {
    type Item = SecurityContext<'a>;

    fn next(&mut self) -> Option<SecurityContext<'a>> {
        if self.count == 0 {
            return None;
        }
        let head = size_of::<abi::Secctx>();
        let size = number(self.rest, 0)? as usize;
        let body = self.rest.get(head..)?;
        let name_length = body.iter().position(|&byte| byte == 0)?;
        let name = Name::new(&body[..name_length]).ok()?;
        let value = body[name_length + 1..].get(..size)?;
        let used = abi::record_align(head + name_length + 1 + size)?;
        self.rest = self.rest.get(used..).unwrap_or_default();
        self.count -= 1;
        Some(SecurityContext { name, value })
    }
}

/// The 32-bit number at `offset`.
fn number(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}
