package io.github.ferrofuse;

import io.github.ferrofuse.internal.AccountsNative;
import io.github.ferrofuse.internal.Native;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.LongSupplier;

/**
 * Names of users and groups by id, and ids by name, for file systems whose files belong to names.
 *
 * <p>They come from the C library, so from wherever nsswitch.conf says (files, LDAP ...), without
 * another process, and are remembered for a while; that there is none is remembered, too. Each of
 * the four tables is bounded: what was not asked for the longest goes first.
 *
 * <p><b>Threads.</b> Any thread may call any method. One whose answer is not remembered waits for
 * the source, which may be a server; several that ask for the same wait for one call.
 *
 * <p>A file system that is itself the source's storage (the one that holds /etc/passwd) must not
 * ask.
 */
public final class Accounts {
  /** Entries that each table has unless told otherwise. */
  public static final int DEFAULT_CAPACITY = 100;

  /** How long an answer is remembered unless told otherwise. */
  public static final Duration DEFAULT_LIFETIME = Duration.ofMinutes(5);

  private final Source source;
  private final AccountCache<Integer, Optional<String>> userNames;
  private final AccountCache<Integer, Optional<String>> groupNames;
  private final AccountCache<String, OptionalInt> userIds;
  private final AccountCache<String, OptionalInt> groupIds;

  /**
   * Accounts with {@link #DEFAULT_CAPACITY} and {@link #DEFAULT_LIFETIME}.
   *
   * @throws UnsatisfiedLinkError if the native library can't be loaded
   */
  public Accounts() {
    this(DEFAULT_CAPACITY, DEFAULT_LIFETIME);
  }

  /**
   * Accounts.
   *
   * @param capacity how many entries each table has, at least 1
   * @param lifetime how long an answer is remembered; zero: it is not
   * @throws IllegalArgumentException if the capacity is less than 1 or the lifetime negative
   * @throws UnsatisfiedLinkError if the native library can't be loaded
   */
  public Accounts(int capacity, Duration lifetime) {
    this(capacity, lifetime, new CLibrary(), System::nanoTime);
  }

  Accounts(int capacity, Duration lifetime, Source source, LongSupplier nanoTime) {
    this.source = source;
    this.userNames = new AccountCache<>(capacity, lifetime, nanoTime);
    this.groupNames = new AccountCache<>(capacity, lifetime, nanoTime);
    this.userIds = new AccountCache<>(capacity, lifetime, nanoTime);
    this.groupIds = new AccountCache<>(capacity, lifetime, nanoTime);
  }

  /**
   * Name of a user.
   *
   * @param uid the user's id, unsigned, as {@link Request#uid} has it
   * @return the name, in the form that {@link Name} gives strings; empty if there is no such user
   * @throws IOException if the source can't be asked; that is not remembered
   */
  public Optional<String> userName(int uid) throws IOException {
    return userNames.get(uid, source::userName);
  }

  /**
   * Name of a group.
   *
   * @param gid the group's id, unsigned, as {@link Request#gid} has it
   * @return the name, in the form that {@link Name} gives strings; empty if there is no such group
   * @throws IOException if the source can't be asked; that is not remembered
   */
  public Optional<String> groupName(int gid) throws IOException {
    return groupNames.get(gid, source::groupName);
  }

  /**
   * Id of a user.
   *
   * @param name the name, in the form that {@link Name} gives strings
   * @return the id, unsigned; empty if there is no such user
   * @throws IOException if the source can't be asked; that is not remembered
   */
  public OptionalInt userId(String name) throws IOException {
    return userIds.get(name, source::userId);
  }

  /**
   * Id of a group.
   *
   * @param name the name, in the form that {@link Name} gives strings
   * @return the id, unsigned; empty if there is no such group
   * @throws IOException if the source can't be asked; that is not remembered
   */
  public OptionalInt groupId(String name) throws IOException {
    return groupIds.get(name, source::groupId);
  }

  /** {@return how many questions were answered from memory, or by a call that was already made} */
  public long hits() {
    return userNames.hits() + groupNames.hits() + userIds.hits() + groupIds.hits();
  }

  /** {@return how many questions went to the source} */
  public long misses() {
    return userNames.misses() + groupNames.misses() + userIds.misses() + groupIds.misses();
  }

  /** Who knows. */
  interface Source {
    Optional<String> userName(int uid) throws IOException;

    Optional<String> groupName(int gid) throws IOException;

    OptionalInt userId(String name) throws IOException;

    OptionalInt groupId(String name) throws IOException;
  }

  private static final class CLibrary implements Source {
    CLibrary() {
      Native.load();
    }

    @Override
    public Optional<String> userName(int uid) throws IOException {
      return name(AccountsNative.userName(uid));
    }

    @Override
    public Optional<String> groupName(int gid) throws IOException {
      return name(AccountsNative.groupName(gid));
    }

    @Override
    public OptionalInt userId(String name) throws IOException {
      return id(AccountsNative.userId(Name.of(name).toBytes()));
    }

    @Override
    public OptionalInt groupId(String name) throws IOException {
      return id(AccountsNative.groupId(Name.of(name).toBytes()));
    }

    private static Optional<String> name(byte[] bytes) {
      return bytes == null ? Optional.empty() : Optional.of(Name.of(bytes).toString());
    }

    private static OptionalInt id(long id) {
      return id < 0 ? OptionalInt.empty() : OptionalInt.of((int) id);
    }
  }
}
