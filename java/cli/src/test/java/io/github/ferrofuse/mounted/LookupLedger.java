package io.github.ferrofuse.mounted;

import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.DirSink;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.Name;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;

/** Keeps account of the lookups that a file system hands out and gets back. Safe for threads. */
final class LookupLedger {
  private final InodeFileSystem delegate;
  private final Map<Long, Long> balances = new HashMap<>();
  private long handedOut;
  private long outstanding;
  private long overdrawn;

  LookupLedger(InodeFileSystem delegate) {
    this.delegate = delegate;
  }

  /** The file system to mount: passes everything on to the delegate. */
  InodeFileSystem fileSystem() {
    return proxy(InodeFileSystem.class, this::call);
  }

  /** How many lookups there have been. */
  synchronized long handedOut() {
    return handedOut;
  }

  /** How many of them have not been forgotten. */
  synchronized long outstanding() {
    return outstanding;
  }

  /** The lookups that have not been forgotten, by node. */
  synchronized Map<Long, Long> balances() {
    Map<Long, Long> open = new HashMap<>(balances);
    open.values().removeIf(balance -> balance == 0);
    return open;
  }

  /** How often a node was forgotten more than it had been looked up. */
  synchronized long overdrawn() {
    return overdrawn;
  }

  /** Waits for one more forget. */
  synchronized void awaitForget(Duration limit) throws InterruptedException {
    wait(limit.toMillis());
  }

  private Object call(Method method, Object[] arguments) throws Throwable {
    if (method.getName().equals("forget")) {
      withdraw((Long) arguments[0], (Long) arguments[1]);
    }
    Long[] node = {null};
    for (int i = 0; arguments != null && i < arguments.length; i++) {
      if (arguments[i] instanceof EntrySink) {
        arguments[i] = watch((EntrySink) arguments[i], node);
      }
    }
    Object result = invoke(delegate, method, arguments);
    if (node[0] != null && !Boolean.FALSE.equals(result)) {
      deposit(node[0]);
    }
    return result instanceof DirHandle ? watch((DirHandle) result) : result;
  }

  private static EntrySink watch(EntrySink sink, Long[] node) {
    return proxy(
        EntrySink.class,
        (method, arguments) -> {
          if (method.getName().equals("node")) {
            node[0] = (Long) arguments[0];
          }
          return invoke(sink, method, arguments);
        });
  }

  private DirHandle watch(DirHandle handle) {
    return proxy(
        DirHandle.class,
        (method, arguments) -> {
          if (method.getName().equals("read")) {
            arguments[2] = new WatchedDirSink((DirSink) arguments[2]);
          }
          return invoke(handle, method, arguments);
        });
  }

  private synchronized void deposit(long node) {
    if (node == 0) {
      return; // No node: the engine refuses it.
    }
    balances.merge(node, 1L, Long::sum);
    handedOut++;
    outstanding++;
  }

  private synchronized void withdraw(long node, long lookups) {
    long left = balances.merge(node, -lookups, Long::sum);
    outstanding -= lookups;
    if (left < 0) {
      overdrawn++;
    }
    notifyAll();
  }

  private static Object invoke(Object target, Method method, Object[] arguments) throws Throwable {
    try {
      return method.invoke(target, arguments);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }

  /** What a proxy does with a call. */
  private interface Calls {
    Object call(Method method, Object[] arguments) throws Throwable;
  }

  private static <T> T proxy(Class<T> type, Calls calls) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (proxy, method, arguments) -> calls.call(method, arguments)));
  }

  /** An entry that was given attributes and was added is a lookup. */
  private final class WatchedDirSink implements DirSink {
    private final DirSink sink;
    private boolean entry;

    WatchedDirSink(DirSink sink) {
      this.sink = sink;
    }

    @Override
    public boolean wantsAttr() {
      return sink.wantsAttr();
    }

    @Override
    public EntrySink entry() {
      entry = true;
      return sink.entry();
    }

    @Override
    public boolean add(Name name, long node, FileType type, long nextCookie) {
      boolean counts = entry;
      entry = false;
      boolean added = sink.add(name, node, type, nextCookie);
      if (added && counts) {
        deposit(node);
      }
      return added;
    }
  }
}
