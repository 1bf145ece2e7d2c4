//! One request as bytes: found, measured and cut into its parts.
//!
//! Built by the transports, which know where the parts lie; [`Message::decode`] gives the [`Operation`].

use std::fmt;

use crate::abi::{self, InHeader};
use crate::errno::Errno;
use crate::extension::Extensions;
use crate::name::NameError;
use crate::opcode::Opcode;
use crate::operation::Operation;

/// What INIT settled about the form of later messages. Before INIT: the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// `init::SETXATTR_EXT` was granted: SETXATTR has 16 bytes ahead of the name, not 8.
    pub setxattr_ext: bool,
    /// Minor protocol version in use. Below 38 the header has no extension length.
    pub minor: u32,
}

/// A request, borrowed from wherever its parts lie: one after the other in one buffer, or, over io_uring, in three.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Who asks for what.
    pub header: &'a InHeader,
    /// The operation's record; empty for operations that have none.
    pub fixed: &'a [u8],
    /// Names and data behind it, extensions cut off.
    pub payload: &'a [u8],
    opcode: Opcode,
    extensions: &'a [u8],
    /// Bytes of data that lie where no reference may point to, behind `payload`.
    elsewhere: usize,
}

/// Why bytes are no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Fewer bytes than a header has.
    NoHeader {
        /// Bytes there are.
        got: usize,
    },
    /// The operation's record is incomplete.
    TooShort {
        /// The operation.
        opcode: Opcode,
        /// Bytes of the record.
        needed: usize,
        /// Bytes there are.
        got: usize,
    },
    /// A record does not lie at an address that its type needs; buffers are to be aligned to 8 bytes.
    Misaligned,
    /// No operation has this number.
    UnknownOpcode(u32),
    /// A name can't be one.
    BadName {
        /// The operation.
        opcode: Opcode,
        /// What is wrong with it.
        reason: NameError,
    },
    /// Two statements about a length contradict each other: header against bytes received, a count or size against
    /// the payload.
    LengthMismatch {
        /// The operation; the header's number when it is none.
        opcode: u32,
        /// Bytes that the record announces.
        stated: usize,
        /// Bytes there are.
        got: usize,
    },
}

impl<'a> Message<'a> {
    /// The request that fills `bytes`, as read from `/dev/fuse`. `bytes` is to be aligned to 8.
    ///
    /// # Errors
    /// The header is incomplete or names another length, the opcode is unknown, or the operation's record is cut off.
    pub fn contiguous(bytes: &'a [u8], dialect: &Dialect) -> Result<Self, DecodeError> {
        Self::with_data_elsewhere(bytes, 0, dialect)
    }

    /// As [`contiguous`](Self::contiguous), for WRITE, SETXATTR and NOTIFY_REPLY whose last `elsewhere` bytes, exactly
    /// the data, were received into memory that no reference may point to because others write there: `head` holds
    /// the rest. The decoded data is then empty; the length checks count `elsewhere` in.
    ///
    /// # Errors
    /// As [`contiguous`](Self::contiguous).
    pub fn with_data_elsewhere(head: &'a [u8], elsewhere: usize, dialect: &Dialect) -> Result<Self, DecodeError> {
        let (header, body) = split_header(head)?;
        let opcode = known(header)?;
        let room = match opcode {
            Opcode::Init => body.len(),
            _ => opcode.fixed_size(dialect).min(body.len()),
        };
        let (fixed, payload) = body.split_at(room);
        Self::assemble(header, opcode, fixed, payload, elsewhere, dialect)
    }

    /// The request whose parts lie apart. `fixed` may be longer than the operation's record (over io_uring the area
    /// has 128 bytes); what is too much is ignored. `payload` has exactly the bytes received, less the `elsewhere`
    /// bytes of data that lie where no reference may point to, as in
    /// [`with_data_elsewhere`](Self::with_data_elsewhere).
    ///
    /// # Errors
    /// As [`contiguous`](Self::contiguous).
    pub fn from_parts(
        header: &'a InHeader,
        fixed: &'a [u8],
        payload: &'a [u8],
        elsewhere: usize,
        dialect: &Dialect,
    ) -> Result<Self, DecodeError> {
        let opcode = known(header)?;
        let fixed = match opcode {
            Opcode::Init => fixed,
            _ => &fixed[..opcode.fixed_size(dialect).min(fixed.len())],
        };
        Self::assemble(header, opcode, fixed, payload, elsewhere, dialect)
    }

    fn assemble(
        header: &'a InHeader,
        opcode: Opcode,
        fixed: &'a [u8],
        payload: &'a [u8],
        elsewhere: usize,
        dialect: &Dialect,
    ) -> Result<Self, DecodeError> {
        let needed = opcode.fixed_size(dialect);
        if fixed.len() < needed {
            return Err(DecodeError::TooShort {
                opcode,
                needed,
                got: fixed.len(),
            });
        }
        let got = (size_of::<InHeader>() + fixed.len() + payload.len()).saturating_add(elsewhere);
        let mismatch = |stated| DecodeError::LengthMismatch {
            opcode: header.opcode,
            stated,
            got,
        };
        let stated = header.len as usize;
        if got != stated {
            return Err(mismatch(stated));
        }
        let extended = if dialect.minor < 38 {
            0
        } else {
            usize::from(header.total_extlen) * abi::RECORD_ALIGN
        };
        let cut = payload.len().checked_sub(extended).ok_or(mismatch(extended))?;
        if elsewhere > 0 && extended > 0 {
            return Err(mismatch(extended));
        }
        let (payload, extensions) = payload.split_at(cut);
        Ok(Self {
            header,
            fixed,
            payload,
            opcode,
            extensions,
            elsewhere,
        })
    }

    /// What the request asks for.
    pub fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// Bytes of data that lie elsewhere, see [`with_data_elsewhere`](Self::with_data_elsewhere).
    pub fn data_elsewhere(&self) -> usize {
        self.elsewhere
    }

    /// What the kernel says about a new file beyond its name and mode (`total_extlen`).
    pub fn extensions(&self) -> Extensions<'a> {
        Extensions::new(self.extensions)
    }

    /// The operation with its arguments, borrowed.
    ///
    /// # Errors
    /// A record is misaligned, a name is malformed, or the payload's length is not what the record says.
    pub fn decode(&self) -> Result<Operation<'a>, DecodeError> {
        Operation::decode(self)
    }
}

fn split_header(bytes: &[u8]) -> Result<(&InHeader, &[u8]), DecodeError> {
    let (head, body) = bytes
        .split_at_checked(size_of::<InHeader>())
        .ok_or(DecodeError::NoHeader { got: bytes.len() })?;
    let header = abi::read_from(head).ok_or(DecodeError::Misaligned)?;
    Ok((header, body))
}

fn known(header: &InHeader) -> Result<Opcode, DecodeError> {
    Opcode::from_raw(header.opcode).ok_or(DecodeError::UnknownOpcode(header.opcode))
}

impl DecodeError {
    /// What the caller of the system call is told: `ENOSYS` for an operation that this crate does not know, else
    /// `EIO`.
    pub fn errno(&self) -> Errno {
        match self {
            Self::UnknownOpcode(_) => Errno::ENOSYS,
            _ => Errno::EIO,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeader { got } => write!(f, "a request of {got} bytes is shorter than its header of 40"),
            Self::TooShort { opcode, needed, got } => {
                write!(f, "{opcode}: the record has {got} bytes, {needed} are needed")
            }
            Self::Misaligned => f.write_str("the receive buffer is not aligned to 8 bytes"),
            Self::UnknownOpcode(raw) => write!(f, "unknown opcode {raw}"),
            Self::BadName { opcode, reason } => write!(f, "{opcode}: {reason}"),
            Self::LengthMismatch { opcode, stated, got } => {
                match Opcode::from_raw(*opcode) {
                    Some(known) => write!(f, "{known}: ")?,
                    None => write!(f, "opcode {opcode}: ")?,
                }
                write!(f, "{stated} bytes announced, {got} received")
            }
        }
    }
}

impl std::error::Error for DecodeError {}
