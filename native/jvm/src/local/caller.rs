//! In whose name something is made: ids, capabilities and umask of the calling thread, for one system call.
//!
//! By raw system calls, because they belong to a thread for the kernel, while the C library's wrappers of some give them
//! to all threads (nptl(7)). What was taken on is given back on every path; a thread that can't have its own back ends
//! the process, since it would go on with somebody else's rights. As with any change of ids the process is not dumpable
//! afterwards, unless /proc/sys/fs/suid_dumpable says otherwise: proc(5).

use std::ffi::{c_int, c_long};
use std::{io, process};

use ferrofuse_session::Capabilities;
use jni::objects::JIntArray;
use jni::sys::jint;
use jni::Env;

use super::{errno, made, Refused};

/// Capabilities over files, that setfsuid(2) takes from who was root, as two words: CAP_CHOWN, CAP_DAC_OVERRIDE,
/// CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_LINUX_IMMUTABLE, CAP_MKNOD; CAP_MAC_OVERRIDE: capabilities(7).
const OVER_FILES: [u32; 2] = [0x1f | 1 << 9 | 1 << 27, 1];

/// Words from Java: uid, gid, umask, whether rights are checked; groups follow.
const WORDS: usize = 4;

/// In whose name.
pub(super) enum Caller {
    /// This process's own.
    Own,
    Other {
        uid: u32,
        gid: u32,
        umask: u32,
        /// Groups, if the rights of that user decide; else the process's own do.
        groups: Option<Vec<c_int>>,
    },
}

impl Caller {
    /// Null stands for this process.
    pub(super) fn of(env: &Env<'_>, words: &JIntArray<'_>) -> Result<Self, Refused> {
        if words.is_null() {
            return Ok(Self::Own);
        }
        let length = words.len(env)?;
        let mut head = [0; WORDS];
        words.get_region(env, 0, &mut head)?;
        let [uid, gid, umask, checked] = head;
        let groups = if checked == 0 {
            None
        } else {
            let mut groups = vec![0; length.saturating_sub(WORDS)];
            words.get_region(env, WORDS as jint, &mut groups)?;
            Some(groups)
        };
        Ok(Self::Other {
            uid: uid as u32,
            gid: gid as u32,
            umask: umask as u32 & 0o777,
            groups,
        })
    }

    /// Makes a system call that makes a file.
    pub(super) fn make(&self, call: impl FnMut() -> c_long) -> Result<c_long, Refused> {
        let Self::Other {
            uid,
            gid,
            umask,
            groups,
        } = self
        else {
            return made(call);
        };
        let mut guise = Guise::default();
        guise.umask(*umask)?;
        guise.ids(*uid, *gid, groups.as_deref())?;
        made(call)
    }
}

/// What a thread had, to have it back at the end.
#[derive(Default)]
struct Guise {
    umask: Option<u32>,
    groups: Option<Vec<c_int>>,
    gid: Option<u32>,
    uid: Option<u32>,
    capabilities: Option<Capabilities>,
}

impl Guise {
    fn umask(&mut self, umask: u32) -> Result<(), Refused> {
        own_umask()?;
        // SAFETY: touches no memory.
        self.umask = Some(unsafe { libc::umask(umask) });
        Ok(())
    }

    /// Each step is noted once it is made: one that is refused changes nothing, and can't be taken back.
    fn ids(&mut self, uid: u32, gid: u32, groups: Option<&[c_int]>) -> Result<(), Refused> {
        if let Some(groups) = groups {
            let own = own_groups()?;
            if own != groups {
                set_groups(groups)?;
                self.groups = Some(own);
            }
        }
        let own = set_id(libc::SYS_setfsgid, NOBODY);
        if own != gid {
            take_id(libc::SYS_setfsgid, gid)?;
            self.gid = Some(own);
        }
        let own = set_id(libc::SYS_setfsuid, NOBODY);
        let unprivileged = groups.is_some() && uid != 0;
        if own == uid && !unprivileged {
            return Ok(());
        }
        let had = Capabilities::now().map_err(refused)?;
        if own != uid {
            take_id(libc::SYS_setfsuid, uid)?;
            self.uid = Some(own);
        }
        self.capabilities = Some(had);
        // The kernel changes them with the user, but only from or to root: they are said outright.
        let wanted = if unprivileged { had.without(OVER_FILES) } else { had };
        wanted.set().map_err(refused)
    }

    /// Tells whether the thread has its own again.
    fn give_back(&mut self) -> bool {
        let mut is_own = true;
        if let Some(uid) = self.uid.take() {
            is_own &= take_id(libc::SYS_setfsuid, uid).is_ok();
        }
        if let Some(gid) = self.gid.take() {
            is_own &= take_id(libc::SYS_setfsgid, gid).is_ok();
        }
        if let Some(groups) = self.groups.take() {
            is_own &= set_groups(&groups).is_ok();
        }
        if let Some(capabilities) = self.capabilities.take() {
            is_own &= capabilities.set().is_ok();
        }
        if let Some(umask) = self.umask.take() {
            // SAFETY: touches no memory.
            unsafe { libc::umask(umask) };
        }
        is_own
    }
}

impl Drop for Guise {
    fn drop(&mut self) {
        if !self.give_back() {
            eprintln!("ferrofuse: a thread can't give back the ids of another user, so the process ends");
            process::abort();
        }
    }
}

fn refused(error: io::Error) -> Refused {
    Refused::Errno(error.raw_os_error().unwrap_or(libc::EIO))
}

/// No id: asks for the present one and changes nothing, see setfsuid(2).
const NOBODY: u32 = u32::MAX;

/// SYS_setfsuid or SYS_setfsgid; answers what there was.
fn set_id(call: c_long, id: u32) -> u32 {
    // SAFETY: touches no memory.
    unsafe { libc::syscall(call, id) as u32 }
}

/// They tell no errors: whether it was done is to be asked.
fn take_id(call: c_long, id: u32) -> Result<(), Refused> {
    set_id(call, id);
    if set_id(call, NOBODY) == id {
        Ok(())
    } else {
        Err(Refused::Errno(libc::EPERM))
    }
}

fn own_groups() -> Result<Vec<c_int>, Refused> {
    loop {
        // SAFETY: a count of 0 only asks.
        let count = made(|| unsafe { libc::syscall(libc::SYS_getgroups, 0, 0) })?;
        let mut groups = vec![0; count as usize];
        // SAFETY: there is room for as many as are told.
        match unsafe { libc::syscall(libc::SYS_getgroups, groups.len(), groups.as_mut_ptr()) } {
            // More than before: another thread has been given some.
            -1 if errno() == libc::EINVAL => {}
            -1 => return Err(Refused::Errno(errno())),
            count => {
                groups.truncate(count as usize);
                return Ok(groups);
            }
        }
    }
}

fn set_groups(groups: &[c_int]) -> Result<(), Refused> {
    // SAFETY: there are as many as are told.
    made(|| unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) }).map(drop)
}

/// The umask belongs to all threads that come from each other, until one leaves the others: unshare(2). It does so each
/// time, because those that it has made since share its own; the kernel does nothing if there are none. That takes no
/// privilege, but sandboxes may forbid it: EPERM. The working directory, shared likewise, no JVM ever changes.
fn own_umask() -> Result<(), Refused> {
    // SAFETY: touches no memory.
    made(|| unsafe { libc::unshare(libc::CLONE_FS) }).map(drop)
}
