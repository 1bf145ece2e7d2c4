package io.github.ferrofuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class MountOptionsTest {
  @Test
  void defaultsAreThoseOfTheDocumentation() {
    MountOptions options = MountOptions.defaults();
    assertEquals("ferrofuse", options.fsname());
    assertEquals("ferrofuse", options.subtype());
    assertEquals(1_000_000_000L, options.attrTimeoutNanos());
    assertEquals(1_000_000_000L, options.entryTimeoutNanos());
    assertEquals(0, options.negativeTimeoutNanos());
    assertTrue(options.cloneFd());
    assertFalse(options.metrics());
    assertEquals(0, options.slowNanos());
    assertEquals(0, options.idleSpinNanos());
    assertEquals(MountOptions.Transport.AUTO, options.transport());
    for (int number :
        new int[] {
          options.maxRead(),
          options.maxWrite(),
          options.maxBackground(),
          options.threads(),
          options.maxIdleThreads(),
          options.umask(),
          options.uid(),
          options.gid()
        }) {
      assertEquals(MountOptions.UNSET, number);
    }
  }

  @Test
  void everyKnownOptionReachesItsGetter() {
    MountOptions options =
        MountOptions.parse(
                "ro,dev,suid,allow_other,default_permissions,fsname=src,subtype=typ",
                "max_read=4096,max_write=1048576,max_background=65535,threads=7,max_idle_threads=3",
                "attr_timeout=0.5,entry_timeout=2,negative_timeout=0.000000001",
                "direct_io,kernel_cache,writeback_cache,noclone_fd,transport=dev,auto_unmount",
                "umask=0027,uid=1000,gid=4294967294,metrics,slow=0.25,idle_spin=0.00003")
            .options();
    assertTrue(options.readOnly());
    assertTrue(options.dev());
    assertTrue(options.suid());
    assertTrue(options.allowOther());
    assertFalse(options.allowRoot());
    assertTrue(options.defaultPermissions());
    assertEquals("src", options.fsname());
    assertEquals("typ", options.subtype());
    assertEquals(4096, options.maxRead());
    assertEquals(1048576, options.maxWrite());
    assertEquals(65535, options.maxBackground());
    assertEquals(7, options.threads());
    assertEquals(3, options.maxIdleThreads());
    assertEquals(500_000_000, options.attrTimeoutNanos());
    assertEquals(2_000_000_000L, options.entryTimeoutNanos());
    assertEquals(1, options.negativeTimeoutNanos());
    assertTrue(options.directIo());
    assertTrue(options.kernelCache());
    assertTrue(options.writebackCache());
    assertFalse(options.cloneFd());
    assertEquals(MountOptions.Transport.DEV, options.transport());
    assertTrue(options.autoUnmount());
    assertEquals(027, options.umask());
    assertEquals(1000, options.uid());
    assertEquals(-2, options.gid());
    assertTrue(options.metrics());
    assertEquals(250_000_000, options.slowNanos());
    assertEquals(30_000, options.idleSpinNanos());
  }

  @Test
  void cachingOptionsReachTheirGetters() {
    MountOptions plain = MountOptions.defaults();
    assertEquals(MountOptions.Readdirplus.AUTO, plain.readdirplus());
    assertFalse(plain.autoCache() || plain.cacheSymlinks());
    for (MountOptions.Readdirplus choice : MountOptions.Readdirplus.values()) {
      String text = "readdirplus=" + choice.name().toLowerCase(Locale.ROOT);
      assertEquals(choice, MountOptions.parse(text).options().readdirplus());
    }
    MountOptions caching = MountOptions.parse("auto_cache,cache_symlinks").options();
    assertTrue(caching.autoCache() && caching.cacheSymlinks());
    assertFalse(caching.kernelCache());
  }

  @Test
  void theLaterOfTwoContradictingOptionsHolds() {
    assertFalse(MountOptions.parse("ro,rw").options().readOnly());
    assertTrue(MountOptions.parse("rw", "ro").options().readOnly());
    assertFalse(MountOptions.parse("dev,suid,nodev,nosuid").options().dev());
    assertFalse(MountOptions.parse("suid,nosuid").options().suid());
    assertTrue(MountOptions.parse("noclone_fd,clone_fd").options().cloneFd());
    assertEquals("b", MountOptions.parse("fsname=a,fsname=b").options().fsname());
  }

  @Test
  void aBackslashTakesTheNextCharacterLiterally() {
    MountOptions.Parsed parsed = MountOptions.parse("fsname=a\\,b\\\\c,list=x\\,y,,");
    assertEquals("a,b\\c", parsed.options().fsname());
    assertEquals(Map.of("list", "x,y"), parsed.rest());
  }

  @Test
  void whatTheMountDoesNotKnowIsHandedOnInOrder() {
    MountOptions.Parsed parsed = MountOptions.parse("size=10m,ro,fast,key=a=b", "size=20m");
    assertEquals(List.of("size", "fast", "key"), new ArrayList<>(parsed.rest().keySet()));
    assertEquals("20m", parsed.rest().get("size"));
    assertEquals("", parsed.rest().get("fast"));
    assertEquals("a=b", parsed.rest().get("key"));
  }

  @Test
  void anOptionThatNobodyTookIsNamedWithThoseItLooksLike() {
    MountOptions.Parsed parsed = MountOptions.parse("allow_others");
    assertEquals(
        "unknown option allow_others: did you mean allow_other?",
        assertThrows(IllegalArgumentException.class, parsed::requireAllTaken).getMessage());
    parsed.rest().clear();
    parsed.requireAllTaken();
    assertEquals(
        "unknown option xyzzy",
        assertThrows(
                IllegalArgumentException.class,
                () -> MountOptions.parse("xyzzy=1").requireAllTaken())
            .getMessage());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "max_read=4095 | max_read=4095: needs a number from 4096 to 1048576",
        "max_write=1048577 | max_write=1048577: needs a number from 4096 to 1048576",
        "max_write=1M | max_write=1M: needs a whole number",
        "max_background=0 | max_background=0: needs a number from 1 to 65535",
        "threads=0 | threads=0: needs a number from 1 to 1024",
        "idle_spin=2 | idle_spin=PT2S: must not exceed a second",
        "attr_timeout=-1 | attr_timeout=-1: needs seconds, for example 1 or 0.5",
        "entry_timeout=1s | entry_timeout=1s: needs seconds, for example 1 or 0.5",
        "negative_timeout=1e9 | negative_timeout=1e9: needs seconds, for example 1 or 0.5",
        "umask=8 | umask=8: needs an octal number from 0 to 777",
        "umask=1000 | umask=1000: needs an octal number from 0 to 777",
        "uid=4294967295 | uid=4294967295: needs a number from 0 to 4294967294",
        "gid=-1 | gid=-1: needs a number from 0 to 4294967294",
        "transport=fuser | transport=fuser is not in this build: use auto, dev or uring",
        "transport=tcp | transport=tcp: needs auto, dev or uring",
        "ro=1 | option ro=1: ro takes no value",
        "fsname | option fsname needs a value: fsname=NAME",
        "max_read= | option max_read needs a value: max_read=BYTES",
        "subtype=a/b | subtype=a/b: may hold letters, digits, '-', '_' and '.' only",
        "ro\\ | options ro\\: the backslash at the end has nothing to escape",
        "readdirplus=yes | readdirplus=yes: needs auto, always or never",
        "kernel_cache,auto_cache | kernel_cache and auto_cache exclude each other: auto_cache for"
            + " files that change elsewhere",
        "writeback_cache,auto_cache | writeback_cache and auto_cache exclude each other: under"
            + " writeback_cache the kernel sees no changes made elsewhere",
        "allow_other,allow_root | allow_other and allow_root exclude each other: choose one of"
            + " them",
      },
      quoteCharacter = '"')
  void aWrongValueIsNamedWithWhatIsRight(String list, String message) {
    assertEquals(
        message,
        assertThrows(IllegalArgumentException.class, () -> MountOptions.parse(list)).getMessage());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "a\0b"})
  void aSourceNameMustBeShowable(String name) {
    assertThrows(IllegalArgumentException.class, () -> MountOptions.builder().fsname(name));
  }

  @Test
  void durationsAreNeverNegativeAndEndAtTheLargestLong() {
    MountOptions.Builder builder = MountOptions.builder();
    assertThrows(IllegalArgumentException.class, () -> builder.attrTimeout(Duration.ofNanos(-1)));
    MountOptions options = builder.attrTimeout(Duration.ofSeconds(Long.MAX_VALUE)).build();
    assertEquals(Long.MAX_VALUE, options.attrTimeoutNanos());
  }

  @Test
  void whatWasBuiltDoesNotChangeWithItsBuilder() {
    MountOptions.Builder builder = MountOptions.builder().fsname("one");
    MountOptions options = builder.build();
    builder.fsname("two");
    assertEquals("one", options.fsname());
    assertEquals("three", options.toBuilder().fsname("three").build().fsname());
    assertEquals("one", options.toBuilder().readOnly(true).build().fsname());
    assertFalse(options.readOnly());
  }

  @Test
  void theHelpTextNamesOptionsThatParse() {
    for (String form : MountOptions.help().keySet()) {
      String name = form.replaceAll("=.*", "");
      String value =
          Map.of(
                  "fsname", "a",
                  "subtype", "a",
                  "transport", "auto",
                  "readdirplus", "never",
                  "max_read", "8192",
                  "max_write", "8192")
              .getOrDefault(name, "1");
      MountOptions.Parsed parsed =
          MountOptions.parse(form.contains("=") ? name + "=" + value : name);
      assertTrue(parsed.rest().isEmpty(), form);
    }
  }
}
