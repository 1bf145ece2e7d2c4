//! ioctl(2), in the form that the kernel lets every file system have: command numbers say which way how many bytes go.

use ferrofuse_protocol::abi::{self, InHeader, IoctlIn, IoctlOut};
use ferrofuse_protocol::Errno;

use super::Serving;
use crate::handler::{Handle, Handler, Ioctl, Memory, Slot};
use crate::handles::{Fh, Kind};
use crate::lease::{bulk_range, value_in_bulk};
use crate::reply::Delivery;

/// Most bytes that a command number can speak of: 14 bits of it are the size (`_IOC_SIZEBITS` of
/// `<asm-generic/ioctl.h>`). What goes in lies in the first of this many bytes of the bulk region, what comes out in the
/// second.
const MAX_SIZE: usize = 1 << 14;

/// What an ioctl is about.
pub(super) fn kind(arg: &IoctlIn) -> Kind {
    if arg.flags & abi::ioctl::DIR != 0 {
        Kind::Directory
    } else {
        Kind::File
    }
}

impl<H: Handler> Serving<'_, H> {
    /// Decoding has checked that `arg.in_size` bytes came with it.
    pub(super) fn ioctl(mut self, arg: &IoctlIn) -> Delivery {
        const DATA: usize = size_of::<InHeader>() + size_of::<IoctlIn>();
        let (input, output) = (arg.in_size as usize, arg.out_size as usize);
        let kind = kind(arg);
        let outcome = self.handle(Fh(arg.fh), kind).and_then(|open| {
            let fits = input < MAX_SIZE && output < MAX_SIZE && self.call.memory.bulk().len() >= 2 * MAX_SIZE;
            // With pointers that only the caller's program understands, there is nothing that could be done.
            if !fits || arg.flags & abi::ioctl::UNRESTRICTED != 0 {
                return Err(Errno::EINVAL);
            }
            // No handle: as where a handle knows no ioctl.
            if open.slot == Slot::UNOPENED {
                return Err(Errno::ENOTTY);
            }
            let handle = match kind {
                Kind::File => Handle::File(open.slot),
                Kind::Directory => Handle::Directory(open.slot),
            };
            let ioctl = Ioctl {
                command: arg.cmd,
                argument: arg.arg,
                input: value_in_bulk(self.head, self.call.memory, DATA, input).ok_or(Errno::EINVAL)?,
                output: MAX_SIZE..MAX_SIZE + output,
            };
            self.upcall(|handler, call| handler.ioctl(call, handle, &ioctl))
        });
        let answer = outcome.and_then(|(result, len)| {
            let len = Some(len).filter(|&len| len <= output).ok_or(Errno::EIO)?;
            let result = i32::try_from(result).map_err(|_| Errno::EIO)?;
            let bytes = bulk_range(&*self.call.memory, MAX_SIZE..MAX_SIZE + len).ok_or(Errno::EIO)?;
            Ok((result, bytes))
        });
        match answer {
            Ok((result, bytes)) => {
                let out = IoctlOut {
                    result,
                    ..IoctlOut::default()
                };
                self.reply.record_and_bytes(&out, bytes)
            }
            Err(errno) => self.reply.error(errno),
        }
    }
}
