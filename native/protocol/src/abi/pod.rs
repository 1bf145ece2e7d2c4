//! Plain records: the one place where bytes become typed references and back.

use std::mem::{align_of, size_of, MaybeUninit};
use std::slice;

/// A type that is nothing but its bytes.
///
/// # Safety
/// The type has no padding, every bit pattern is a valid value, and it has no interior mutability.
pub unsafe trait Pod: Copy + 'static {}

macro_rules! primitives {
    ($($primitive:ty)*) => {
        $(
            // SAFETY: integers have no padding and no invalid bit patterns.
            unsafe impl Pod for $primitive {}
        )*
    };
}

primitives!(u8 u16 u32 u64 i32 i64);

// SAFETY: an array is its elements without gaps.
unsafe impl<T: Pod, const N: usize> Pod for [T; N] {}

/// Declares `#[repr(C)]` records with public fields and makes them [`Pod`]. Does not compile unless size and
/// alignment are the stated numbers, the fields fill the record without gaps, and each of them is [`Pod`] itself.
macro_rules! records {
    ($(
        $(#[$attribute:meta])*
        $name:ident: size $size:literal, align $align:literal {
            $($(#[$field_attribute:meta])* $field:ident: $type:ty,)*
        }
    )*) => {
        $(
            $(#[$attribute])*
            #[repr(C)]
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub struct $name {
                $($(#[$field_attribute])* pub $field: $type,)*
            }

            const _: () = {
                const fn is_pod<T: $crate::abi::Pod>() -> usize {
                    ::std::mem::size_of::<T>()
                }
                assert!(::std::mem::size_of::<$name>() == $size, "size differs from the kernel's");
                assert!(::std::mem::align_of::<$name>() == $align, "alignment differs from the kernel's");
                assert!(0 $(+ is_pod::<$type>())* == $size, "the record has padding");
            };

            // SAFETY: repr(C), and the assertions above hold: no padding, fields that are Pod.
            unsafe impl $crate::abi::Pod for $name {}

            impl Default for $name {
                /// Every byte zero.
                fn default() -> Self {
                    $crate::abi::zeroed()
                }
            }
        )*
    };
}

pub(super) use records;

/// A value whose bytes are all zero.
pub fn zeroed<T: Pod>() -> T {
    // SAFETY: every bit pattern of a Pod is valid, zero among them.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// The record as the bytes that go to the kernel.
pub fn bytes_of<T: Pod>(value: &T) -> &[u8] {
    // SAFETY: a Pod has no padding, so all its bytes are initialised; the borrow keeps it alive and unchanged.
    unsafe { slice::from_raw_parts((value as *const T).cast(), size_of::<T>()) }
}

/// The record at the start of `bytes`, borrowed. `None` when `bytes` is too short or not aligned for `T`.
pub fn read_from<T: Pod>(bytes: &[u8]) -> Option<&T> {
    slice_from(bytes.get(..size_of::<T>())?)?.first()
}

/// `bytes` as a list of records, borrowed. `None` when it is not aligned for `T` or not a whole number of records.
pub fn slice_from<T: Pod>(bytes: &[u8]) -> Option<&[T]> {
    let count = bytes.len().checked_div(size_of::<T>())?;
    if count * size_of::<T>() != bytes.len() || bytes.as_ptr().align_offset(align_of::<T>()) != 0 {
        return None;
    }
    // SAFETY: aligned, `count` records lie within `bytes`, and any bit pattern is a valid Pod; the lifetime is that of
    // the borrow.
    Some(unsafe { slice::from_raw_parts(bytes.as_ptr().cast(), count) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::ForgetOne;

    #[repr(align(8))]
    struct Aligned([u8; 40]);

    #[test]
    fn a_record_is_read_where_it_lies() {
        let mut memory = Aligned([0; 40]);
        memory.0[8] = 7;
        let one: &ForgetOne = read_from(&memory.0[8..]).expect("24 aligned bytes hold a record of 16");
        assert_eq!(one.nodeid, u64::from_ne_bytes([7, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(bytes_of(one), &memory.0[8..24]);
    }

    #[test]
    fn short_and_misaligned_bytes_are_refused() {
        let memory = Aligned([0; 40]);
        assert!(read_from::<ForgetOne>(&memory.0[..15]).is_none());
        assert!(read_from::<ForgetOne>(&memory.0[1..]).is_none());
        assert!(read_from::<ForgetOne>(&[]).is_none());
    }

    #[test]
    fn a_list_is_a_whole_number_of_records() {
        let memory = Aligned([0; 40]);
        assert_eq!(slice_from::<ForgetOne>(&memory.0[..32]).map(<[_]>::len), Some(2));
        assert!(slice_from::<ForgetOne>(&memory.0).is_none());
        assert!(slice_from::<ForgetOne>(&memory.0[4..36]).is_none());
        assert_eq!(slice_from::<ForgetOne>(&memory.0[..0]).map(<[_]>::len), Some(0));
    }
}
