//! What the calling thread may do, capabilities(7).
//!
//! Called by `backing` when a file is registered. Changes the effective set of one thread for one call; never the
//! permitted one, nor that of other threads.

use std::io;

/// Version of the records that has 64 bits (`_LINUX_CAPABILITY_VERSION_3` of `<linux/capability.h>`).
const VERSION: u32 = 0x2008_0522;

/// Whoever writes a file without it has setuid and setgid taken from the file.
const CAP_FSETID: u32 = 4;

/// `struct __user_cap_header_struct`; pid 0 is the calling thread.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`, of which there are two: the lower and the upper half.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Does something without `CAP_FSETID`.
///
/// # Errors
/// The capability can't be given up; nothing is done then.
pub(crate) fn without_fsetid<T>(part: impl FnOnce() -> T) -> io::Result<T> {
    let before = get()?;
    let mut reduced = before;
    reduced[0].effective &= !(1 << CAP_FSETID);
    set(&reduced)?;
    let result = part();
    // What is permitted can be made effective again at any time.
    set(&before)?;
    Ok(result)
}

fn get() -> io::Result<[Half; 2]> {
    let mut header = Header {
        version: VERSION,
        pid: 0,
    };
    let mut halves = [Half::default(); 2];
    // SAFETY: a header and room for two records, as version 3 wants it.
    let done = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr()) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(halves)
}

fn set(halves: &[Half; 2]) -> io::Result<()> {
    let mut header = Header {
        version: VERSION,
        pid: 0,
    };
    // SAFETY: a header and two records, as version 3 wants it.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, halves.as_ptr()) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capability_is_gone_meanwhile_and_nothing_else() {
        let effective = || get().unwrap().map(|half| half.effective);
        let before = effective();
        let meanwhile = without_fsetid(effective).unwrap();
        assert_eq!(meanwhile, [before[0] & !(1 << 4), before[1]]);
        assert_eq!(effective(), before);
    }
}
