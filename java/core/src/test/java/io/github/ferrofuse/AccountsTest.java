package io.github.ferrofuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class AccountsTest {
  private final AtomicLong now = new AtomicLong(Long.MAX_VALUE - 1000);
  private final Fake fake = new Fake();

  private Accounts accounts(int capacity, Duration lifetime) {
    return new Accounts(capacity, lifetime, fake, now::get);
  }

  @Test
  void namesAndIdsAreAskedForOnce() throws Exception {
    Accounts accounts = accounts(100, Duration.ofMinutes(5));
    for (int i = 0; i < 3; i++) {
      assertEquals(Optional.of("user-7"), accounts.userName(7));
      assertEquals(Optional.of("group-7"), accounts.groupName(7));
      assertEquals(OptionalInt.of(7), accounts.userId("user-7"));
      assertEquals(OptionalInt.of(7), accounts.groupId("group-7"));
    }
    assertEquals(4, fake.calls.get());
    assertEquals(4, accounts.misses());
    assertEquals(8, accounts.hits());
  }

  @Test
  void whoIsUnknownIsRememberedToo() throws Exception {
    Accounts accounts = accounts(100, Duration.ofMinutes(5));
    for (int i = 0; i < 3; i++) {
      assertEquals(Optional.empty(), accounts.userName(-1));
      assertEquals(Optional.empty(), accounts.groupName(-1));
      assertEquals(OptionalInt.empty(), accounts.userId("nobody"));
      assertEquals(OptionalInt.empty(), accounts.groupId("nobody"));
    }
    assertEquals(4, fake.calls.get());
  }

  @Test
  void anAnswerExpires() throws Exception {
    Accounts accounts = accounts(100, Duration.ofSeconds(10));
    accounts.userName(7);
    now.addAndGet(Duration.ofSeconds(10).toNanos() - 1); // past the overflow of the clock
    accounts.userName(7);
    assertEquals(1, fake.calls.get());
    now.incrementAndGet();
    assertEquals(Optional.of("user-7"), accounts.userName(7));
    assertEquals(2, fake.calls.get());
    accounts.userName(7);
    assertEquals(2, fake.calls.get());
  }

  @Test
  void noLifetimeRemembersNothing() throws Exception {
    Accounts accounts = accounts(100, Duration.ZERO);
    accounts.userName(7);
    accounts.userName(7);
    assertEquals(2, fake.calls.get());
    assertEquals(0, accounts.hits());
  }

  @Test
  void anEndlessLifetimeNeverExpires() throws Exception {
    Accounts accounts = accounts(100, Duration.ofSeconds(Long.MAX_VALUE));
    accounts.userName(7);
    now.addAndGet(Duration.ofDays(3650).toNanos());
    accounts.userName(7);
    assertEquals(1, fake.calls.get());
  }

  @Test
  void whatWasNotAskedForTheLongestGoesFirst() throws Exception {
    Accounts accounts = accounts(2, Duration.ofMinutes(5));
    accounts.userName(1);
    accounts.userName(2);
    accounts.userName(1);
    accounts.userName(3); // 2 goes
    accounts.userName(1);
    assertEquals(3, fake.calls.get());
    accounts.userName(2);
    assertEquals(4, fake.calls.get());
  }

  @Test
  void tablesDoNotPushEachOtherOut() throws Exception {
    Accounts accounts = accounts(1, Duration.ofMinutes(5));
    for (int i = 0; i < 2; i++) {
      accounts.userName(1);
      accounts.groupName(2);
      accounts.userId("user-3");
      accounts.groupId("group-4");
    }
    assertEquals(4, fake.calls.get());
  }

  @Test
  void aFailureIsThrownAndNotRemembered() throws Exception {
    now.set(0); // where an answer that never came would be fresh
    Accounts accounts = accounts(100, Duration.ofMinutes(5));
    fake.failure = new IOException("the server is down, for the test");
    assertSame(fake.failure, assertThrows(IOException.class, () -> accounts.userName(7)));
    fake.failure = null;
    assertEquals(Optional.of("user-7"), accounts.userName(7));
    assertEquals(2, accounts.misses());
  }

  @Test
  void thoseWhoAskTheSameAtOnceShareOneCall() throws Exception {
    Accounts accounts = accounts(100, Duration.ZERO);
    fake.gate = new CountDownLatch(1);
    ExecutorService threads = Executors.newFixedThreadPool(8);
    try {
      List<Future<Optional<String>>> answers = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        answers.add(threads.submit(() -> accounts.userName(7)));
      }
      awaitQuestions(accounts, 8);
      assertEquals(1, fake.calls.get());
      CountDownLatch first = fake.gate;
      fake.gate = new CountDownLatch(0);
      assertEquals(Optional.of("user-8"), accounts.userName(8), "another question is not held up");
      first.countDown();
      for (Future<Optional<String>> answer : answers) {
        assertEquals(Optional.of("user-7"), answer.get(20, TimeUnit.SECONDS));
      }
      assertEquals(7, accounts.hits());
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void capacityAndLifetimeAreChecked() {
    assertThrows(IllegalArgumentException.class, () -> accounts(0, Duration.ZERO));
    assertThrows(IllegalArgumentException.class, () -> accounts(1, Duration.ofNanos(-1)));
  }

  @Test
  void usersOfThisMachineAreThoseOfPasswd() throws Exception {
    Accounts accounts = new Accounts();
    List<String> lines = Files.readAllLines(Path.of("/etc/passwd"));
    assertTrue(lines.stream().anyMatch(line -> line.startsWith("root:")));
    for (String line : lines) {
      String[] fields = line.split(":");
      if (fields.length > 3 && !line.startsWith("#") && !line.startsWith("+")) {
        int uid = Integer.parseUnsignedInt(fields[2]);
        assertEquals(OptionalInt.of(uid), accounts.userId(fields[0]), line);
        assertEquals(said("id", "-un", fields[0]), accounts.userName(uid), line);
      }
    }
  }

  @Test
  void groupsOfThisMachineAreThoseOfGetent() throws Exception {
    Accounts accounts = new Accounts();
    List<String> lines = said("getent", "group").orElseThrow().lines().toList();
    assertTrue(lines.size() > 3, lines.toString());
    for (String line : lines) {
      String[] fields = line.split(":");
      int gid = Integer.parseUnsignedInt(fields[2]);
      assertEquals(OptionalInt.of(gid), accounts.groupId(fields[0]), line);
      String first = said("getent", "group", fields[2]).orElseThrow().split(":")[0];
      assertEquals(Optional.of(first), accounts.groupName(gid), line);
    }
  }

  @Test
  void whoTheMachineDoesNotKnowIsEmpty() throws Exception {
    Accounts accounts = new Accounts();
    int nobody = (int) 3_999_999_991L;
    assertEquals(Optional.empty(), accounts.userName(nobody));
    assertEquals(Optional.empty(), accounts.groupName(nobody));
    for (String name : new String[] {"", "no such name", "root\0", "\udcff", "ümläut"}) {
      assertEquals(OptionalInt.empty(), accounts.userId(name), name);
      assertEquals(OptionalInt.empty(), accounts.groupId(name), name);
    }
    assertEquals(12, accounts.misses());
  }

  private void awaitQuestions(Accounts accounts, long count) {
    while (accounts.hits() + accounts.misses() < count || fake.calls.get() == 0) {
      Thread.onSpinWait();
    }
  }

  /** The output of a program, without the newline; empty if it failed. */
  private static Optional<String> said(String... command) throws Exception {
    Process process = new ProcessBuilder(command).start();
    String output = new String(process.getInputStream().readAllBytes());
    return process.waitFor() == 0 ? Optional.of(output.strip()) : Optional.empty();
  }

  /** Knows ids from 0 up, by the names "user-ID" and "group-ID". */
  private static final class Fake implements Accounts.Source {
    final AtomicInteger calls = new AtomicInteger();
    volatile IOException failure;
    volatile CountDownLatch gate = new CountDownLatch(0);

    @Override
    public Optional<String> userName(int uid) throws IOException {
      asked();
      return uid < 0 ? Optional.empty() : Optional.of("user-" + uid);
    }

    @Override
    public Optional<String> groupName(int gid) throws IOException {
      asked();
      return gid < 0 ? Optional.empty() : Optional.of("group-" + gid);
    }

    @Override
    public OptionalInt userId(String name) throws IOException {
      asked();
      return id(name, "user-");
    }

    @Override
    public OptionalInt groupId(String name) throws IOException {
      asked();
      return id(name, "group-");
    }

    private static OptionalInt id(String name, String prefix) {
      boolean known = name.startsWith(prefix);
      return known
          ? OptionalInt.of(Integer.parseInt(name.substring(prefix.length())))
          : OptionalInt.empty();
    }

    private void asked() throws IOException {
      CountDownLatch opened = gate;
      calls.incrementAndGet();
      try {
        opened.await();
      } catch (InterruptedException e) {
        throw new IOException(e);
      }
      if (failure != null) {
        throw failure;
      }
    }
  }
}
