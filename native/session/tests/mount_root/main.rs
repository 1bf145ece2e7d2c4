//! Real mounts on `/dev/fuse`. Each test runs in a process and a mount namespace of its own: when the process ends, in
//! whatever way, its mounts are gone. Needs root, for most tests that of a user namespace (`unshare -Urm`); without it
//! a test says loudly that it was skipped.

mod ending;
mod making;
mod support;
mod users;
