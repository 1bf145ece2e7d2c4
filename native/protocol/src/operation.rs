//! Requests with their arguments.
//!
//! Made by [`Message::decode`](crate::Message::decode), consumed by dispatch. Borrows everything; checks the form of
//! names and the agreement of lengths, never their meaning: which node, handle or offset exists is the engine's
//! business.

use crate::abi::{self, Pod};
use crate::message::{DecodeError, Message};
use crate::name::{Name, NameError};
use crate::node::NodeId;
use crate::opcode::Opcode;

/// A decoded request. The node it is about, the parent directory for names, is [`InHeader::nodeid`](abi::InHeader).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation<'a> {
    /// Find a name; the only operation that may name `.` and `..` (with `init::EXPORT_SUPPORT`).
    Lookup {
        /// Name in the directory.
        name: &'a Name,
    },
    /// Give up lookups of one node. No reply.
    Forget(&'a abi::ForgetIn),
    /// Attributes.
    Getattr(&'a abi::GetattrIn),
    /// Change attributes.
    Setattr(&'a abi::SetattrIn),
    /// Target of a symbolic link.
    Readlink,
    /// Make a symbolic link.
    Symlink {
        /// Name of the link.
        name: &'a Name,
        /// What it points to: no NUL, any other bytes.
        target: &'a [u8],
    },
    /// Make a node.
    Mknod {
        /// Mode, device, umask.
        arg: &'a abi::MknodIn,
        /// New name.
        name: &'a Name,
    },
    /// Make a directory.
    Mkdir {
        /// Mode, umask.
        arg: &'a abi::MkdirIn,
        /// New name.
        name: &'a Name,
    },
    /// Remove a name that is no directory.
    Unlink {
        /// Name in the directory.
        name: &'a Name,
    },
    /// Remove an empty directory.
    Rmdir {
        /// Name in the directory.
        name: &'a Name,
    },
    /// RENAME and RENAME2.
    Rename {
        /// Directory that the name moves to.
        new_parent: NodeId,
        /// Those of renameat2(2); 0 for RENAME.
        flags: u32,
        /// Old name.
        name: &'a Name,
        /// New name.
        new_name: &'a Name,
    },
    /// Make a hard link in the header's directory.
    Link {
        /// The node that gets one more name.
        node: NodeId,
        /// New name.
        name: &'a Name,
    },
    /// Open a file.
    Open(&'a abi::OpenIn),
    /// Read.
    Read(&'a abi::ReadIn),
    /// Write.
    Write {
        /// Handle, offset, size.
        arg: &'a abi::WriteIn,
        /// The `arg.size` bytes; empty when they lie [elsewhere](Message::with_data_elsewhere).
        data: &'a [u8],
    },
    /// Figures of the file system.
    Statfs,
    /// Last use of a file handle.
    Release(&'a abi::ReleaseIn),
    /// Make a file's data durable.
    Fsync(&'a abi::FsyncIn),
    /// Set an extended attribute.
    Setxattr {
        /// Length of `value`.
        size: u32,
        /// Those of setxattr(2).
        flags: u32,
        /// Of [`abi::setxattr`]; 0 when the short form is spoken.
        setxattr_flags: u32,
        /// Attribute's name; may contain `/`.
        name: &'a Name,
        /// New value.
        value: &'a [u8],
    },
    /// Value of an extended attribute.
    Getxattr {
        /// Room at the caller; 0 asks for the length.
        size: u32,
        /// Attribute's name; may contain `/`.
        name: &'a Name,
    },
    /// Names of the extended attributes.
    Listxattr {
        /// Room at the caller; 0 asks for the length.
        size: u32,
    },
    /// Remove an extended attribute.
    Removexattr {
        /// Attribute's name; may contain `/`.
        name: &'a Name,
    },
    /// A descriptor was closed.
    Flush(&'a abi::FlushIn),
    /// First request of a connection.
    Init {
        /// By value: older kernels send a shorter record, the rest is zero then.
        arg: abi::InitIn,
    },
    /// Open a directory.
    Opendir(&'a abi::OpenIn),
    /// List a directory.
    Readdir(&'a abi::ReadIn),
    /// Last use of a directory handle.
    Releasedir(&'a abi::ReleaseIn),
    /// Make a directory durable.
    Fsyncdir(&'a abi::FsyncIn),
    /// Which lock is in the way.
    Getlk(&'a abi::LkIn),
    /// Set or clear a lock, without waiting.
    Setlk(&'a abi::LkIn),
    /// Set a lock, waiting for it.
    Setlkw(&'a abi::LkIn),
    /// May the caller.
    Access(&'a abi::AccessIn),
    /// Make a file and open it.
    Create {
        /// Open flags, mode, umask.
        arg: &'a abi::CreateIn,
        /// New name.
        name: &'a Name,
    },
    /// The caller of another request was interrupted. No reply, see [`Opcode::expects_reply`].
    Interrupt(&'a abi::InterruptIn),
    /// Device block of a file's block.
    Bmap(&'a abi::BmapIn),
    /// The connection ends.
    Destroy,
    /// ioctl(2).
    Ioctl {
        /// Handle, command, sizes.
        arg: &'a abi::IoctlIn,
        /// The `arg.in_size` bytes that the caller passed; empty when they lie [elsewhere](Message::with_data_elsewhere).
        data: &'a [u8],
    },
    /// poll(2).
    Poll(&'a abi::PollIn),
    /// Answer to a RETRIEVE notification, whose `notify_unique` is the header's `unique`. No reply.
    NotifyReply {
        /// Offset, size.
        arg: &'a abi::NotifyRetrieveIn,
        /// The `arg.size` bytes; empty when they lie [elsewhere](Message::with_data_elsewhere).
        data: &'a [u8],
    },
    /// Give up lookups of many nodes. No reply.
    BatchForget(&'a [abi::ForgetOne]),
    /// Allocate or free a range of a file.
    Fallocate(&'a abi::FallocateIn),
    /// List a directory with attributes.
    Readdirplus(&'a abi::ReadIn),
    /// Find data or a hole.
    Lseek(&'a abi::LseekIn),
    /// Copy between files; answered by [`abi::WriteOut`].
    CopyFileRange(&'a abi::CopyFileRangeIn),
    /// Copy between files; answered by [`abi::CopyFileRangeOut`].
    CopyFileRange64(&'a abi::CopyFileRangeIn),
    /// Make the whole file system durable.
    Syncfs,
    /// Make a file without a name and open it.
    Tmpfile {
        /// Open flags, mode, umask.
        arg: &'a abi::CreateIn,
        /// Means nothing: Linux sends `/`.
        name: &'a Name,
    },
    /// Attributes as statx(2) has them.
    Statx(&'a abi::StatxIn),
}

impl<'a> Operation<'a> {
    pub(crate) fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let opcode = message.opcode();
        let mut rest = Payload {
            opcode,
            bytes: message.payload,
            elsewhere: message.data_elsewhere(),
        };
        let operation = match opcode {
            Opcode::Lookup => Self::Lookup {
                name: rest.component()?,
            },
            Opcode::Forget => Self::Forget(fixed(message)?),
            Opcode::Getattr => Self::Getattr(fixed(message)?),
            Opcode::Setattr => Self::Setattr(fixed(message)?),
            Opcode::Readlink => Self::Readlink,
            Opcode::Symlink => Self::Symlink {
                name: rest.entry()?,
                target: rest.name()?.as_bytes(),
            },
            Opcode::Mknod => Self::Mknod {
                arg: fixed(message)?,
                name: rest.entry()?,
            },
            Opcode::Mkdir => Self::Mkdir {
                arg: fixed(message)?,
                name: rest.entry()?,
            },
            Opcode::Unlink => Self::Unlink { name: rest.entry()? },
            Opcode::Rmdir => Self::Rmdir { name: rest.entry()? },
            Opcode::Rename => {
                let arg: &abi::RenameIn = fixed(message)?;
                rest.rename(arg.newdir, 0)?
            }
            Opcode::Rename2 => {
                let arg: &abi::Rename2In = fixed(message)?;
                rest.rename(arg.newdir, arg.flags)?
            }
            Opcode::Link => {
                let arg: &abi::LinkIn = fixed(message)?;
                Self::Link {
                    node: NodeId(arg.oldnodeid),
                    name: rest.entry()?,
                }
            }
            Opcode::Open => Self::Open(fixed(message)?),
            Opcode::Read => Self::Read(fixed(message)?),
            Opcode::Write => {
                let arg: &abi::WriteIn = fixed(message)?;
                Self::Write {
                    arg,
                    data: rest.data(arg.size)?,
                }
            }
            Opcode::Statfs => Self::Statfs,
            Opcode::Release => Self::Release(fixed(message)?),
            Opcode::Fsync => Self::Fsync(fixed(message)?),
            Opcode::Setxattr => {
                let [size, flags, setxattr_flags] = setxattr_fields(message)?;
                Self::Setxattr {
                    size,
                    flags,
                    setxattr_flags,
                    name: rest.name()?,
                    value: rest.data(size)?,
                }
            }
            Opcode::Getxattr => {
                let arg: &abi::GetxattrIn = fixed(message)?;
                Self::Getxattr {
                    size: arg.size,
                    name: rest.name()?,
                }
            }
            Opcode::Listxattr => {
                let arg: &abi::GetxattrIn = fixed(message)?;
                Self::Listxattr { size: arg.size }
            }
            Opcode::Removexattr => Self::Removexattr { name: rest.name()? },
            Opcode::Flush => Self::Flush(fixed(message)?),
            Opcode::Init => Self::Init { arg: init(message) },
            Opcode::Opendir => Self::Opendir(fixed(message)?),
            Opcode::Readdir => Self::Readdir(fixed(message)?),
            Opcode::Releasedir => Self::Releasedir(fixed(message)?),
            Opcode::Fsyncdir => Self::Fsyncdir(fixed(message)?),
            Opcode::Getlk => Self::Getlk(fixed(message)?),
            Opcode::Setlk => Self::Setlk(fixed(message)?),
            Opcode::Setlkw => Self::Setlkw(fixed(message)?),
            Opcode::Access => Self::Access(fixed(message)?),
            Opcode::Create => Self::Create {
                arg: fixed(message)?,
                name: rest.entry()?,
            },
            Opcode::Interrupt => Self::Interrupt(fixed(message)?),
            Opcode::Bmap => Self::Bmap(fixed(message)?),
            Opcode::Destroy => Self::Destroy,
            Opcode::Ioctl => {
                let arg: &abi::IoctlIn = fixed(message)?;
                Self::Ioctl {
                    arg,
                    data: rest.data(arg.in_size)?,
                }
            }
            Opcode::Poll => Self::Poll(fixed(message)?),
            Opcode::NotifyReply => {
                let arg: &abi::NotifyRetrieveIn = fixed(message)?;
                Self::NotifyReply {
                    arg,
                    data: rest.data(arg.size)?,
                }
            }
            Opcode::BatchForget => {
                let arg: &abi::BatchForgetIn = fixed(message)?;
                Self::BatchForget(rest.records(arg.count)?)
            }
            Opcode::Fallocate => Self::Fallocate(fixed(message)?),
            Opcode::Readdirplus => Self::Readdirplus(fixed(message)?),
            Opcode::Lseek => Self::Lseek(fixed(message)?),
            Opcode::CopyFileRange => Self::CopyFileRange(fixed(message)?),
            Opcode::CopyFileRange64 => Self::CopyFileRange64(fixed(message)?),
            Opcode::Syncfs => Self::Syncfs,
            Opcode::Tmpfile => Self::Tmpfile {
                arg: fixed(message)?,
                name: rest.name()?,
            },
            Opcode::Statx => Self::Statx(fixed(message)?),
        };
        rest.end()?;
        Ok(operation)
    }
}

/// The operation's record. Its length was checked when the message was put together.
fn fixed<'a, T: Pod>(message: &Message<'a>) -> Result<&'a T, DecodeError> {
    abi::read_from(message.fixed).ok_or(DecodeError::Misaligned)
}

/// Size, flags and setxattr flags, from either form of the record.
fn setxattr_fields(message: &Message<'_>) -> Result<[u32; 3], DecodeError> {
    match *abi::slice_from(message.fixed).ok_or(DecodeError::Misaligned)? {
        [size, flags] => Ok([size, flags, 0]),
        [size, flags, setxattr_flags, ..] => Ok([size, flags, setxattr_flags]),
        _ => Err(DecodeError::TooShort {
            opcode: Opcode::Setxattr,
            needed: 8,
            got: message.fixed.len(),
        }),
    }
}

/// The record of INIT: what the kernel sent of it, zeros for the rest; fields of kernels to come are dropped.
fn init(message: &Message<'_>) -> abi::InitIn {
    let mut bytes = [0; size_of::<abi::InitIn>()];
    let known = message.fixed.len().min(bytes.len());
    bytes[..known].copy_from_slice(&message.fixed[..known]);
    let word = |index: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|byte| bytes[index * 4 + byte]));
    abi::InitIn {
        major: word(0),
        minor: word(1),
        max_readahead: word(2),
        flags: word(3),
        flags2: word(4),
        unused: std::array::from_fn(|index| word(5 + index)),
    }
}

/// What is left of the payload while its parts are taken off the front.
struct Payload<'a> {
    opcode: Opcode,
    bytes: &'a [u8],
    elsewhere: usize,
}

impl<'a> Payload<'a> {
    /// A NUL-terminated name, slashes allowed.
    fn name(&mut self) -> Result<&'a Name, DecodeError> {
        let bytes = self.terminated()?;
        Name::new(bytes).map_err(|reason| self.bad(reason))
    }

    /// A NUL-terminated name in a directory.
    fn component(&mut self) -> Result<&'a Name, DecodeError> {
        let bytes = self.terminated()?;
        Name::component(bytes).map_err(|reason| self.bad(reason))
    }

    /// As [`component`](Self::component), but neither `.` nor `..`.
    fn entry(&mut self) -> Result<&'a Name, DecodeError> {
        let name = self.component()?;
        if name.is_dots() {
            return Err(self.bad(NameError::Dots));
        }
        Ok(name)
    }

    fn rename(&mut self, new_parent: u64, flags: u32) -> Result<Operation<'a>, DecodeError> {
        Ok(Operation::Rename {
            new_parent: NodeId(new_parent),
            flags,
            name: self.entry()?,
            new_name: self.entry()?,
        })
    }

    /// The `size` bytes of data that end the message, or nothing when they lie elsewhere.
    fn data(&mut self, size: u32) -> Result<&'a [u8], DecodeError> {
        if self.elsewhere == 0 {
            return self.bytes_announced(size);
        }
        let got = self.bytes.len().saturating_add(self.elsewhere);
        if !self.bytes.is_empty() || self.elsewhere != size as usize {
            return Err(self.mismatch(size as usize, got));
        }
        self.elsewhere = 0;
        Ok(&[])
    }

    /// The rest, if it has exactly `size` bytes.
    fn bytes_announced(&mut self, size: u32) -> Result<&'a [u8], DecodeError> {
        if self.bytes.len() != size as usize {
            return Err(self.mismatch(size as usize, self.bytes.len()));
        }
        Ok(std::mem::take(&mut self.bytes))
    }

    /// The rest, if it is exactly `count` records.
    fn records<T: Pod>(&mut self, count: u32) -> Result<&'a [T], DecodeError> {
        let stated = (count as usize).saturating_mul(size_of::<T>());
        if self.bytes.len() != stated {
            return Err(self.mismatch(stated, self.bytes.len()));
        }
        abi::slice_from(std::mem::take(&mut self.bytes)).ok_or(DecodeError::Misaligned)
    }

    /// Nothing may be left over.
    fn end(&self) -> Result<(), DecodeError> {
        match self.bytes.len().saturating_add(self.elsewhere) {
            0 => Ok(()),
            left => Err(self.mismatch(0, left)),
        }
    }

    fn terminated(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self
            .bytes
            .iter()
            .position(|&byte| byte == 0)
            .ok_or(self.bad(NameError::Unterminated))?;
        let (name, rest) = self.bytes.split_at(length);
        self.bytes = &rest[1..];
        Ok(name)
    }

    fn bad(&self, reason: NameError) -> DecodeError {
        DecodeError::BadName {
            opcode: self.opcode,
            reason,
        }
    }

    fn mismatch(&self, stated: usize, got: usize) -> DecodeError {
        DecodeError::LengthMismatch {
            opcode: self.opcode.raw(),
            stated,
            got,
        }
    }
}
