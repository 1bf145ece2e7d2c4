//! One entry of a FUSE queue: the two buffers that hold a request and then its reply.
//!
//! A header buffer of its own, and a payload that belongs to a lease. The kernel writes to both only while the thread
//! that submitted the entry's last command waits in its ring, so between two waits they are that thread's. Whoever
//! answers puts the reply into the same buffers; the command that commits it is that thread's, too.

use std::io;
use std::marker::PhantomData;
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};

use ferrofuse_protocol::abi::{bytes_of, uring, InHeader, OutHeader, UringCmdReq, UringReqHeader};

use super::ring::Submission;
use crate::transport::Bytes;

/// A request that has arrived: its header, and how many bytes of it are in which buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    pub(crate) header: InHeader,
    /// Of the operation's fixed record.
    pub(crate) fixed: usize,
    pub(crate) payload: usize,
}

/// The buffers of a queue's entry.
#[derive(Debug)]
pub(crate) struct Entry {
    queue: u16,
    header: NonNull<UringReqHeader>,
    payload: *mut [u8],
    vectors: Box<[libc::iovec; 2]>,
}

// SAFETY: the addresses are those of memory that no thread owns; who uses it when is said in the module's head.
unsafe impl Send for Entry {}

impl Entry {
    /// An entry of the queue of a processor.
    ///
    /// # Safety
    /// `payload` stays mapped and writable as long as the entry, and as long as a ring that it was registered with.
    pub(crate) unsafe fn new(queue: u16, payload: *mut [u8]) -> Self {
        let header = NonNull::from(Box::leak(Box::<UringReqHeader>::default()));
        let vectors = Box::new([
            libc::iovec {
                iov_base: header.as_ptr().cast(),
                iov_len: size_of::<UringReqHeader>(),
            },
            libc::iovec {
                iov_base: payload.cast(),
                iov_len: payload.len(),
            },
        ]);
        Self {
            queue,
            header,
            payload,
            vectors,
        }
    }

    /// The command that makes the buffers known to the kernel and fetches a request.
    pub(crate) fn register(&self, device: RawFd, user_data: u64) -> Submission {
        let request = UringCmdReq {
            qid: self.queue,
            ..UringCmdReq::default()
        };
        // SAFETY: the kernel copies the vectors as it takes the command, and what they point to stays (`new`).
        unsafe {
            Submission::command(
                device,
                uring::CMD_REGISTER,
                bytes_of(&request),
                &self.vectors[..],
                user_data,
            )
        }
    }

    /// The command that commits the reply and fetches the next request.
    pub(crate) fn commit(&self, device: RawFd, user_data: u64) -> Submission {
        let request = UringCmdReq {
            qid: self.queue,
            // SAFETY: mapped, and the kernel doesn't write here now.
            commit_id: unsafe { (*self.header.as_ptr()).ring_ent_in_out.commit_id },
            ..UringCmdReq::default()
        };
        // SAFETY: there are no vectors.
        unsafe { Submission::command(device, uring::CMD_COMMIT_AND_FETCH, bytes_of(&request), &[], user_data) }
    }

    /// Copies the request that has arrived: header and fixed record, one behind the other, to `head`. `Err` with the
    /// header: its lengths contradict each other, or there is no room.
    pub(crate) fn arrived(&self, head: &mut [u8]) -> Result<Arrived, InHeader> {
        // SAFETY: mapped, and the kernel doesn't write here now; all bytes are a record.
        let request = unsafe { self.header.as_ref() };
        let (header_len, payload) = (size_of::<InHeader>(), request.ring_ent_in_out.payload_sz as usize);
        let mut header = InHeader::default();
        // SAFETY: `in_out` is longer than the header, and any bytes are one.
        unsafe { ptr::copy_nonoverlapping(request.in_out.as_ptr(), (&raw mut header).cast(), header_len) };
        let fixed = (header.len as usize)
            .checked_sub(header_len)
            .and_then(|rest| rest.checked_sub(payload));
        match fixed {
            Some(fixed)
                if fixed <= request.op_in.len()
                    && payload <= self.payload.len()
                    && header_len + fixed <= head.len() =>
            {
                head[..header_len].copy_from_slice(bytes_of(&header));
                head[header_len..header_len + fixed].copy_from_slice(&request.op_in[..fixed]);
                Ok(Arrived { header, fixed, payload })
            }
            _ => Err(header),
        }
    }

    /// Where the reply goes.
    pub(crate) fn stage(&self) -> Stage<'_> {
        Stage {
            header: self.header,
            payload: self.payload,
            entry: PhantomData,
        }
    }

    /// Copies what is in this entry's buffers, request or reply, to those of another one, which are as large.
    pub(crate) fn copy_to(&self, other: &Self) {
        // SAFETY: mapped, not the same, and the kernel doesn't write to either now.
        unsafe { ptr::copy_nonoverlapping(self.header.as_ptr(), other.header.as_ptr(), 1) };
        // SAFETY: as above.
        let len = unsafe { (*self.header.as_ptr()).ring_ent_in_out.payload_sz } as usize;
        let len = len.min(self.payload.len()).min(other.payload.len());
        // SAFETY: as above; both are `len` bytes at least.
        unsafe { ptr::copy_nonoverlapping(self.payload.cast::<u8>(), other.payload.cast::<u8>(), len) };
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: leaked in `new`, and nobody has it besides.
        drop(unsafe { Box::from_raw(self.header.as_ptr()) });
    }
}

/// Where a reply is put until it is committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage<'a> {
    header: NonNull<UringReqHeader>,
    payload: *mut [u8],
    entry: PhantomData<&'a Entry>,
}

impl Stage<'_> {
    /// Puts a reply in place. Parts that are where they belong already are not copied; at most the last part lies in the
    /// payload.
    ///
    /// # Errors
    /// EMSGSIZE: the payload is too small for it.
    pub(crate) fn put(self, header: &OutHeader, body: &[Bytes<'_>]) -> io::Result<()> {
        let len = body.iter().map(|part| part.len()).sum::<usize>();
        if len > self.payload.len() {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        let mut end = len;
        // From behind, since it is the last part that may have to make room.
        for part in body.iter().rev() {
            end -= part.len();
            // SAFETY: inside the payload, as the lengths say; `copy` allows both to overlap.
            unsafe {
                let place = self.payload.cast::<u8>().add(end);
                if !ptr::eq(place, part.start()) {
                    ptr::copy(part.start(), place, part.len());
                }
            }
        }
        // SAFETY: the header is mapped, and nobody refers to it now. `in_out` is longer than an OutHeader and has its
        // alignment.
        unsafe {
            let place = self.header.as_ptr();
            (&raw mut (*place).in_out).cast::<OutHeader>().write(*header);
            (*place).ring_ent_in_out.payload_sz = len as u32;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrofuse_protocol::abi::{read_from, GetattrIn};

    struct Buffers {
        entry: Entry,
        payload: Box<[u8]>,
    }

    impl Buffers {
        fn new(len: usize) -> Self {
            let mut payload = vec![0; len].into_boxed_slice();
            // SAFETY: the box isn't touched otherwise while the entry lives, and never resized.
            let entry = unsafe { Entry::new(1, &raw mut *payload) };
            Self { entry, payload }
        }

        /// What the kernel does.
        fn deliver(&self, len: u32, fixed: &[u8], payload: u32) {
            let header = InHeader {
                len,
                unique: 7,
                ..InHeader::default()
            };
            // SAFETY: nobody refers to the header now.
            let request = unsafe { &mut *self.entry.header.as_ptr() };
            request.in_out[..size_of::<InHeader>()].copy_from_slice(bytes_of(&header));
            request.op_in[..fixed.len()].copy_from_slice(fixed);
            request.ring_ent_in_out.payload_sz = payload;
        }

        fn reply(&self) -> (OutHeader, usize) {
            // SAFETY: nobody writes to the header now.
            let request = unsafe { self.entry.header.as_ref() };
            let header = *read_from::<OutHeader>(&request.in_out).unwrap();
            (header, request.ring_ent_in_out.payload_sz as usize)
        }
    }

    #[test]
    fn header_and_record_come_in_one_piece_and_lengths_that_contradict_each_other_are_refused() {
        let buffers = Buffers::new(64);
        let record = GetattrIn {
            fh: 9,
            ..GetattrIn::default()
        };
        let mut head = [0; 80];
        buffers.deliver(56, bytes_of(&record), 0);
        let arrived = buffers.entry.arrived(&mut head).unwrap();
        assert_eq!((arrived.header.unique, arrived.fixed, arrived.payload), (7, 16, 0));
        assert_eq!(&head[40..56], bytes_of(&record));
        for (len, payload) in [
            (56, 17),
            (39, 0),
            (56 + 129, 0),
            (40 + 65, 65),
            (56, u32::MAX),
            (121, 0),
        ] {
            buffers.deliver(len, &[], payload);
            assert_eq!(
                buffers.entry.arrived(&mut head).unwrap_err().unique,
                7,
                "{len} {payload}"
            );
        }
    }

    #[test]
    fn a_reply_lies_in_one_piece_wherever_its_parts_were() {
        let mut buffers = Buffers::new(16);
        buffers.payload.copy_from_slice(b"0123456789abcdef");
        let header = OutHeader {
            len: 16 + 10,
            error: 0,
            unique: 7,
        };
        // SAFETY: inside the payload, which lives as long.
        let tail = unsafe { Bytes::new(buffers.entry.payload.cast::<u8>().add(2), 6) };
        buffers
            .entry
            .stage()
            .put(&header, &[b"ABCD".as_slice().into(), tail])
            .unwrap();
        assert_eq!(&buffers.payload[..10], b"ABCD234567");
        assert_eq!(buffers.reply(), (header, 10));
        let long = buffers.entry.stage().put(&header, &[[0; 17].as_slice().into()]);
        assert_eq!(long.unwrap_err().raw_os_error(), Some(libc::EMSGSIZE));
        assert_eq!(buffers.reply(), (header, 10), "what was there stays");
    }

    #[test]
    fn an_entry_is_copied_as_far_as_it_is_used() {
        let (from, to) = (Buffers::new(8), Buffers::new(8));
        let mut payload = from.payload;
        payload.copy_from_slice(b"abcdefgh");
        from.entry
            .stage()
            .put(&OutHeader::default(), &[b"xyz".as_slice().into()])
            .unwrap();
        from.entry.copy_to(&to.entry);
        assert_eq!(&to.payload[..4], b"xyz\0");
        assert_eq!(to.reply().1, 3);
    }
}
