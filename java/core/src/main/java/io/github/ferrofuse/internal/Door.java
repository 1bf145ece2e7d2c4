package io.github.ferrofuse.internal;

import io.github.ferrofuse.Connection;
import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileSystemBase;
import io.github.ferrofuse.FuseException;
import io.github.ferrofuse.FuseFileSystem;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.LockKeeper;
import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Notifier;
import io.github.ferrofuse.Operation;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;

/**
 * One mounted file system as native code sees it: what all leases share, and the upcalls that need
 * no lease.
 *
 * <p>Like {@link Upcalls}, its upcalls throw nothing.
 */
public final class Door {
  private final FileSystemBase fs;
  private final SlotTable<FileHandle> files = new SlotTable<>();
  private final SlotTable<DirHandle> directories = new SlotTable<>();
  private final MountOptions options;
  private final Path point;
  private final Interrupts interrupts;
  private final PathStrings pathStrings;
  private final KernelNotifier notifier;
  private final AtomicBoolean initialized = new AtomicBoolean();
  private volatile BooleanSupplier workerStarter = () -> false;
  private volatile Throwable refusal;

  /**
   * Makes the door of a mount.
   *
   * @param fs the file system, an {@link InodeFileSystem} or a {@link FuseFileSystem}
   * @param options how it is mounted
   * @param point where, absolute and without symbolic links
   */
  public Door(FileSystemBase fs, MountOptions options, Path point) {
    this.fs = fs;
    this.options = options;
    this.point = point;
    interrupts = new Interrupts(fs, fs.interruptsThreads());
    pathStrings = new PathStrings(options.pathCache());
    notifier = new KernelNotifier(fs instanceof FuseFileSystem, options.fsname());
  }

  /** {@return the paths that were given to the file system as strings} */
  public PathStrings pathStrings() {
    return pathStrings;
  }

  /** {@return what tells the kernel of changes} */
  public KernelNotifier notifier() {
    return notifier;
  }

  /** {@return the file system} */
  public FileSystemBase fileSystem() {
    return fs;
  }

  SlotTable<FileHandle> files() {
    return files;
  }

  SlotTable<DirHandle> directories() {
    return directories;
  }

  Interrupts interrupts() {
    return interrupts;
  }

  long attrTimeoutNanos() {
    return options.attrTimeoutNanos();
  }

  long entryTimeoutNanos() {
    return options.entryTimeoutNanos();
  }

  /** {@return what {@link FileSystemBase#init} threw, null if it did not} */
  public Throwable refusal() {
    return refusal;
  }

  /**
   * Sets how a thread is made that calls {@link Native#serve}; before the first one does.
   *
   * @param starter starts one and answers true, or answers false; throws nothing
   */
  public void startsWorkersBy(BooleanSupplier starter) {
    workerStarter = starter;
  }

  /** Upcall: one more thread is wanted. Answers 1 if it was started, else 0. */
  int spawn() {
    return workerStarter.getAsBoolean() ? 1 : 0;
  }

  /** Upcall: the memory of one more lease. The only one that may throw: OutOfMemoryError. */
  Upcalls lease(int bulkSize) {
    return fs instanceof FuseFileSystem
        ? new PathUpcalls(this, (FuseFileSystem) fs, bulkSize)
        : new NodeUpcalls(this, (InodeFileSystem) fs, bulkSize);
  }

  /** Upcall: answers what the file system wishes, {@code Layout.WISH_} bits, or an errno. */
  int init(int minor, long offered) {
    try {
      notifier.offered(minor, offered);
      Settled settled = new Settled(minor, offered, this);
      fs.init(settled);
      initialized.set(true);
      return settled.wishes;
    } catch (Throwable thrown) {
      refusal = thrown;
      return -FuseException.errnoOf(thrown).code();
    }
  }

  /**
   * Upcall: after the last request. Also for a mount that failed after {@link #init}.
   *
   * @return 0
   */
  public int destroy() {
    try {
      if (initialized.getAndSet(false)) {
        fs.destroy();
      }
    } catch (Throwable thrown) {
      Failures.swallow(fs, "DESTROY", thrown);
    }
    notifier.end();
    return 0;
  }

  /** Upcall: the kernel no longer refers to a node. Answers 0. */
  int forget(long node, long lookups) {
    try {
      if (fs instanceof InodeFileSystem) {
        ((InodeFileSystem) fs).forget(node, lookups);
      }
    } catch (Throwable thrown) {
      Failures.swallow(fs, Operation.FORGET, thrown);
    }
    return 0;
  }

  /** Upcall: whoever waits for the answer of a request got a signal. Answers 0. */
  int interrupt(long unique) {
    interrupts.interrupt(unique);
    return 0;
  }

  private static final class Settled implements Connection {
    /** FUSE_DONT_MASK and FUSE_POSIX_ACL of &lt;linux/fuse.h&gt;. */
    private static final long ACLS = 1 << 6 | 1 << 20;

    private final int minor;
    private final long offered;
    private final Door door;
    private int wishes;

    Settled(int minor, long offered, Door door) {
      this.minor = minor;
      this.offered = offered;
      this.door = door;
    }

    @Override
    public Path mountPoint() {
      return door.point;
    }

    @Override
    public int protocolMinor() {
      return minor;
    }

    @Override
    public long offered() {
      return offered;
    }

    @Override
    public void clearsPrivileges() {
      wishes |= Layout.WISH_CLEARS_PRIVILEGES;
    }

    @Override
    public void truncatesOnOpen() {
      wishes |= Layout.WISH_TRUNCATES_ON_OPEN;
    }

    @Override
    public void sharesFiles() {
      wishes |= Layout.WISH_SHARES_FILES;
    }

    @Override
    public void knowsBirthTimes() {
      wishes |= Layout.WISH_BIRTH_TIMES;
    }

    @Override
    public boolean keepsAcls() {
      if ((offered & ACLS) != ACLS) {
        return false;
      }
      wishes |= Layout.WISH_KEEPS_ACLS;
      return true;
    }

    @Override
    public void locks(LockKeeper keeper) {
      wishes &= ~(Layout.WISH_LOCKS_BY_ENGINE | Layout.WISH_LOCKS_BY_FILE_SYSTEM);
      wishes |=
          switch (keeper) {
            case KERNEL -> 0;
            case ENGINE -> Layout.WISH_LOCKS_BY_ENGINE;
            case FILE_SYSTEM -> Layout.WISH_LOCKS_BY_FILE_SYSTEM;
          };
    }

    @Override
    public Notifier notifier() {
      return door.notifier;
    }

    @Override
    public void passesThrough() {
      PassThrough.require(offered, door.options);
      wishes |= Layout.WISH_PASSES_THROUGH;
    }

    @Override
    public void resolvesDots() {
      if (door.fs instanceof FuseFileSystem) {
        throw new UnsupportedOperationException(
            "file handles that outlive the kernel's memory need an InodeFileSystem:"
                + " a path is not for ever the same file's");
      }
      wishes |= Layout.WISH_RESOLVES_DOTS;
    }
  }
}
