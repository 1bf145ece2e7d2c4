//! Heads of the messages that go to the kernel.
//!
//! Used by dispatch and the notifier. The body is one of the records of [`abi`](crate::abi) or bytes that lie
//! elsewhere; sending both in one call is the transport's job, nothing is copied here.

use crate::abi::OutHeader;
use crate::errno::Errno;

/// What the kernel is told unasked (`enum fuse_notify_code`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum NotifyCode {
    /// A poll has news; [`NotifyPollWakeupOut`](crate::abi::NotifyPollWakeupOut).
    Poll = 1,
    /// Cached data or attributes are stale; [`NotifyInvalInodeOut`](crate::abi::NotifyInvalInodeOut).
    InvalInode = 2,
    /// A name is stale; [`NotifyInvalEntryOut`](crate::abi::NotifyInvalEntryOut), name, NUL.
    InvalEntry = 3,
    /// Data for the page cache; [`NotifyStoreOut`](crate::abi::NotifyStoreOut), data.
    Store = 4,
    /// Data of the page cache is wanted; [`NotifyRetrieveOut`](crate::abi::NotifyRetrieveOut).
    Retrieve = 5,
    /// A name is gone; [`NotifyDeleteOut`](crate::abi::NotifyDeleteOut), name, NUL.
    Delete = 6,
    /// Every request in flight is to be sent again (since 7.40); no body.
    Resend = 7,
    /// Every cached name is stale (since 7.44); no body.
    IncEpoch = 8,
    /// Unused nodes are to be forgotten (since 7.45); [`NotifyPruneOut`](crate::abi::NotifyPruneOut), nodeids.
    Prune = 9,
}

/// Head of the reply to request `unique`, with `body` bytes to follow. `None` when the message would be longer than a
/// length of 32 bits can say.
pub fn header(unique: u64, error: Option<Errno>, body: usize) -> Option<OutHeader> {
    Some(OutHeader {
        len: total(body)?,
        error: error.map_or(0, |errno| -errno.raw()),
        unique,
    })
}

/// Head of the reply that carries nothing but an error.
pub fn failure(unique: u64, error: Errno) -> OutHeader {
    OutHeader {
        len: size_of::<OutHeader>() as u32,
        error: -error.raw(),
        unique,
    }
}

/// Head of a notification with `body` bytes to follow. `None` as for [`header`].
pub fn notification(code: NotifyCode, body: usize) -> Option<OutHeader> {
    Some(OutHeader {
        len: total(body)?,
        error: code as i32,
        unique: 0,
    })
}

fn total(body: usize) -> Option<u32> {
    u32::try_from(body.checked_add(size_of::<OutHeader>())?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_states_its_whole_length_and_a_negated_errno() {
        assert_eq!(
            header(9, None, 128),
            Some(OutHeader {
                len: 144,
                error: 0,
                unique: 9
            })
        );
        assert_eq!(header(9, Some(Errno::ENOENT), 0), Some(failure(9, Errno::ENOENT)));
        assert_eq!(
            failure(9, Errno::ENOENT),
            OutHeader {
                len: 16,
                error: -2,
                unique: 9
            }
        );
    }

    #[test]
    fn a_notification_has_its_code_in_place_of_the_error() {
        assert_eq!(
            notification(NotifyCode::Store, 24),
            Some(OutHeader {
                len: 40,
                error: 4,
                unique: 0
            })
        );
    }

    #[test]
    fn a_message_longer_than_its_length_field_is_refused() {
        let longest = u32::MAX as usize - 16;
        assert!(header(1, None, longest).is_some_and(|header| header.len == u32::MAX));
        assert_eq!(header(1, None, longest + 1), None);
        assert_eq!(notification(NotifyCode::Store, usize::MAX), None);
    }
}
