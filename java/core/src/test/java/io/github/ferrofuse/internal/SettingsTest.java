package io.github.ferrofuse.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.Operation;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class SettingsTest {
  private static List<String> encode(Path point, MountOptions options) {
    byte[] text =
        Settings.encode(point, -2, false, EnumSet.of(Operation.LOOKUP, Operation.READ), options);
    return Arrays.asList(new String(text, StandardCharsets.ISO_8859_1).split("\0"));
  }

  @Test
  void whatIsNotSetIsLeftOut() {
    List<String> names =
        encode(Path.of("/m"), MountOptions.defaults()).stream()
            .map(item -> item.substring(0, item.indexOf('=')))
            .collect(Collectors.toList());
    assertEquals(
        List.of("point", "fsname", "subtype", "root", "operations", "negative_timeout", "clone_fd"),
        names);
  }

  @Test
  void valuesAreWhatNativeCodeParses() {
    List<String> items =
        encode(
            Path.of("/m/a b%"),
            MountOptions.builder()
                .fsname("ü")
                .uid(-2)
                .maxRead(8192)
                .readOnly(true)
                .metrics(true)
                .autoCache(true)
                .cacheSymlinks(true)
                .readdirplus(MountOptions.Readdirplus.NEVER)
                .slow(Duration.ofMillis(2))
                .idleSpin(Duration.ofNanos(30_000))
                .build());
    assertEquals("point=/m/a b%", items.get(0));
    assertEquals("fsname=\u00c3\u00bc", items.get(1));
    assertEquals("root=-2", items.get(3));
    assertEquals("operations=" + (1 << 1 | 1 << 15), items.get(4));
    assertEquals(true, items.contains("uid=4294967294"));
    assertEquals(true, items.contains("ro="));
    assertEquals(true, items.contains("metrics="));
    assertEquals(true, items.contains("auto_cache="));
    assertEquals(true, items.contains("cache_symlinks="));
    assertEquals(true, items.contains("readdirplus=never"));
    assertEquals(true, items.contains("slow=2000000"));
    assertEquals(true, items.contains("idle_spin=30000"));
    assertEquals(true, items.contains("max_read=8192"));
  }
}
