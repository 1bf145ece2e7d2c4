package io.github.ferrofuse.internal;

import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.MountOptions.Readdirplus;
import io.github.ferrofuse.MountOptions.Transport;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.Operation;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Set;

/**
 * How a file system is mounted, as native code reads it: {@code name=value} in bytes, each with a
 * NUL behind it.
 *
 * <p>The other side is {@code native/jvm/src/settings.rs}, which knows the same names. What is not
 * set is left out.
 */
public final class Settings {
  private final ByteArrayOutputStream text = new ByteArrayOutputStream();

  private Settings() {}

  /**
   * The settings of a mount.
   *
   * @param point where it is mounted
   * @param root the root's node; ignored for a file system by path
   * @param byPath whether the file system names its files by path
   * @param operations what the file system can do
   * @param options the mount's options
   * @return the bytes for {@link Native#mount}
   */
  public static byte[] encode(
      Path point, long root, boolean byPath, Set<Operation> operations, MountOptions options) {
    Settings settings = new Settings();
    settings.put("point", PathBytes.of(point));
    settings.put("fsname", options.fsname());
    settings.put("subtype", options.subtype());
    settings.put("root", root);
    if (byPath) {
      settings.put("api", "path");
    }
    settings.put("operations", bits(operations));
    settings.put("negative_timeout", options.negativeTimeoutNanos());
    settings.putIfSet("max_read", options.maxRead());
    settings.putIfSet("max_write", options.maxWrite());
    settings.putIfSet("max_background", options.maxBackground());
    settings.putIfSet("threads", options.threads());
    settings.putIfSet("max_idle_threads", options.maxIdleThreads());
    settings.putIfSet("uid", options.uid());
    settings.putIfSet("gid", options.gid());
    settings.putIfSet("umask", options.umask());
    settings.flag("allow_other", options.allowOther());
    settings.flag("allow_root", options.allowRoot());
    settings.flag("default_permissions", options.defaultPermissions());
    settings.flag("ro", options.readOnly());
    settings.flag("dev", options.dev());
    settings.flag("suid", options.suid());
    settings.flag("auto_unmount", options.autoUnmount());
    settings.flag("direct_io", options.directIo());
    settings.flag("kernel_cache", options.kernelCache());
    settings.flag("auto_cache", options.autoCache());
    settings.flag("cache_symlinks", options.cacheSymlinks());
    if (options.readdirplus() != Readdirplus.AUTO) {
      settings.put("readdirplus", options.readdirplus().name().toLowerCase(Locale.ROOT));
    }
    settings.flag("writeback_cache", options.writebackCache());
    settings.flag("clone_fd", options.cloneFd());
    if (options.idleSpinNanos() > 0) {
      settings.put("idle_spin", options.idleSpinNanos());
    }
    if (options.transport() != Transport.AUTO) {
      settings.put("transport", options.transport().name().toLowerCase(Locale.ROOT));
    }
    settings.flag("metrics", options.metrics());
    if (options.slowNanos() > 0) {
      settings.put("slow", options.slowNanos());
    }
    return settings.text.toByteArray();
  }

  /** One bit per operation, that of its opcode. */
  private static long bits(Set<Operation> operations) {
    long bits = 0;
    for (Operation operation : operations) {
      bits |= 1L << operation.opcode();
    }
    return bits;
  }

  private void put(String name, byte[] value) {
    text.writeBytes((name + "=").getBytes(StandardCharsets.US_ASCII));
    text.writeBytes(value);
    text.write(0);
  }

  private void put(String name, String value) {
    put(name, Name.of(value).toBytes());
  }

  private void put(String name, long value) {
    put(name, Long.toString(value));
  }

  private void putIfSet(String name, int value) {
    if (value != MountOptions.UNSET) {
      put(name, Integer.toUnsignedLong(value));
    }
  }

  private void flag(String name, boolean on) {
    if (on) {
      put(name, "");
    }
  }
}
