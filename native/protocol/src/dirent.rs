//! Directory listings: writing records, and walking records that somebody else wrote.
//!
//! Used by whoever answers READDIR and READDIRPLUS. A walker takes nothing on trust: it reads each byte once, into
//! memory of its own, so the buffer may lie where others write at the same time.

use std::fmt;
use std::marker::PhantomData;
use std::ptr;

use crate::abi::{self, Dirent, Direntplus, EntryOut};
use crate::errno::Errno;
use crate::name::{Name, NameError};

/// Appends records to a buffer, each padded to 8 bytes. A listing is all `add` or all `add_plus`.
#[derive(Debug)]
pub struct DirentWriter<'a> {
    buffer: &'a mut [u8],
    used: usize,
}

impl<'a> DirentWriter<'a> {
    /// An empty listing with `buffer.len()` bytes of room.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, used: 0 }
    }

    /// Bytes written so far: the body of the reply.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether nothing was written; as a reply, the end of the directory.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Appends a READDIR record. `next` is the cookie that goes on behind it, `kind` a file type (`DT_*`). False,
    /// with nothing written, when it does not fit.
    pub fn add(&mut self, ino: u64, next: u64, kind: u32, name: &Name) -> bool {
        self.append(&[], ino, next, kind, name)
    }

    /// Appends a READDIRPLUS record; its inode number is that of `entry.attr`. Otherwise as [`add`](Self::add).
    pub fn add_plus(&mut self, entry: &EntryOut, next: u64, kind: u32, name: &Name) -> bool {
        self.append(abi::bytes_of(entry), entry.attr.ino, next, kind, name)
    }

    fn append(&mut self, entry: &[u8], ino: u64, next: u64, kind: u32, name: &Name) -> bool {
        let name = name.as_bytes();
        let Ok(namelen) = u32::try_from(name.len()) else {
            return false;
        };
        let dirent = Dirent {
            ino,
            off: next,
            namelen,
            r#type: kind,
        };
        let parts = [entry, abi::bytes_of(&dirent), name];
        let Some(record) = abi::record_align(parts.iter().map(|part| part.len()).sum())
            .and_then(|length| self.buffer[self.used..].get_mut(..length))
        else {
            return false;
        };
        let mut rest = &mut record[..];
        for part in parts {
            let (target, behind) = rest.split_at_mut(part.len());
            target.copy_from_slice(part);
            rest = behind;
        }
        rest.fill(0);
        self.used += record.len();
        true
    }
}

/// Why bytes are no directory listing; `offset` is where the record in question starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirentError {
    /// The buffer does not start at a multiple of 8 bytes.
    Misaligned,
    /// The last record is incomplete, padding included.
    Truncated {
        /// Start of the record.
        offset: usize,
    },
    /// A name that the kernel would refuse or misread.
    BadName {
        /// Start of the record.
        offset: usize,
        /// What is wrong with it.
        reason: NameError,
    },
}

impl DirentError {
    /// What the caller of readdir(3) is told.
    pub fn errno(&self) -> Errno {
        Errno::EIO
    }
}

impl fmt::Display for DirentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned => f.write_str("directory listing: the buffer is not aligned to 8 bytes"),
            Self::Truncated { offset } => write!(f, "directory listing: the record at byte {offset} is incomplete"),
            Self::BadName { offset, reason } => write!(f, "directory listing: record at byte {offset}: {reason}"),
        }
    }
}

impl std::error::Error for DirentError {}

/// Walks the records of a READDIR reply.
#[derive(Debug)]
pub struct DirentWalker<'a>(Cursor<'a, Dirent>);

impl<'a> DirentWalker<'a> {
    /// Walks `listing`, the bytes of the reply's body.
    ///
    /// # Errors
    /// It is not aligned to 8 bytes.
    pub fn new(listing: &'a [u8]) -> Result<Self, DirentError> {
        // SAFETY: a borrow is readable as long as it lasts.
        unsafe { Self::from_raw(listing) }
    }

    /// As [`new`](Self::new), over memory that others may read and write meanwhile.
    ///
    /// # Safety
    /// `listing` stays readable for `'a`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub unsafe fn from_raw(listing: *const [u8]) -> Result<Self, DirentError> {
        // SAFETY: the caller keeps it readable; the walker writes to none of the places that its cursor answers.
        Ok(Self(unsafe { Cursor::from_raw(listing.cast_mut())? }))
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// The record is malformed. The walk ends there.
    pub fn next_record(&mut self) -> Result<Option<(Dirent, &Name)>, DirentError> {
        self.0
            .next(|head| head.namelen)
            .map(|record| record.map(|(_, head, name)| (head, name)))
    }

    /// Checks every record that is left.
    ///
    /// # Errors
    /// One of them is malformed.
    pub fn validate(mut self) -> Result<(), DirentError> {
        while self.next_record()?.is_some() {}
        Ok(())
    }
}

/// Walks the records of a READDIRPLUS reply and lets their entries be replaced in place.
#[derive(Debug)]
pub struct DirentPlusWalker<'a>(Cursor<'a, Direntplus>);

impl<'a> DirentPlusWalker<'a> {
    /// Walks `listing`, the bytes of the reply's body.
    ///
    /// # Errors
    /// It is not aligned to 8 bytes.
    pub fn new(listing: &'a mut [u8]) -> Result<Self, DirentError> {
        // SAFETY: a mutable borrow is readable and writable as long as it lasts.
        unsafe { Self::from_raw(listing) }
    }

    /// As [`new`](Self::new), over memory that others may read and write meanwhile.
    ///
    /// # Safety
    /// `listing` stays readable and writable for `'a`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub unsafe fn from_raw(listing: *mut [u8]) -> Result<Self, DirentError> {
        // SAFETY: the caller keeps it readable, and writable, as the places that the cursor answers are written to.
        Ok(Self(unsafe { Cursor::from_raw(listing)? }))
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// The record is malformed. The walk ends there.
    pub fn next_record(&mut self) -> Result<Option<PlusRecord<'_>>, DirentError> {
        let record = self.0.next(|head| head.dirent.namelen)?;
        Ok(record.map(|(place, head, name)| PlusRecord {
            place: place.cast(),
            entry: head.entry_out,
            dirent: head.dirent,
            name,
        }))
    }
}

/// A record of a READDIRPLUS reply, as it was when the walker came by.
#[derive(Debug)]
pub struct PlusRecord<'w> {
    /// Where `entry` was copied from; aligned and writable as long as the walker is borrowed.
    place: *mut EntryOut,
    /// The entry. For `.` and `..` ([`Name::is_dots`]) the kernel ignores it and counts no lookup.
    pub entry: EntryOut,
    /// Inode number, cookie, type.
    pub dirent: Dirent,
    /// Name of the entry.
    pub name: &'w Name,
}

impl PlusRecord<'_> {
    /// Puts `entry` in place of the one in the listing.
    pub fn replace(&mut self, entry: &EntryOut) {
        self.entry = *entry;
        // SAFETY: `place` was taken from the walker's buffer, which its maker keeps writable, by a cursor that found a
        // whole record there, aligned; the record's lifetime keeps the walker borrowed.
        unsafe { ptr::write_volatile(self.place, *entry) }
    }
}

/// What both walkers share: a position in a buffer of records that start with an `H` and go on with a name.
#[derive(Debug)]
struct Cursor<'a, H> {
    /// Start of the next record, aligned to 8.
    at: *mut u8,
    /// Bytes from there to the end.
    left: usize,
    offset: usize,
    /// The current name. Names start at a multiple of 8 and are padded to one.
    name: [u64; abi::NAME_MAX / 8],
    buffer: PhantomData<(&'a mut [u8], H)>,
}

impl<'a, H: abi::Pod> Cursor<'a, H> {
    /// # Safety
    /// `listing` stays readable for `'a`, and writable if the places that `next` answers are written to.
    unsafe fn from_raw(listing: *mut [u8]) -> Result<Self, DirentError> {
        const { assert!(size_of::<H>() % abi::RECORD_ALIGN == 0 && align_of::<H>() == abi::RECORD_ALIGN) };
        let at: *mut u8 = listing.cast();
        if at.align_offset(abi::RECORD_ALIGN) != 0 {
            return Err(DirentError::Misaligned);
        }
        Ok(Self {
            at,
            left: listing.len(),
            offset: 0,
            name: [0; abi::NAME_MAX / 8],
            buffer: PhantomData,
        })
    }

    /// Place, head and name of the next record. After an error there is none.
    fn next(&mut self, namelen: impl Fn(&H) -> u32) -> Result<Option<(*mut u8, H, &Name)>, DirentError> {
        let offset = self.offset;
        let left = std::mem::take(&mut self.left);
        if left == 0 {
            return Ok(None);
        }
        let head_size = size_of::<H>();
        if left < head_size {
            return Err(DirentError::Truncated { offset });
        }
        let place = self.at;
        // SAFETY: `left` bytes from `at` are readable by from_raw's contract, `at` stays a multiple of 8, and any bit
        // pattern is an H. Volatile, so that what is checked below is what was read.
        let head: H = unsafe { ptr::read_volatile(place.cast()) };
        let length = namelen(&head) as usize;
        let bad = |reason| DirentError::BadName { offset, reason };
        if length > abi::NAME_MAX {
            return Err(bad(NameError::TooLong));
        }
        let words = length.div_ceil(abi::RECORD_ALIGN);
        let size = head_size + words * abi::RECORD_ALIGN;
        if left < size {
            return Err(DirentError::Truncated { offset });
        }
        for (index, word) in self.name[..words].iter_mut().enumerate() {
            // SAFETY: the name's words lie within the `size` bytes just checked, at multiples of 8.
            *word = unsafe { ptr::read_volatile(place.add(head_size).cast::<u64>().add(index)) };
        }
        let name = Name::component(name_bytes(&self.name, length)).map_err(bad)?;
        // SAFETY: `size` ≤ `left`: still inside the buffer, or one past its end.
        self.at = unsafe { place.add(size) };
        self.left = left - size;
        self.offset = offset + size;
        Ok(Some((place, head, name)))
    }
}

fn name_bytes(words: &[u64; abi::NAME_MAX / 8], length: usize) -> &[u8] {
    &abi::bytes_of(words)[..length]
}
