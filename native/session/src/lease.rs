//! The buffers of one request in flight, and the request itself while nobody serves it.
//!
//! A message is received with its first [`SPLIT`] bytes in the head and the rest in the bulk region, so that the data
//! of a WRITE, or of an answer to RETRIEVE, begins at the start of a page. Of every other message the rest is copied behind its beginning: headers
//! and names lie in one piece in the head, and the bulk region is free for the answer. Leases are pooled: a request
//! that is parked keeps its lease while its worker takes another.

use std::io;
use std::sync::Arc;

use ferrofuse_protocol::abi::{self, InHeader, LkIn, NotifyRetrieveIn, WriteIn};
use ferrofuse_protocol::{Errno, Opcode};
use parking_lot::Mutex;

use crate::berth::{Berth, Mail};
use crate::gate::Pass;
use crate::handler::{Handler, Memory};
use crate::locks::Fate;
use crate::meter::{Record, Watch};
use crate::reply::Reply;
use crate::transport::uring::{Arrived, Entry};
use crate::transport::{Bytes, Channel, Received, Sleeper, Way};

/// Where head and bulk region divide a message: behind the longest fixed part of a message that carries data.
pub(crate) const SPLIT: usize = size_of::<InHeader>() + size_of::<WriteIn>();

/// Room for all of any message but a large SETXATTR or BATCH_FORGET: SYMLINK, the longest of the others, has a name of
/// 256 and a target of 4096 bytes.
pub(crate) const HEAD: usize = 8192;

#[repr(C, align(4096))]
struct Head([u8; HEAD]);

/// Buffers, and the message in them. Dropped with an unanswered message it answers `EIO`.
pub(crate) struct Lease<M: Memory> {
    head: Box<Head>,
    memory: M,
    /// Brought the message, and takes its reply.
    origin: Origin<M>,
    /// Bytes of the message.
    len: usize,
    /// `unique` of a message that awaits its reply.
    unanswered: Option<u64>,
    /// Elsewhere, so that measuring does not make moving a lease more expensive.
    record: Box<Record>,
}

/// Where messages come from.
enum Origin<M: Memory> {
    /// Any message on this descriptor, for whoever has the lease.
    Device(Arc<Channel>),
    /// This entry of a ring. Whoever serves its messages, the lease goes back to the thread that has the ring.
    Ring(Entry, Arc<Berth<M>>),
}

impl<M: Memory> Origin<M> {
    fn way(&self) -> Way<'_> {
        match self {
            Self::Device(channel) => channel.into(),
            Self::Ring(entry, _) => entry.stage().into(),
        }
    }
}

/// The parts of a lease that serving its message needs side by side.
pub(crate) struct Parts<'a, M> {
    pub(crate) header: &'a InHeader,
    /// The beginning of the message: all of it, unless it is longer than the head or has its data apart.
    pub(crate) head: &'a [u8],
    /// Length of the whole message.
    pub(crate) len: usize,
    pub(crate) memory: &'a mut M,
    pub(crate) due: Due<'a>,
}

/// A reply that the lease will give, with `EIO`, unless somebody takes it over.
pub(crate) struct Due<'a> {
    way: Way<'a>,
    unanswered: &'a mut Option<u64>,
    errno: &'a mut i32,
    unique: u64,
}

impl<'a> Due<'a> {
    pub(crate) fn take(self) -> Reply<'a> {
        *self.unanswered = None;
        Reply::new(self.way, self.unique).telling(self.errno)
    }
}

impl<M: Memory> Lease<M> {
    fn new(memory: M, channel: Arc<Channel>) -> Self {
        Self {
            head: Box::new(Head([0; HEAD])),
            memory,
            origin: Origin::Device(channel),
            len: 0,
            unanswered: None,
            record: Box::default(),
        }
    }

    /// Waits for the next message and receives it into the lease.
    pub(crate) fn receive(&mut self, sleeper: &Sleeper) -> Received {
        debug_assert!(self.unanswered.is_none());
        let Origin::Device(channel) = &self.origin else {
            return Received::Roused;
        };
        // SAFETY: `Memory` promises a mapped, writable region.
        let received = unsafe { channel.receive(&mut self.head.0[..SPLIT], self.memory.bulk(), sleeper) };
        if let Received::Message(len) = received {
            self.len = len;
            self.gather();
            self.unanswered = self.header().map(|header| header.unique);
        }
        received
    }

    /// Ties the lease to an entry whose payload is the bulk region: its messages come from there from now on.
    pub(crate) fn moor(&mut self, queue: u16, berth: Arc<Berth<M>>) {
        // SAFETY: `Memory` promises a region that stays until it is dropped, and the thread that has the ring keeps the
        // lease until it has closed the ring.
        let entry = unsafe { Entry::new(queue, self.memory.bulk()) };
        self.origin = Origin::Ring(entry, berth);
    }

    /// The entry that the lease is tied to.
    pub(crate) fn entry(&self) -> Option<&Entry> {
        match &self.origin {
            Origin::Device(_) => None,
            Origin::Ring(entry, _) => Some(entry),
        }
    }

    /// Whether only the thread that has the lease's ring may go on with it.
    pub(crate) fn is_moored(&self) -> bool {
        matches!(self.origin, Origin::Ring(..))
    }

    /// Hands a moored lease to the thread that has its ring; gives any other one back.
    pub(crate) fn go_home(self, pass: Option<Pass>) -> Result<(), (Self, Option<Pass>)> {
        let Origin::Ring(_, berth) = &self.origin else {
            return Err((self, pass));
        };
        let berth = Arc::clone(berth);
        berth.deliver(Mail::Lease(self, pass));
        Ok(())
    }

    /// Whether the message has its answer.
    pub(crate) fn is_answered(&self) -> bool {
        self.unanswered.is_none()
    }

    /// Answers a request that nobody has any more, as one that is dropped.
    pub(crate) fn fails_unheard(&mut self, unique: u64) {
        self.unanswered = None;
        drop(Reply::new(self.origin.way(), unique));
    }

    /// Lays the message that has arrived in the entry out as [`Lease::receive`] does. `false`: it contradicts itself, and
    /// is answered.
    pub(crate) fn arrived(&mut self) -> bool {
        debug_assert!(self.unanswered.is_none());
        let Origin::Ring(entry, _) = &self.origin else {
            return false;
        };
        let Arrived { header, fixed, payload } = match entry.arrived(&mut self.head.0) {
            Ok(arrived) => arrived,
            Err(header) => {
                self.len = 0;
                let _ = Reply::new(entry.stage(), header.unique).error(Errno::EIO);
                return false;
            }
        };
        let begun = size_of::<InHeader>() + fixed;
        self.len = begun + payload;
        self.unanswered = Some(header.unique);
        if payload == 0 || has_data_apart(&header) && begun == SPLIT {
            return true;
        }
        let bulk = self.memory.bulk();
        let room = &mut self.head.0[begun..];
        let names = payload.min(room.len());
        // SAFETY: the message has this many bytes in the bulk region, which is mapped and no part of the head.
        unsafe { std::ptr::copy_nonoverlapping(bulk.cast::<u8>(), room.as_mut_ptr(), names) };
        // Whoever looks for the rest of a message in the bulk region takes its first byte for the one behind the split.
        if let (Some(before), true) = (SPLIT.checked_sub(begun), self.len > SPLIT) {
            let start = bulk.cast::<u8>();
            // SAFETY: both inside the region; `copy` allows them to overlap.
            unsafe { std::ptr::copy(start.add(before), start, payload - before) };
        }
        true
    }

    /// Copies what follows the beginning of the message behind it, as far as there is room.
    fn gather(&mut self) {
        if self.len <= SPLIT || self.header().is_none_or(has_data_apart) {
            return;
        }
        let rest = &mut self.head.0[SPLIT..self.len.min(HEAD)];
        // SAFETY: the message has this many bytes in the bulk region, which is mapped and no part of the head.
        unsafe { std::ptr::copy_nonoverlapping(self.memory.bulk().cast::<u8>(), rest.as_mut_ptr(), rest.len()) };
    }

    /// The message's header, if the message is long enough to have one.
    pub(crate) fn header(&self) -> Option<&InHeader> {
        abi::read_from(&self.head.0[..self.len.min(SPLIT)])
    }

    /// Takes a lock request out of the lease, which is free for another message then.
    pub(crate) fn set_aside(&mut self) -> Option<SetAside<M>> {
        let header = *self.header()?;
        let arg = *abi::read_from::<LkIn>(self.head.0[..self.len.min(HEAD)].get(size_of::<InHeader>()..)?)?;
        let unanswered = self.unanswered.take()?;
        debug_assert_eq!(unanswered, header.unique);
        Some(SetAside {
            header,
            arg,
            source: Some(match &self.origin {
                Origin::Device(channel) => Source::Device(Arc::clone(channel)),
                Origin::Ring(_, berth) => Source::Ring(Arc::clone(berth)),
            }),
            record: std::mem::take(&mut self.record),
        })
    }

    /// Puts a lock request back into a lease, as if it had just been received.
    pub(crate) fn resume(&mut self, mut request: SetAside<M>) {
        debug_assert!(self.unanswered.is_none());
        let Some(source) = request.source.take() else { return };
        const ARG: usize = size_of::<InHeader>();
        const END: usize = ARG + size_of::<LkIn>();
        self.head.0[..ARG].copy_from_slice(abi::bytes_of(&request.header));
        self.head.0[ARG..END].copy_from_slice(abi::bytes_of(&request.arg));
        self.len = END;
        if let Source::Device(channel) = source {
            self.origin = Origin::Device(channel);
        }
        self.unanswered = Some(request.header.unique);
        std::mem::swap(&mut self.record, &mut request.record);
    }

    /// A worker takes the request in hand.
    pub(crate) fn begins(&mut self, watch: &mut Watch<'_>) {
        let opcode = self.header().map_or(0, |header| header.opcode);
        watch.begins(opcode, &mut self.record);
    }

    /// The request is over.
    pub(crate) fn ended(&mut self, watch: &mut Watch<'_>) {
        let record = std::mem::take(&mut *self.record);
        if let Some(header) = self.header() {
            watch.ended(header, &record);
        }
    }

    /// The bulk memory of a lease without a message.
    pub(crate) fn memory(&mut self) -> &mut M {
        &mut self.memory
    }

    /// The message and what is needed to answer it. `None`: it has no header.
    pub(crate) fn parts(&mut self) -> Option<Parts<'_, M>> {
        let header: &InHeader = abi::read_from(&self.head.0[..self.len.min(SPLIT)])?;
        let room = if has_data_apart(header) { SPLIT } else { HEAD };
        Some(Parts {
            header,
            head: &self.head.0[..self.len.min(room)],
            len: self.len,
            memory: &mut self.memory,
            due: Due {
                way: self.origin.way(),
                unanswered: &mut self.unanswered,
                errno: &mut self.record.errno,
                unique: header.unique,
            },
        })
    }
}

/// A lock request that waits. It may wait long, and many may, so it doesn't keep the lease that it came in. Dropped, it
/// answers `EIO`.
pub(crate) struct SetAside<M: Memory> {
    header: InHeader,
    arg: LkIn,
    /// `None`: it is in a lease again.
    source: Option<Source<M>>,
    record: Box<Record>,
}

/// Who gives the answer to a request that was set aside.
enum Source<M: Memory> {
    Device(Arc<Channel>),
    /// The thread that waits here, with the lease.
    Ring(Arc<Berth<M>>),
}

impl<M: Memory> SetAside<M> {
    /// Hands a request that came over a ring to the thread that has it; gives any other one back.
    pub(crate) fn go_home(self, fate: Fate) -> Result<(), (Self, Fate)> {
        let Some(Source::Ring(berth)) = &self.source else {
            return Err((self, fate));
        };
        let berth = Arc::clone(berth);
        berth.deliver(Mail::Lock(self, fate));
        Ok(())
    }
}

impl<M: Memory> Drop for SetAside<M> {
    fn drop(&mut self) {
        match self.source.take() {
            Some(Source::Device(channel)) => drop(Reply::new(&channel, self.header.unique)),
            Some(Source::Ring(berth)) => berth.deliver(Mail::Lost),
            None => {}
        }
    }
}

/// Whether a message's data begins where its head ends: those of a WRITE and of an answer to RETRIEVE.
fn has_data_apart(header: &InHeader) -> bool {
    const _: () = assert!(size_of::<NotifyRetrieveIn>() == size_of::<WriteIn>());
    header.opcode == Opcode::Write.raw() || header.opcode == Opcode::NotifyReply.raw()
}

impl<M: Memory> Drop for Lease<M> {
    fn drop(&mut self) {
        if let Some(unique) = self.unanswered.take() {
            drop(Reply::new(self.origin.way(), unique));
        }
    }
}

/// Makes the value of a SETXATTR lie in one piece in the bulk region. `at` is where in the message it begins; the
/// message's bytes before [`SPLIT`] are in `head`. `None`: it doesn't fit.
pub(crate) fn value_in_bulk<M: Memory>(
    head: &[u8],
    memory: &mut M,
    at: usize,
    len: usize,
) -> Option<std::ops::Range<usize>> {
    let bulk = memory.bulk();
    if let Some(start) = at.checked_sub(SPLIT) {
        let range = start..start.checked_add(len)?;
        return (range.end <= bulk.len()).then_some(range);
    }
    let early = head.get(at..SPLIT.min(at.checked_add(len)?))?;
    let late = len - early.len();
    if len > bulk.len() {
        return None;
    }
    let start: *mut u8 = bulk.cast();
    // SAFETY: `early` and `late` bytes together are `len`, which the bulk region has; it is mapped and writable, and
    // `head` is no part of it. The first copy may overlap itself.
    unsafe {
        std::ptr::copy(start, start.add(early.len()), late);
        std::ptr::copy_nonoverlapping(early.as_ptr(), start, early.len());
    }
    Some(0..len)
}

/// The first `len` bytes of the bulk region, to be sent. `None`: there are not so many.
pub(crate) fn bulk_bytes<M: Memory>(memory: &M, len: usize) -> Option<Bytes<'_>> {
    bulk_range(memory, 0..len)
}

/// Bytes of the bulk region, to be sent. `None`: it ends before they do.
pub(crate) fn bulk_range<M: Memory>(memory: &M, range: std::ops::Range<usize>) -> Option<Bytes<'_>> {
    let bulk = memory.bulk();
    let inside = range.start <= range.end && range.end <= bulk.len();
    // SAFETY: a part of a region that stays mapped while `memory` is borrowed.
    inside.then(|| unsafe { Bytes::new(bulk.cast::<u8>().add(range.start), range.len()) })
}

/// A record at `offset` of the bulk region, copied out. `None`: the region ends before it does.
pub(crate) fn bulk_record<M: Memory, T: abi::Pod>(memory: &M, offset: usize) -> Option<T> {
    let bulk = memory.bulk();
    if offset.checked_add(size_of::<T>())? > bulk.len() {
        return None;
    }
    // SAFETY: inside the mapped region, and any bytes are a `T`.
    Some(unsafe { bulk.cast::<u8>().add(offset).cast::<T>().read_unaligned() })
}

/// Leases that are not in use.
pub(crate) struct Leases<M: Memory> {
    bulk: usize,
    free: Mutex<Vec<Lease<M>>>,
}

/// More free leases than this are given back to the system.
const MAX_FREE: usize = 64;

impl<M: Memory> Leases<M> {
    /// A pool of leases with `bulk` bytes each.
    pub(crate) fn new(bulk: usize) -> Self {
        Self {
            bulk,
            free: Mutex::default(),
        }
    }

    /// A lease that receives from `channel`.
    pub(crate) fn take<H>(&self, handler: &mut H, channel: &Arc<Channel>) -> io::Result<Lease<M>>
    where
        H: Handler<Memory = M>,
    {
        if let Some(lease) = self.take_pooled(channel) {
            return Ok(lease);
        }
        let memory = handler.lease(self.bulk)?;
        if memory.bulk().len() < self.bulk {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the handler's lease is smaller than asked for",
            ));
        }
        Ok(Lease::new(memory, Arc::clone(channel)))
    }

    /// As `take`, without asking for memory.
    pub(crate) fn take_pooled(&self, channel: &Arc<Channel>) -> Option<Lease<M>> {
        let mut lease = self.free.lock().pop()?;
        lease.origin = Origin::Device(Arc::clone(channel));
        Some(lease)
    }

    pub(crate) fn put(&self, lease: Lease<M>) {
        let mut free = self.free.lock();
        if free.len() < MAX_FREE {
            free.push(lease);
        }
    }

    /// Drops the free leases.
    pub(crate) fn clear(&self) {
        drop(std::mem::take(&mut *self.free.lock()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    use ferrofuse_protocol::abi::{bytes_of, OutHeader};

    use crate::testing::{receive, seqpacket};

    struct Buffer(Vec<u64>);

    // SAFETY: the vector is never resized, so its memory stays; page alignment matters to speed alone.
    unsafe impl Memory for Buffer {
        fn bulk(&self) -> *mut [u8] {
            std::ptr::slice_from_raw_parts_mut(self.0.as_ptr().cast_mut().cast(), self.0.len() * 8)
        }
    }

    fn send(end: &impl AsRawFd, message: &[u8]) {
        // SAFETY: reads `message`.
        let sent = unsafe { libc::write(end.as_raw_fd(), message.as_ptr().cast(), message.len()) };
        assert_eq!(usize::try_from(sent), Ok(message.len()));
    }

    fn message(opcode: Opcode, body: &[u8]) -> Vec<u8> {
        let len = (size_of::<InHeader>() + body.len()) as u32;
        let header = InHeader {
            len,
            opcode: opcode.raw(),
            unique: 5,
            ..InHeader::default()
        };
        [bytes_of(&header), body].concat()
    }

    #[test]
    fn a_message_lies_in_one_piece_and_the_data_of_a_write_at_the_start_of_the_bulk_region() {
        let (engine, peer) = seqpacket();
        let channel = Arc::new(Channel::new(engine).unwrap());
        let mut lease = Lease::new(Buffer(vec![0; 4096]), channel);
        for len in [0, 39, 40, 41, 500, HEAD - 40, 10_000] {
            let body: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            for opcode in [Opcode::Lookup, Opcode::Write, Opcode::NotifyReply] {
                let sent = message(opcode, &body);
                send(&peer, &sent);
                assert!(matches!(lease.receive(&Sleeper::undisturbed()), Received::Message(got) if got == sent.len()));
                let parts = lease.parts().unwrap();
                let room = if opcode == Opcode::Lookup { HEAD } else { SPLIT };
                assert!(parts.head == &sent[..sent.len().min(room)], "{opcode} of {len}");
                if let Some(data) = sent.get(SPLIT..).filter(|_| opcode != Opcode::Lookup) {
                    let bulk: Vec<u8> = (0..data.len())
                        .map(|at| bulk_record(parts.memory, at).unwrap())
                        .collect();
                    assert!(bulk == data);
                }
                parts.due.take().none();
            }
        }
        assert!(receive(&peer).is_none());
    }

    #[test]
    fn a_lease_that_is_dropped_with_its_message_unanswered_says_eio() {
        let (engine, peer) = seqpacket();
        let mut lease = Lease::new(Buffer(vec![0; 4096]), Arc::new(Channel::new(engine).unwrap()));
        send(&peer, &message(Opcode::Getattr, &[0; 16]));
        lease.receive(&Sleeper::undisturbed());
        drop(lease);
        let expected = OutHeader {
            len: 16,
            error: -libc::EIO,
            unique: 5,
        };
        assert_eq!(receive(&peer).as_deref(), Some(bytes_of(&expected)));
        assert!(
            matches!(receive(&peer).as_deref(), None | Some([])),
            "one reply, then the end"
        );
    }

    #[test]
    fn records_and_bytes_beyond_the_bulk_region_are_not_there() {
        let memory = Buffer(vec![7; 2]);
        assert_eq!(bulk_record::<_, u64>(&memory, 8), Some(7));
        assert_eq!(bulk_record::<_, u64>(&memory, 9), None);
        assert_eq!(bulk_record::<_, u64>(&memory, usize::MAX), None);
        assert!(bulk_bytes(&memory, 16).is_some() && bulk_bytes(&memory, 17).is_none());
        let mut memory = memory;
        assert_eq!(value_in_bulk(&[0; 80], &mut memory, 70, 17), None);
        assert_eq!(value_in_bulk(&[0; 80], &mut memory, 90, 7), None);
        assert_eq!(value_in_bulk(&[0; 80], &mut memory, 90, 6), Some(10..16));
        assert_eq!(value_in_bulk(&[0; 80], &mut memory, 60, usize::MAX), None);
    }
}
