//! Setuid and setgid, which a file loses when it changes.
//!
//! Called by what opens, writes and answers attributes. A file system that clears privileges itself (`HANDLE_KILLPRIV_V2`)
//! is left alone; otherwise the kernel clears them by SETATTR and REMOVEXATTR, but for the changes that are made here.

use ferrofuse_protocol::abi::{fattr, init, Attr, CreateIn, SetattrIn};
use ferrofuse_protocol::{Errno, Name, Opcode};

use super::{forgotten, Serving};
use crate::handler::{Entry, Handler, Key, Outcome};
use crate::handles::Open;

/// What holds the capabilities of a file.
const CAPABILITIES: &[u8] = b"security.capability";

impl<H: Handler> Serving<'_, H> {
    /// Clears the privileges of an open file for the caller. The kernel leaves it to the file system, asked for or not, where
    /// an open truncates (`ATOMIC_O_TRUNC`) and where a write passes its cache by (`FOPEN_DIRECT_IO`).
    pub(super) fn clear_privileges(&mut self, open: Open) -> Outcome<()> {
        if !self.clears(&[Opcode::Getattr, Opcode::Setattr]) {
            return Ok(());
        }
        let Open { key, slot } = open;
        // A file of which nothing can be told has no name left by which it could be run.
        let Ok(found) = self.upcall(|handler, call| handler.getattr(call, key, Some(slot))) else {
            return Ok(());
        };
        self.set_mode(open, &found.attr, found.attr.mode & !lost(found.attr.mode))
    }

    /// Clears the privileges of a file that a truncating CREATE has opened, as the truncation has cost them if the file was
    /// there before: somebody else has made it since the kernel looked, and the kernel takes it for new. Whether it is, no
    /// answer tells: what was asked for stays. Unlike an open's, the truncation is none that the kernel knows of, so not even
    /// capabilities are gone.
    pub(super) fn created_truncating(&mut self, mut entry: Entry, open: Open, arg: &CreateIn) -> Outcome<Entry> {
        if self.is_root(open.key) {
            return Err(Errno::EIO);
        }
        let may_keep = self.call.caller.uid == 0;
        let mode = entry.attr.mode & !(lost(entry.attr.mode) & !arg.mode);
        let mut outcome = Ok(());
        if !may_keep && self.clears(&[Opcode::Setattr]) {
            outcome = self.set_mode(open, &entry.attr, mode);
            entry.attr.mode = mode;
        }
        if outcome.is_ok() && self.clears(&[Opcode::Getxattr, Opcode::Removexattr]) {
            outcome = self.remove_capabilities(open.key);
        }
        if let Err(errno) = outcome {
            forgotten(self.session, self.handler, Key(entry.nodeid), 1);
            return Err(errno);
        }
        Ok(entry)
    }

    /// Whether it is for us to clear, and the file system can do what it takes.
    fn clears(&self, by: &[Opcode]) -> bool {
        let session = self.session;
        session.granted.flags & init::HANDLE_KILLPRIV_V2 == 0 && by.iter().all(|&opcode| session.config.handles(opcode))
    }

    fn remove_capabilities(&mut self, key: Key) -> Outcome<()> {
        let Ok(name) = Name::component(CAPABILITIES) else {
            return Ok(());
        };
        // As the kernel does, which takes an attribute that can't be read or is empty for none.
        match self.upcall(|handler, call| handler.getxattr(call, key, name, 0)) {
            Ok(0) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
        match self.upcall(|handler, call| handler.removexattr(call, key, name)) {
            Err(Errno::ENODATA | Errno::EOPNOTSUPP) => Ok(()),
            outcome => outcome,
        }
    }

    fn set_mode(&mut self, open: Open, attr: &Attr, mode: u32) -> Outcome<()> {
        if mode == attr.mode {
            return Ok(());
        }
        let Open { key, slot } = open;
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
