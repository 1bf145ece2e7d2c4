//! Compares what the same operation answered on the host and on the mount. Remembers the times it has seen: times are not
//! the same on both sides, but whether they have changed since they were looked at last is.

use std::collections::BTreeMap;

use crate::differences::{self, Case, Kind, Loose};
use crate::observe::{Node, Outcome, Stat, Timestamp};
use crate::op::Op;
use crate::sys;

/// What was seen of one file, found by its inode number on the host, which is never used again there.
struct Seen {
    mount_ino: u64,
    host: (Timestamp, Timestamp),
    mount: (Timestamp, Timestamp),
}

/// Of one pair of directories, from when they were empty.
pub struct Comparison {
    seen: BTreeMap<u64, Seen>,
    loose: BTreeMap<u64, Loose>,
    began: i128,
    newest: i128,
    kind: Kind,
    lost: bool,
    /// How often each known difference was met.
    pub known: BTreeMap<&'static str, u64>,
}

/// A time farther from the present than this was set by somebody.
const PRESENT: i128 = 3600 * 1_000_000_000;

impl Comparison {
    /// Nothing seen yet. Each kind of mount has differences of its own.
    pub fn new(kind: Kind) -> Self {
        let (seen, loose, known) = Default::default();
        Self {
            seen,
            loose,
            known,
            began: sys::coarse_clock(),
            newest: 0,
            kind,
            lost: false,
        }
    }

    /// The newest time that was seen: a change at the same moment couldn't be told from none.
    pub fn newest(&self) -> i128 {
        self.newest
    }

    /// Nobody can say when the times of a file change, which is found by its inode number on the host.
    pub fn is_loose(&mut self, host_ino: u64, why: Loose) {
        let present = self.loose.entry(host_ino).or_insert(why);
        if why == Loose::Mapped {
            *present = why;
        }
    }

    /// The next operation works on a file that has no name on the host.
    pub fn is_nameless(&mut self, nameless: bool) {
        self.lost = nameless && self.kind == Kind::Path;
    }

    /// What differs, one line each; nothing if all is well.
    pub fn compare(&mut self, op: &Op, host: &Outcome, mount: &Outcome) -> Vec<String> {
        let mut found = Vec::new();
        match (host, mount) {
            (Outcome::Stat(host), Outcome::Stat(mount)) => self.stats("", host, mount, &mut found),
            (Outcome::Tree(host), Outcome::Tree(mount)) => self.trees(host, mount, &mut found),
            _ if host == mount => {}
            _ => {
                let lost = self.lost;
                if !self.is_known(&Case::Answer { op, host, mount, lost }) {
                    found.push(format!("host: {}; mount: {}", short(host), short(mount)));
                    found.extend(first_difference(host, mount));
                }
            }
        }
        found
    }

    fn is_known(&mut self, case: &Case<'_>) -> bool {
        let known = differences::known(case);
        if let Some(difference) = known {
            *self.known.entry(difference.name).or_default() += 1;
        }
        known.is_some()
    }

    fn stats(&mut self, path: &str, host: &Stat, mount: &Stat, found: &mut Vec<String>) {
        let mut pairs: Vec<(&'static str, bool, String)> = Vec::new();
        macro_rules! plain {
            ($($name:ident $format:literal),*) => {$(
                let values = format!(concat!("host: ", $format, "; mount: ", $format), host.$name, mount.$name);
                pairs.push((stringify!($name), host.$name == mount.$name, values));
            )*};
        }
        plain!(mode "{:o}", nlink "{}", uid "{}", gid "{}", rdev "{:?}", size "{}");

        let now = sys::coarse_clock();
        let present = self.began - PRESENT..now + PRESENT;
        let seen = self.seen.get(&host.ino);
        let mut time = |name, host: Timestamp, mount: Timestamp, before: Option<(Timestamp, Timestamp)>| {
            if !present.contains(&nanos(host)) || !present.contains(&nanos(mount)) {
                pairs.push((name, host == mount, format!("host: {host:?}; mount: {mount:?}")));
            } else if let Some((host_before, mount_before)) = before {
                let (on_host, on_mount) = (host != host_before, mount != mount_before);
                let word = |changed| if changed { "changed" } else { "not changed" };
                let values = format!("host: {}; mount: {} since the last look", word(on_host), word(on_mount));
                pairs.push((name, on_host == on_mount, values));
            }
        };
        time(
            "mtime",
            host.mtime,
            mount.mtime,
            seen.map(|seen| (seen.host.0, seen.mount.0)),
        );
        time(
            "ctime",
            host.ctime,
            mount.ctime,
            seen.map(|seen| (seen.host.1, seen.mount.1)),
        );
        if let Some(seen) = seen {
            let values = format!("was {} on the mount, and is {}", seen.mount_ino, mount.ino);
            pairs.push(("ino", seen.mount_ino == mount.ino, values));
        }

        let loose = self.loose.get(&host.ino).copied();
        self.loose.retain(|&ino, why| ino != host.ino || *why == Loose::Mapped);
        for (name, same, values) in pairs {
            if !same
                && !self.is_known(&Case::Attribute {
                    name,
                    host,
                    mount,
                    loose,
                    kind: self.kind,
                })
            {
                let of = if path.is_empty() {
                    String::new()
                } else {
                    format!("{path}: ")
                };
                found.push(format!("{of}{name}: {values}"));
            }
        }

        let times = [host.mtime, host.ctime, mount.mtime, mount.ctime];
        let newest = times.into_iter().map(nanos).filter(|time| present.contains(time)).max();
        self.newest = self.newest.max(newest.unwrap_or(0));
        let times = |stat: &Stat| (stat.mtime, stat.ctime);
        self.seen.insert(
            host.ino,
            Seen {
                mount_ino: mount.ino,
                host: times(host),
                mount: times(mount),
            },
        );
    }

    fn trees(&mut self, host: &BTreeMap<String, Node>, mount: &BTreeMap<String, Node>, found: &mut Vec<String>) {
        let mut owner_of = BTreeMap::new();
        for path in host.keys().chain(mount.keys().filter(|path| !host.contains_key(*path))) {
            let (Some(on_host), Some(on_mount)) = (host.get(path), mount.get(path)) else {
                let only = if host.contains_key(path) { "host" } else { "mount" };
                found.push(format!("{path}: is on the {only} only"));
                continue;
            };
            let problems = [("host", on_host), ("mount", on_mount)];
            for (side, node) in problems {
                found.extend(
                    node.problems
                        .iter()
                        .map(|problem| format!("{path}: on the {side} it {problem}")),
                );
            }
            if !on_host.problems.is_empty() || !on_mount.problems.is_empty() {
                continue;
            }
            self.stats(path, &on_host.stat, &on_mount.stat, found);
            contents(path, on_host, on_mount, found);
            let first = *owner_of.entry(on_mount.stat.ino).or_insert(on_host.stat.ino);
            if first != on_host.stat.ino {
                found.push(format!("{path}: has the inode number of another file on the mount"));
            }
        }
    }
}

fn contents(path: &str, host: &Node, mount: &Node, found: &mut Vec<String>) {
    let pairs = host.content.iter().zip(&mount.content);
    if let Some((at, _)) = pairs.clone().find(|(a, b)| a != b) {
        found.push(format!("{path}: content differs in the block at {}", at.at));
    } else if host.content.len() != mount.content.len() {
        found.push(format!("{path}: content differs behind block {}", pairs.count()));
    }
    for name in host
        .xattrs
        .keys()
        .chain(mount.xattrs.keys().filter(|name| !host.xattrs.contains_key(*name)))
    {
        let (on_host, on_mount) = (host.xattrs.get(name), mount.xattrs.get(name));
        if on_host != on_mount {
            let len = |value: Option<&Vec<u8>>| value.map_or("absent".to_string(), |v| format!("{} bytes", v.len()));
            let name = name.escape_ascii();
            found.push(format!(
                "{path}: attribute {name} differs, host: {}; mount: {}",
                len(on_host),
                len(on_mount)
            ));
        }
    }
}

fn nanos(time: Timestamp) -> i128 {
    i128::from(time.0) * 1_000_000_000 + i128::from(time.1)
}

/// An answer in a few words.
pub fn short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed(errno) => format!("{errno:?}"),
        Outcome::Done => "done".into(),
        Outcome::Number(number) => number.to_string(),
        Outcome::Bytes(bytes) if bytes.len() <= 16 => format!("{} bytes \"{}\"", bytes.len(), bytes.escape_ascii()),
        Outcome::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Outcome::Names(names) => {
            let names: Vec<_> = names
                .iter()
                .map(|(name, kind)| format!("{}:{kind}", name.escape_ascii()))
                .collect();
            format!("[{}]", names.join(" "))
        }
        Outcome::Tree(nodes) => format!("{} files", nodes.len()),
        other => format!("{other:?}"),
    }
}

fn first_difference(host: &Outcome, mount: &Outcome) -> Option<String> {
    let (Outcome::Bytes(host), Outcome::Bytes(mount)) = (host, mount) else {
        return None;
    };
    let at = host.iter().zip(mount).position(|(a, b)| a != b)?;
    Some(format!(
        "first different byte at {at}, host: {}; mount: {}",
        host[at], mount[at]
    ))
}
