package io.github.ferrofuse.examples.mirror;

import io.github.ferrofuse.Errno;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.Notifier;
import io.github.ferrofuse.local.LocalFd;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * What chattr(1) and lsattr(1) ask for, and projects: ioctl_iflags(2). The kernel has looked who
 * may. Called by open files and directories.
 */
final class InodeFlags {
  private static final int FS_IOC_GETFLAGS = 0x80086601;
  private static final int FS_IOC_SETFLAGS = 0x40086602;
  private static final int FS_IOC_FSGETXATTR = 0x801c581f;
  private static final int FS_IOC_FSSETXATTR = 0x401c5820;

  private final Notifier notifier;

  /** Tells the kernel that attributes have changed, of which it has no idea. */
  InodeFlags(Notifier notifier) {
    this.notifier = notifier;
  }

  /** Serves an ioctl(2) on a node that is open; ENOTTY for others than these. */
  int ioctl(long node, LocalFd fd, int command, ByteBuffer in, ByteBuffer out) throws IOException {
    switch (command) {
      case FS_IOC_GETFLAGS:
        out.order(ByteOrder.nativeOrder()).putInt(fd.inodeFlags());
        return 0;
      case FS_IOC_SETFLAGS:
        fd.setInodeFlags(in.order(ByteOrder.nativeOrder()).getInt());
        changed(node);
        return 0;
      case FS_IOC_FSGETXATTR:
        fd.inodeAttributes(out, out.position());
        out.position(out.position() + LocalFd.INODE_ATTRIBUTES_BYTES);
        return 0;
      case FS_IOC_FSSETXATTR:
        fd.setInodeAttributes(in, in.position());
        changed(node);
        return 0;
      default:
        throw Errno.ENOTTY.exception();
    }
  }

  /** The time of change. */
  private void changed(long node) throws IOException {
    try {
      notifier.invalidateAttributes(node);
    } catch (FuseException e) {
      if (e.errno() != Errno.EAGAIN) {
        throw e;
      }
      // Too much is being told already: the kernel believes the old time until its timeout.
    }
  }
}
