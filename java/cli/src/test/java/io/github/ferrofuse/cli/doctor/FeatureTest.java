package io.github.ferrofuse.cli.doctor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.ferrofuse.cli.doctor.Feature.Use;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FeatureTest {
  private static final Path NATIVE = Path.of(System.getProperty("ferrofuse.root"), "native");

  /** Reserved, or offered by virtiofs only. */
  private static final Set<String> LEFT_OUT =
      Set.of("FILE_OPS", "INIT_RESERVED", "MAP_ALIGNMENT", "SUBMOUNTS", "HAS_INODE_DAX");

  @TempDir Path temp;

  private Machine machine(String kernel) {
    return new FakeMachine(temp).kernel(kernel).machine();
  }

  @Test
  void flagsAreThoseOfTheProtocol() throws Exception {
    String flags = Files.readString(NATIVE.resolve("protocol/src/abi/flags.rs"));
    Map<String, Long> protocol =
        Pattern.compile("const ([A-Z0-9_]+): u64 = 1 << (\\d+);")
            .matcher(flags)
            .results()
            .collect(Collectors.toMap(found -> found.group(1), FeatureTest::flag));
    protocol.keySet().removeAll(LEFT_OUT);
    Map<String, Long> features =
        Arrays.stream(Feature.values())
            .collect(Collectors.toMap(Feature::name, feature -> feature.flag));
    assertEquals(new TreeMap<>(protocol), new TreeMap<>(features));
  }

  private static Long flag(MatchResult found) {
    return 1L << Integer.parseInt(found.group(2));
  }

  @Test
  void whatIsInUseIsWhatTheEngineAsksFor() throws Exception {
    Set<String> asked =
        Pattern.compile("init::([A-Z0-9_]+)")
            .matcher(negotiation())
            .results()
            .map(found -> found.group(1))
            .collect(Collectors.toCollection(TreeSet::new));
    Set<String> used =
        Arrays.stream(Feature.values())
            .filter(feature -> !Set.of(Use.NOT_YET, Use.NEVER).contains(feature.use))
            .map(Feature::name)
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(asked, used);
  }

  /** The lines of the handshake that choose from the kernel's offer. */
  private static String negotiation() throws IOException {
    String handshake = Files.readString(NATIVE.resolve("session/src/handshake.rs"));
    int begin = handshake.indexOf("fn negotiate");
    int end = handshake.indexOf("let flags = asked & offer.flags;");
    assertTrue(0 < begin && begin < end, "negotiate() has another form");
    return handshake.substring(begin, end);
  }

  @Test
  void anOfferIsToldWithWhatIsMadeOfIt() {
    Machine machine = machine("6.12.0");
    Function<Feature, Finding> offered =
        feature -> feature.finding(new Trial.Outcome(null, 41, feature.flag), machine);
    Finding inUse = offered.apply(Feature.ASYNC_DIO);
    assertEquals(State.OK, inUse.state());
    assertTrue(inUse.text().endsWith(": in use"), inUse.text());
    Finding option = offered.apply(Feature.WRITEBACK_CACHE);
    assertEquals(State.OFF, option.state());
    assertTrue(option.text().contains("the option of that name"), option.text());
    Finding notYet = offered.apply(Feature.SECURITY_CTX);
    assertEquals(State.OK, notYet.state());
    assertTrue(notYet.text().endsWith("offered, not used yet"), notYet.text());
  }

  @Test
  void whatIsNotOfferedIsANoWithTheVersionThatHasIt() {
    Trial.Outcome nothing = new Trial.Outcome(null, 31, 0);
    Finding old = Feature.PASSTHROUGH.finding(nothing, machine("5.15.0"));
    assertEquals(State.NO, old.state());
    assertTrue(old.text().endsWith("needs Linux 6.9 or later"), old.text());
    Finding without = Feature.PASSTHROUGH.finding(nothing, machine("6.12.0"));
    assertEquals(State.NO, without.state());
    assertTrue(without.text().contains("built without it"), without.text());
  }

  @Test
  void unknownIsNotNo() {
    Trial.Outcome failed = new Trial.Outcome("no device", 0, 0);
    for (Feature feature : Feature.values()) {
      assertEquals(State.UNKNOWN, feature.finding(failed, machine("6.12.0")).state());
    }
    for (Finding finding : Kernel.examine(failed, machine("6.12.0"))) {
      State expected = finding.name().equals("mounting") ? State.NO : State.UNKNOWN;
      assertEquals(expected, finding.state(), finding.name());
    }
  }

  @Test
  void ioUringThatIsSwitchedOffCouldBeTurnedOn() {
    FakeMachine fake = new FakeMachine(temp).kernel("6.14.0");
    Trial.Outcome nothing = new Trial.Outcome(null, 42, 0);
    assertEquals(State.NO, Feature.OVER_IO_URING.finding(nothing, fake.machine()).state());
    fake.file("/sys/module/fuse/parameters/enable_uring", "N\n");
    assertEquals(State.OFF, Feature.OVER_IO_URING.finding(nothing, fake.machine()).state());
  }

  @Test
  void notificationsFollowTheProtocolsVersion() {
    String states =
        Kernel.examine(new Trial.Outcome(null, 44, 0), machine("6.16.0")).stream()
            .filter(finding -> Set.of("INC_EPOCH", "PRUNE").contains(finding.name()))
            .map(finding -> finding.name() + " " + finding.state())
            .collect(Collectors.joining(", "));
    assertEquals("INC_EPOCH OK, PRUNE NO", states);
  }

  @Test
  void passThroughNeedsTheOfferAndTheCapability() {
    FakeMachine fake = new FakeMachine(temp).kernel("6.12.0");
    Trial.Outcome offered = new Trial.Outcome(null, 41, Feature.PASSTHROUGH.flag);
    Trial.Outcome not = new Trial.Outcome(null, 41, ~Feature.PASSTHROUGH.flag);
    Finding root = Kernel.backingFiles(offered, fake.root(true).machine());
    assertEquals(State.OK, root.state());
    assertTrue(root.text().contains("not together with writeback_cache"), root.text());
    assertEquals(State.OFF, Kernel.backingFiles(offered, fake.user().machine()).state());
    assertEquals(State.NO, Kernel.backingFiles(not, fake.root(true).machine()).state());
  }
}
