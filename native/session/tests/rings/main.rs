//! The same file system served over io_uring, on a real mount. Needs root and a kernel with FUSE over io_uring.

#[path = "../support/mod.rs"]
mod support;

mod ends;
mod mounted;
mod serving;
