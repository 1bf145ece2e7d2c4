//! Kinds of requests.

use std::fmt;

use crate::abi;
use crate::message::Dialect;

macro_rules! opcodes {
    ($($variant:ident = $number:literal, $name:literal;)*) => {
        /// What a request asks for (`enum fuse_opcode`), CUSE and DAX left out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum Opcode {
            $(
                #[doc = concat!("`FUSE_", $name, "`")]
                $variant = $number,
            )*
        }

        impl Opcode {
            /// Every opcode, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The opcode with this number, if there is one.
            pub const fn from_raw(raw: u32) -> Option<Self> {
                match raw {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The kernel's name without `FUSE_`, for logs.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

opcodes! {
    Lookup = 1, "LOOKUP";
    Forget = 2, "FORGET";
    Getattr = 3, "GETATTR";
    Setattr = 4, "SETATTR";
    Readlink = 5, "READLINK";
    Symlink = 6, "SYMLINK";
    Mknod = 8, "MKNOD";
    Mkdir = 9, "MKDIR";
    Unlink = 10, "UNLINK";
    Rmdir = 11, "RMDIR";
    Rename = 12, "RENAME";
    Link = 13, "LINK";
    Open = 14, "OPEN";
    Read = 15, "READ";
    Write = 16, "WRITE";
    Statfs = 17, "STATFS";
    Release = 18, "RELEASE";
    Fsync = 20, "FSYNC";
    Setxattr = 21, "SETXATTR";
    Getxattr = 22, "GETXATTR";
    Listxattr = 23, "LISTXATTR";
    Removexattr = 24, "REMOVEXATTR";
    Flush = 25, "FLUSH";
    Init = 26, "INIT";
    Opendir = 27, "OPENDIR";
    Readdir = 28, "READDIR";
    Releasedir = 29, "RELEASEDIR";
    Fsyncdir = 30, "FSYNCDIR";
    Getlk = 31, "GETLK";
    Setlk = 32, "SETLK";
    Setlkw = 33, "SETLKW";
    Access = 34, "ACCESS";
    Create = 35, "CREATE";
    Interrupt = 36, "INTERRUPT";
    Bmap = 37, "BMAP";
    Destroy = 38, "DESTROY";
    Ioctl = 39, "IOCTL";
    Poll = 40, "POLL";
    NotifyReply = 41, "NOTIFY_REPLY";
    BatchForget = 42, "BATCH_FORGET";
    Fallocate = 43, "FALLOCATE";
    Readdirplus = 44, "READDIRPLUS";
    Rename2 = 45, "RENAME2";
    Lseek = 46, "LSEEK";
    CopyFileRange = 47, "COPY_FILE_RANGE";
    Syncfs = 50, "SYNCFS";
    Tmpfile = 51, "TMPFILE";
    Statx = 52, "STATX";
    CopyFileRange64 = 53, "COPY_FILE_RANGE_64";
}

impl Opcode {
    /// The kernel's number.
    pub const fn raw(self) -> u32 {
        self as u32
    }

    /// Whether the kernel waits for a reply. INTERRUPT counts as not: it is answered only to say that interrupts are
    /// unknown (`ENOSYS`) or that the request it names was not found yet (`EAGAIN`).
    pub const fn expects_reply(self) -> bool {
        !matches!(
            self,
            Self::Forget | Self::BatchForget | Self::Interrupt | Self::NotifyReply
        )
    }

    /// Bytes of the record between [`abi::InHeader`] and the payload; for INIT, whose record has grown, those of its
    /// first form.
    pub const fn fixed_size(self, dialect: &Dialect) -> usize {
        match self {
            Self::Lookup
            | Self::Readlink
            | Self::Symlink
            | Self::Unlink
            | Self::Rmdir
            | Self::Statfs
            | Self::Removexattr
            | Self::Destroy => 0,
            Self::Forget => size_of::<abi::ForgetIn>(),
            Self::Getattr => size_of::<abi::GetattrIn>(),
            Self::Setattr => size_of::<abi::SetattrIn>(),
            Self::Mknod => size_of::<abi::MknodIn>(),
            Self::Mkdir => size_of::<abi::MkdirIn>(),
            Self::Rename => size_of::<abi::RenameIn>(),
            Self::Rename2 => size_of::<abi::Rename2In>(),
            Self::Link => size_of::<abi::LinkIn>(),
            Self::Open | Self::Opendir => size_of::<abi::OpenIn>(),
            Self::Read | Self::Readdir | Self::Readdirplus => size_of::<abi::ReadIn>(),
            Self::Write => size_of::<abi::WriteIn>(),
            Self::Release | Self::Releasedir => size_of::<abi::ReleaseIn>(),
            Self::Fsync | Self::Fsyncdir => size_of::<abi::FsyncIn>(),
            Self::Setxattr if dialect.setxattr_ext => size_of::<abi::SetxattrIn>(),
            Self::Setxattr => 8,
            Self::Getxattr | Self::Listxattr => size_of::<abi::GetxattrIn>(),
            Self::Flush => size_of::<abi::FlushIn>(),
            Self::Init => 16,
            Self::Getlk | Self::Setlk | Self::Setlkw => size_of::<abi::LkIn>(),
            Self::Access => size_of::<abi::AccessIn>(),
            Self::Create | Self::Tmpfile => size_of::<abi::CreateIn>(),
            Self::Interrupt => size_of::<abi::InterruptIn>(),
            Self::Bmap => size_of::<abi::BmapIn>(),
            Self::Ioctl => size_of::<abi::IoctlIn>(),
            Self::Poll => size_of::<abi::PollIn>(),
            Self::NotifyReply => size_of::<abi::NotifyRetrieveIn>(),
            Self::BatchForget => size_of::<abi::BatchForgetIn>(),
            Self::Fallocate => size_of::<abi::FallocateIn>(),
            Self::Lseek => size_of::<abi::LseekIn>(),
            Self::CopyFileRange | Self::CopyFileRange64 => size_of::<abi::CopyFileRangeIn>(),
            Self::Syncfs => size_of::<abi::SyncfsIn>(),
            Self::Statx => size_of::<abi::StatxIn>(),
        }
    }
}

impl TryFrom<u32> for Opcode {
    /// The number that no opcode has.
    type Error = u32;

    fn try_from(raw: u32) -> Result<Self, u32> {
        Self::from_raw(raw).ok_or(raw)
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_opcodes_map_both_ways() {
        for &opcode in Opcode::ALL {
            assert_eq!(Opcode::try_from(opcode.raw()), Ok(opcode));
        }
        assert_eq!(Opcode::ALL.len(), 49);
        for absent in [0, 7, 19, 48, 49, 54, 4096, u32::MAX] {
            assert_eq!(Opcode::try_from(absent), Err(absent));
        }
    }

    #[test]
    fn a_log_line_shows_the_kernels_name() {
        assert_eq!(
            format!("{:>8}|{}", Opcode::Lookup, Opcode::CopyFileRange64),
            "  LOOKUP|COPY_FILE_RANGE_64"
        );
    }
}
