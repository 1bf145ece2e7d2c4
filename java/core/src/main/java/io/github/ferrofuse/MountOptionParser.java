package io.github.ferrofuse;

import io.github.ferrofuse.MountOptions.Builder;
import io.github.ferrofuse.MountOptions.Readdirplus;
import io.github.ferrofuse.MountOptions.Transport;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiConsumer;

/**
 * The text of {@code -o}: called by {@link MountOptions}, knows the names and how values are
 * written.
 */
final class MountOptionParser {
  /** One option: what its value is called (null if it takes none), what it does, how it is set. */
  private record Option(String value, String help, BiConsumer<Builder, String> setter) {}

  private static final Map<String, Option> OPTIONS = new LinkedHashMap<>();

  static {
    flag("ro", "read-only", (b, v) -> b.readOnly(true));
    flag("rw", "read-write (default)", (b, v) -> b.readOnly(false));
    flag("dev", "device files work (root only)", (b, v) -> b.dev(true));
    flag("nodev", "they do not (default)", (b, v) -> b.dev(false));
    flag("suid", "setuid and setgid work (root only)", (b, v) -> b.suid(true));
    flag("nosuid", "they do not (default)", (b, v) -> b.suid(false));
    flag("allow_other", "let other users in", (b, v) -> b.allowOther(true));
    flag("allow_root", "let root in", (b, v) -> b.allowRoot(true));
    flag(
        "default_permissions",
        "the kernel checks permissions by owner and mode",
        (b, v) -> b.defaultPermissions(true));
    valued("fsname", "NAME", "source shown by mount and df", Builder::fsname);
    valued("subtype", "NAME", "type shown as fuse.NAME", Builder::subtype);
    valued(
        "max_read",
        "BYTES",
        "largest read, 4096 to 1048576",
        (b, v) -> b.maxRead(number("max_read", v)));
    valued(
        "max_write",
        "BYTES",
        "largest write, 4096 to 1048576",
        (b, v) -> b.maxWrite(number("max_write", v)));
    valued(
        "max_background",
        "N",
        "background requests in flight, 1 to 65535",
        (b, v) -> b.maxBackground(number("max_background", v)));
    valued(
        "attr_timeout",
        "SECONDS",
        "how long attributes are remembered (1)",
        (b, v) -> b.attrTimeout(seconds("attr_timeout", v)));
    valued(
        "entry_timeout",
        "SECONDS",
        "how long names are remembered (1)",
        (b, v) -> b.entryTimeout(seconds("entry_timeout", v)));
    valued(
        "negative_timeout",
        "SECONDS",
        "how long the absence of a name is remembered (0)",
        (b, v) -> b.negativeTimeout(seconds("negative_timeout", v)));
    valued(
        "path_cache",
        "N",
        "paths that are kept as strings (500)",
        (b, v) -> b.pathCache(number("path_cache", v)));
    flag("direct_io", "bypass the page cache", (b, v) -> b.directIo(true));
    flag("kernel_cache", "keep cached pages across opens", (b, v) -> b.kernelCache(true));
    flag("auto_cache", "keep them until the file has changed", (b, v) -> b.autoCache(true));
    flag("cache_symlinks", "remember the targets of links", (b, v) -> b.cacheSymlinks(true));
    valued(
        "readdirplus",
        "auto|always|never",
        "when listings come with attributes (auto)",
        (b, v) -> readdirplus(b, v));
    flag("writeback_cache", "gather writes in the page cache", (b, v) -> b.writebackCache(true));
    valued(
        "threads",
        "N",
        "threads that serve at most (2 per CPU, 4 to 16; 64 if they block)",
        (b, v) -> b.threads(number("threads", v)));
    valued(
        "max_idle_threads",
        "N",
        "idle threads that stay (all that there are before they block)",
        (b, v) -> b.maxIdleThreads(number("max_idle_threads", v)));
    flag("clone_fd", "a /dev/fuse descriptor per thread (default)", (b, v) -> b.cloneFd(true));
    flag("noclone_fd", "one descriptor for all threads", (b, v) -> b.cloneFd(false));
    valued(
        "idle_spin",
        "SECONDS",
        "look for requests so long before sleeping (0)",
        (b, v) -> b.idleSpin(seconds("idle_spin", v)));
    valued("transport", "auto|dev|uring", "how requests arrive (auto)", (b, v) -> transport(b, v));
    flag(
        "auto_unmount", "fusermount3 unmounts if this process dies", (b, v) -> b.autoUnmount(true));
    valued(
        "umask",
        "OCTAL",
        "permission bits that files are shown without",
        (b, v) -> b.umask(octal("umask", v)));
    valued("uid", "N", "owner that files are shown with", (b, v) -> b.uid(id("uid", v)));
    valued("gid", "N", "group that files are shown with", (b, v) -> b.gid(id("gid", v)));
    flag("metrics", "count and time operations", (b, v) -> b.metrics(true));
    valued(
        "slow",
        "SECONDS",
        "log requests that take longer (none)",
        (b, v) -> b.slow(seconds("slow", v)));
  }

  private MountOptionParser() {}

  private static void flag(String name, String help, BiConsumer<Builder, String> setter) {
    OPTIONS.put(name, new Option(null, help, setter));
  }

  private static void valued(
      String name, String value, String help, BiConsumer<Builder, String> setter) {
    OPTIONS.put(name, new Option(value, help, setter));
  }

  static Map<String, String> help() {
    Map<String, String> lines = new LinkedHashMap<>();
    OPTIONS.forEach(
        (name, option) ->
            lines.put(option.value == null ? name : name + "=" + option.value, option.help));
    return lines;
  }

  /** Sets what is known on {@code builder} and answers the rest, in the order written. */
  static Map<String, String> apply(Iterable<String> lists, Builder builder) {
    Map<String, String> rest = new LinkedHashMap<>();
    for (String list : lists) {
      for (String text : split(list)) {
        int equals = text.indexOf('=');
        String name = equals < 0 ? text : text.substring(0, equals);
        String value = equals < 0 ? null : text.substring(equals + 1);
        Option option = OPTIONS.get(name);
        if (option == null) {
          rest.put(name, value == null ? "" : value);
        } else if (option.value == null && value != null) {
          throw new IllegalArgumentException("option " + text + ": " + name + " takes no value");
        } else if (option.value != null && (value == null || value.isEmpty())) {
          throw new IllegalArgumentException(
              "option " + name + " needs a value: " + name + "=" + option.value);
        } else {
          option.setter.accept(builder, value);
        }
      }
    }
    return rest;
  }

  static void requireEmpty(Map<String, String> rest) {
    if (rest.isEmpty()) {
      return;
    }
    String name = rest.keySet().iterator().next();
    List<String> close = new ArrayList<>();
    for (String known : OPTIONS.keySet()) {
      if (looksLike(name.toLowerCase(Locale.ROOT), known)) {
        close.add(known);
      }
    }
    throw new IllegalArgumentException(
        "unknown option "
            + name
            + (close.isEmpty() ? "" : ": did you mean " + String.join(" or ", close) + "?"));
  }

  /** Parts between commas; empty ones are left out, as mount(8) does. */
  private static List<String> split(String list) {
    List<String> parts = new ArrayList<>();
    StringBuilder part = new StringBuilder();
    for (int i = 0; i < list.length(); i++) {
      char c = list.charAt(i);
      if (c == ',') {
        parts.add(part.toString());
        part.setLength(0);
      } else if (c != '\\') {
        part.append(c);
      } else if (++i < list.length()) {
        part.append(list.charAt(i));
      } else {
        throw new IllegalArgumentException(
            "options " + list + ": the backslash at the end has nothing to escape");
      }
    }
    parts.add(part.toString());
    parts.removeIf(String::isEmpty);
    return parts;
  }

  private static void transport(Builder builder, String value) {
    switch (value) {
      case "auto" -> builder.transport(Transport.AUTO);
      case "dev" -> builder.transport(Transport.DEV);
      case "uring" -> builder.transport(Transport.URING);
      case "fuser" ->
          throw new IllegalArgumentException(
              "transport=" + value + " is not in this build: use auto, dev or uring");
      default -> throw bad("transport", value, "auto, dev or uring");
    }
  }

  private static void readdirplus(Builder builder, String value) {
    switch (value) {
      case "auto" -> builder.readdirplus(Readdirplus.AUTO);
      case "always" -> builder.readdirplus(Readdirplus.ALWAYS);
      case "never" -> builder.readdirplus(Readdirplus.NEVER);
      default -> throw bad("readdirplus", value, "auto, always or never");
    }
  }

  private static int number(String name, String value) {
    try {
      return Integer.parseInt(value);
    } catch (NumberFormatException e) {
      throw bad(name, value, "a whole number");
    }
  }

  private static int octal(String name, String value) {
    if (!value.matches("0*[0-7]{1,3}")) {
      throw bad(name, value, "an octal number from 0 to 777");
    }
    return Integer.parseInt(value, 8);
  }

  /** 4294967295 is (uid_t) -1, which chown(2) takes for "none": it names nobody. */
  private static int id(String name, String value) {
    if (!value.matches("[0-9]{1,10}") || Long.parseLong(value) > 0xffff_fffeL) {
      throw bad(name, value, "a number from 0 to 4294967294");
    }
    return Integer.parseUnsignedInt(value);
  }

  private static Duration seconds(String name, String value) {
    if (!value.matches("[0-9]{1,9}(\\.[0-9]{1,9})?")) {
      throw bad(name, value, "seconds, for example 1 or 0.5");
    }
    return Duration.ofNanos(new BigDecimal(value).movePointRight(9).longValueExact());
  }

  private static IllegalArgumentException bad(String name, String value, String right) {
    return new IllegalArgumentException(name + "=" + value + ": needs " + right);
  }

  /**
   * Whether a typing error lies between the two: few edits for the length, or one begins the other.
   */
  private static boolean looksLike(String typed, String known) {
    boolean begins = typed.length() >= 3 && (known.startsWith(typed) || typed.startsWith(known));
    return begins || edits(typed, known) <= Math.max(1, known.length() / 4);
  }

  /** Levenshtein distance. */
  private static int edits(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j < row.length; j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j < row.length; j++) {
        int substituted = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(substituted, Math.min(row[j], row[j - 1]) + 1);
      }
    }
    return row[b.length()];
  }
}
