/*
 * What libferrofuse.so and the Java part of the same build share: see native/jvm/src/layout.rs.
 * Written by cbindgen: FERROFUSE_WRITE_HEADER=1 cargo test -p ferrofuse-jvm
 */

#ifndef FERROFUSE_H
#define FERROFUSE_H

#include <stdint.h>
#include <linux/fuse.h>

// Who asks for what.
typedef struct {
  // `fuse_in_header.unique`.
  uint64_t unique;
  // Effective user of the caller.
  uint32_t uid;
  // Effective group of the caller.
  uint32_t gid;
  // Thread id of the caller.
  uint32_t pid;
  // Umask of the caller, in requests that make something.
  uint32_t umask;
  // `fuse_in_header.opcode`.
  uint32_t opcode;
  // `FLAG_` bits.
  uint32_t flags;
} ferrofuse_request_context;

// How an opened handle is to be treated.
typedef struct {
  // `FOPEN_` flags.
  uint32_t flags;
  // 0 serialized, 1 shared reads, 2 concurrent.
  uint32_t concurrency;
} ferrofuse_opened;

// When a file was made.
typedef struct {
  // Since 1970.
  int64_t seconds;
  // 0 to 999,999,999.
  uint32_t nanos;
  // 0: it is not known.
  uint32_t given;
} Birth;

// What an ioctl comes with, and how much it answers.
typedef struct {
  // In: the third argument.
  uint64_t argument;
  // In: the request code.
  uint32_t command;
  // In: where in the bulk area the input is.
  uint32_t in_start;
  // In.
  uint32_t in_end;
  // In: where in the bulk area the output goes.
  uint32_t out_start;
  // In.
  uint32_t out_end;
  // Out: bytes that were put there.
  uint32_t out_length;
} Ioctl;

// The args page.
typedef struct {
  // In.
  ferrofuse_request_context request;
  // Out: `open`, `create`, `opendir`.
  ferrofuse_opened opened;
  // Out: whatever hands out a node. `nodeid` is the file system's number.
  struct fuse_entry_out entry;
  // Out: `getattr`, `setattr`.
  struct fuse_attr_out getattr;
  // In: `setattr`.
  struct fuse_setattr_in change;
  // Out: `statfs`.
  struct fuse_kstatfs statfs;
  // Out: `getattr`, when STATX asks.
  Birth birth;
  // In and out: `ioctl`.
  Ioctl ioctl;
  // Out: `lseek`, `copy`, `bmap`.
  uint64_t number;
  // In: the name or path, or the first of two.
  uint8_t name[4096];
  // In: a symbolic link's target, the second name or path, or an extended attribute's name beside a path.
  uint8_t target[4096];
  // Out: `getlk`, unless it answers 0.
  FileLock lock;
  // In: what a call without a slot is about that works on open handles otherwise: a node, or the length of its path.
  int64_t unopened;
  // Out: `open`, `create`: a descriptor of the file that is passed through to, or -1.
  int32_t backing;
} ferrofuse_args_page;

#endif  /* FERROFUSE_H */
