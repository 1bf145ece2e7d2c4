//! What several of the calls do to the file system.

use super::*;

/// One worker's door to the file system.
pub(crate) struct Door(pub Arc<Flat>);

impl Door {
    pub(super) fn attr(book: &Book, key: u64) -> Outcome<abi::Attr> {
        let (mode, size, (mtime, mtimensec)) = match book.files.get(&key) {
            _ if key == ROOT_KEY => (libc::S_IFDIR | 0o755, 0, (0, 0)),
            Some(file) => (file.kind | file.permissions, file.data.len() as u64, file.mtime),
            None => return Err(Errno::ENOENT),
        };
        Ok(abi::Attr {
            mode,
            size,
            mtime,
            mtimensec,
            nlink: 1,
            uid: 5,
            gid: 6,
            ..abi::Attr::default()
        })
    }

    pub(super) fn entry(book: &mut Book, key: u64) -> Outcome<Entry> {
        let attr = Self::attr(book, key)?;
        *book.lookups.entry(key).or_default() += 1;
        Ok(Entry {
            nodeid: key,
            attr,
            ..Entry::default()
        })
    }

    /// Makes a file of a kind; one that is called "twisted" is answered as a socket, "upward" as the root.
    pub(super) fn make(&self, name: &Name, kind: u32, data: &[u8]) -> Outcome<Entry> {
        let mut book = self.0.lock();
        let name = text(name)?;
        if name == "upward" {
            return Self::entry(&mut book, ROOT_KEY);
        }
        let key = book.next_key;
        book.next_key += 1;
        let file = File {
            name: name.to_owned(),
            kind: if name == "twisted" { libc::S_IFSOCK } else { kind },
            permissions: 0o640,
            data: data.to_vec(),
            mtime: MADE,
            xattrs: BTreeMap::new(),
        };
        book.files.insert(key, file);
        Self::entry(&mut book, key)
    }

    pub(super) fn find(book: &Book, name: &str) -> Option<u64> {
        book.files
            .iter()
            .find(|(_, file)| file.name == name)
            .map(|(&key, _)| key)
    }

    pub(super) fn opened(&self, key: u64, slot: Slot) -> Opened {
        let mut opened = Opened::default();
        self.0.change(|book| {
            let before = book.open.insert(slot.0, key);
            assert!(before.is_none(), "slot {} is open", slot.0);
            opened.concurrency = match book.files.get(&key).map(|file| file.name.as_str()) {
                Some("shared") => Concurrency::SharedReads,
                Some("free") => Concurrency::Concurrent,
                _ => Concurrency::Serialized,
            };
            if book.no_flush {
                opened.flags |= abi::fopen::NOFLUSH;
            }
            opened.backing = book.backing;
        });
        opened
    }

    /// Sees to it that the handle of a call is open, which the gate doesn't have wait for others.
    pub(super) fn still_open(&self, call: &'static str, node: Key, slot: Slot) -> Outcome<()> {
        self.0.get(|book| {
            let is_open = book.open.get(&slot.0) == Some(&node.0);
            assert!(is_open || book.disordered, "{call} of a handle that isn't open");
            is_open.then_some(()).ok_or(Errno::EBADF)
        })
    }

    /// Begins a call on a handle, and stays in it as long as it is held.
    pub(super) fn enter(&self, call: &'static str, unique: u64, key: Key, slot: Slot, offset: u64) -> Outcome<()> {
        self.0.change(|book| {
            if slot != Slot::UNOPENED {
                assert_eq!(
                    book.open.get(&slot.0),
                    Some(&key.0),
                    "{call} of a handle that isn't open"
                );
            }
            book.calls.push(call);
            book.inside += 1;
        });
        self.0
            .wait(|book| book.held != Some(offset) || book.interrupted.contains(&unique));
        if self.0.get(|book| book.interrupted.contains(&unique)) {
            self.leave();
            return Err(Errno::EINTR);
        }
        Ok(())
    }

    pub(super) fn leave(&self) {
        self.0.change(|book| book.inside -= 1);
    }

    pub(super) fn released(&self, call: &'static str, slot: Slot) {
        self.0.change(|book| {
            assert!(book.open.remove(&slot.0).is_some(), "slot {} released twice", slot.0);
            book.calls.push(call);
        });
    }
}

pub(super) fn text(name: &Name) -> Outcome<&str> {
    std::str::from_utf8(name.as_bytes()).map_err(|_| Errno::EILSEQ)
}
