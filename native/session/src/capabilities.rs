//! What the calling thread may do, capabilities(7).
//!
//! Called by `backing` when a file is registered, and by who makes files in somebody's name. Changes the effective set of
//! one thread for one call; never the permitted one, nor that of other threads.

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

impl Header {
    const OWN: Self = Self {
        version: VERSION,
        pid: 0,
    };
}

/// `struct __user_cap_data_struct`, of which there are two: the lower and the upper half.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The sets of a thread.
#[derive(Clone, Copy)]
pub struct Capabilities([Half; 2]);

impl Capabilities {
    /// Those of the calling thread.
    ///
    /// # Errors
    /// What capget(2) says.
    pub fn now() -> io::Result<Self> {
        let mut header = Header::OWN;
        let mut halves = [Half::default(); 2];
        // SAFETY: a header and room for two records, as version 3 wants it.
        let done = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr()) };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(halves))
    }

    /// The same, but that these are not effective: one bit each, the lower and the upper half.
    pub fn without(mut self, lost: [u32; 2]) -> Self {
        for (half, lost) in self.0.iter_mut().zip(lost) {
            half.effective &= !lost;
        }
        self
    }

    /// Gives them to the calling thread. What is permitted can be made effective again at any time.
    ///
    /// # Errors
    /// What capset(2) says.
    pub fn set(&self) -> io::Result<()> {
        let mut header = Header::OWN;
        // SAFETY: a header and two records, as version 3 wants it.
        let done = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, self.0.as_ptr()) };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

/// Does something without `CAP_FSETID`.
///
/// # Errors
/// The capability can't be given up; nothing is done then.
pub(crate) fn without_fsetid<T>(part: impl FnOnce() -> T) -> io::Result<T> {
    let before = Capabilities::now()?;
    before.without([1 << CAP_FSETID, 0]).set()?;
    let result = part();
    before.set()?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capability_is_gone_meanwhile_and_nothing_else() {
        let effective = || Capabilities::now().unwrap().0.map(|half| half.effective);
        let before = effective();
        let meanwhile = without_fsetid(effective).unwrap();
        assert_eq!(meanwhile, [before[0] & !(1 << 4), before[1]]);
        assert_eq!(effective(), before);
    }
}
