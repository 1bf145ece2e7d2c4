//! Setuid and setgid, which a file loses when it changes.
//!
//! Called by what opens, writes and answers attributes. A file system that clears privileges itself (`HANDLE_KILLPRIV_V2`)
//! is left alone; otherwise the kernel clears them by SETATTR, but for the two changes that are made here.

use ferrofuse_protocol::abi::{fattr, init, Attr, SetattrIn};
use ferrofuse_protocol::Opcode;

use super::Serving;
use crate::handler::{Handler, Outcome};
use crate::handles::Open;

impl<H: Handler> Serving<'_, H> {
    /// Clears the privileges of an open file for the caller. The kernel leaves it to the file system, asked for or not, where
    /// an open truncates (`ATOMIC_O_TRUNC`) and where a write passes its cache by (`FOPEN_DIRECT_IO`).
    pub(super) fn clear_privileges(&mut self, open: Open) -> Outcome<()> {
        let session = self.session;
        let able = [Opcode::Getattr, Opcode::Setattr].map(|opcode| session.config.handles(opcode));
        if session.granted.flags & init::HANDLE_KILLPRIV_V2 != 0 || able != [true, true] {
            return Ok(());
        }
        let Open { key, slot } = open;
        // A file of which nothing can be told has no name left by which it could be run.
        let Ok(found) = self.upcall(|handler, call| handler.getattr(call, key, Some(slot))) else {
            return Ok(());
        };
        let mode = found.attr.mode & !lost(found.attr.mode);
        if mode == found.attr.mode {
            return Ok(());
        }
        let change = SetattrIn {
            valid: fattr::MODE,
            mode,
            ..SetattrIn::default()
        };
        self.upcall(|handler, call| handler.setattr(call, key, Some(slot), &change))
            .map(drop)
    }
}

/// The bits that a regular file loses: setuid, and setgid if the group may execute it.
fn lost(mode: u32) -> u32 {
    if mode & libc::S_IFMT != libc::S_IFREG {
        0
    } else if mode & libc::S_IXGRP != 0 {
        mode & (libc::S_ISUID | libc::S_ISGID)
    } else {
        mode & libc::S_ISUID
    }
}

/// Whether the kernel must ask for attributes each time: it does not forget a mode when the file loses a part of it by
/// somebody's write.
pub(super) fn are_fleeting(attr: &Attr) -> bool {
    attr.mode & libc::S_IFMT == libc::S_IFREG && attr.mode & (libc::S_ISUID | libc::S_ISGID) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setgid_is_lost_only_with_group_execution_and_by_files_only() {
        for (mode, left) in [
            (0o106755, 0o100755),
            (0o106745, 0o102745),
            (0o104644, 0o100644),
            (0o102674, 0o100674),
            (0o101777, 0o101777),
            (0o046777, 0o046777),
        ] {
            assert_eq!(mode & !lost(mode), left, "{mode:o}");
        }
    }
}
