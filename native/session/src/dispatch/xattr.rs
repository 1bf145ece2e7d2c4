//! Extended attributes.

use ferrofuse_protocol::abi::{setxattr, GetxattrOut};
use ferrofuse_protocol::{Errno, Name};

use super::Serving;
use crate::handler::{Call, Handler, Key, Memory, Outcome};
use crate::lease::{bulk_bytes, value_in_bulk};
use crate::reply::Delivery;

impl<H: Handler> Serving<'_, H> {
    /// The value follows the name's NUL in the message, and is `size` bytes, as decoding has checked.
    pub(super) fn setxattr(mut self, name: &Name, size: usize, flags: u32, setxattr_flags: u32) -> Delivery {
        // `name` is a part of `head`, so this is where it ends there.
        let at = name.as_bytes().as_ptr_range().end as usize - self.head.as_ptr() as usize + 1;
        let outcome = self.node().and_then(|node| {
            let value = value_in_bulk(self.head, self.call.memory, at, size).ok_or(Errno::E2BIG)?;
            let kills_sgid = setxattr_flags & setxattr::ACL_KILL_SGID != 0;
            self.upcall(|handler, call| handler.setxattr(call, node, name, value, flags, kills_sgid))
        });
        match outcome {
            Ok(()) => self.reply.empty(),
            Err(errno) => self.reply.error(errno),
        }
    }

    pub(super) fn getxattr(self, name: &Name, size: usize) -> Delivery {
        self.attribute(size, |handler, call, node, room| {
            handler.getxattr(call, node, name, room)
        })
    }

    pub(super) fn listxattr(self, size: usize) -> Delivery {
        self.attribute(size, |handler, call, node, room| handler.listxattr(call, node, room))
    }

    pub(super) fn removexattr(self, name: &Name) -> Delivery {
        let node = self.node();
        self.plain(|handler, call| handler.removexattr(call, node?, name))
    }

    /// Size 0 is answered by the length; otherwise the bytes have to fit in `size`.
    fn attribute(
        mut self,
        size: usize,
        get: impl FnOnce(&mut H, &mut Call<'_, H::Memory>, Key, usize) -> Outcome<usize>,
    ) -> Delivery {
        let room = size.min(self.call.memory.bulk().len());
        let outcome = self
            .node()
            .and_then(|node| self.upcall(|handler, call| get(handler, call, node, room)));
        let len = match outcome {
            Ok(len) => len,
            Err(errno) => return self.reply.error(errno),
        };
        if size == 0 {
            return match u32::try_from(len) {
                Ok(size) => self.reply.record(&GetxattrOut { size, padding: 0 }),
                Err(_) => self.reply.error(Errno::E2BIG),
            };
        }
        match bulk_bytes(&*self.call.memory, len).filter(|_| len <= size) {
            Some(value) => self.reply.bytes(value),
            None => self.reply.error(Errno::ERANGE),
        }
    }
}
