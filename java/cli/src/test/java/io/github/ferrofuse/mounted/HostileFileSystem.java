package io.github.ferrofuse.mounted;

import io.github.ferrofuse.Connection;
import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.EntrySink;
import io.github.ferrofuse.FileHandle;
import io.github.ferrofuse.FileSystemBase;
import io.github.ferrofuse.FuseFileSystem;
import io.github.ferrofuse.InodeFileSystem;
import io.github.ferrofuse.LockKeeper;
import io.github.ferrofuse.OpenFile;
import io.github.ferrofuse.Operation;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A file system that behaves, except in the one method that a test arms with a misdeed.
 *
 * <p>Keeps account of the handles that it gives to the engine and that are released. Safe for
 * threads.
 */
final class HostileFileSystem {
  /** What can be armed, by the file system's form. */
  private static final List<Class<?>> BY_INODE =
      List.of(InodeFileSystem.class, FileHandle.class, DirHandle.class);

  private static final List<Class<?>> BY_PATH = List.of(FuseFileSystem.class, OpenFile.class);

  /** Called only where nothing is opened; {@link UnopenedTest} has their misdeeds. */
  private static final Set<String> WITHOUT_OPENING = Set.of("fileHandle", "dirHandle");

  /** What a method does instead of what it should. */
  interface Misdeed {
    /**
     * Called in the method's place.
     *
     * @param real makes the call that the file system would have made
     * @param arguments of the call, which may be replaced
     */
    Object commit(Real real, Object[] arguments) throws Throwable;
  }

  /** The call as it should have been. */
  interface Real {
    Object call() throws Throwable;
  }

  private record Armed(String method, Misdeed misdeed) {}

  private final FileSystemBase fileSystem;

  /** Entries that misdeeds handed out, by node. */
  private final Map<Long, Long> invented = new ConcurrentHashMap<>();

  private final AtomicInteger openHandles = new AtomicInteger();
  private final AtomicInteger committed = new AtomicInteger();
  private volatile Armed armed = new Armed("", null);

  HostileFileSystem(InodeFileSystem behaved) {
    fileSystem = wrap(InodeFileSystem.class, behaved);
  }

  HostileFileSystem(FuseFileSystem behaved) {
    fileSystem = wrap(FuseFileSystem.class, behaved);
  }

  /** The one to mount: of the form that it was made of. */
  FileSystemBase fileSystem() {
    return fileSystem;
  }

  /** Lets a method, named as {@link #methods} does, misbehave from now on. */
  void arm(String method, Misdeed misdeed) {
    committed.set(0);
    armed = new Armed(method, misdeed);
  }

  /** Lets all methods behave again; answers how often the misdeed was committed. */
  int disarm() {
    armed = new Armed("", null);
    return committed.get();
  }

  /** Lets all methods behave again, from inside a misdeed. */
  void disarmOnce() {
    armed = new Armed("", null);
  }

  int committed() {
    return committed.get();
  }

  /** Handles that the engine got and has not released. */
  int openHandles() {
    return openHandles.get();
  }

  /** Every method that the engine may call, such as "FileHandle.read". */
  static List<String> methods() {
    return methods(BY_INODE);
  }

  /** Every method of a path-based file system and its open files, such as "OpenFile.read". */
  static List<String> pathMethods() {
    return methods(BY_PATH);
  }

  private static List<String> methods(List<Class<?>> types) {
    List<String> names = new ArrayList<>();
    for (Class<?> type : types) {
      for (Method method : type.getMethods()) {
        boolean counts = !WITHOUT_OPENING.contains(method.getName());
        if (counts && !Modifier.isStatic(method.getModifiers())) {
          names.add(name(type, method));
        }
      }
    }
    return names;
  }

  private static String name(Class<?> type, Method method) {
    boolean shared = method.getDeclaringClass() == FileSystemBase.class;
    return (shared ? FileSystemBase.class : type).getSimpleName() + "." + method.getName();
  }

  private <T> T wrap(Class<T> type, T behaved) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (proxy, method, arguments) -> call(type, proxy, behaved, method, arguments)));
  }

  private Object call(
      Class<?> type, Object proxy, Object behaved, Method method, Object[] arguments)
      throws Throwable {
    String name = name(type, method);
    boolean isHandle = !FileSystemBase.class.isAssignableFrom(type);
    if (isHandle && method.getName().equals("release")) {
      openHandles.decrementAndGet();
    }
    if (name.equals("InodeFileSystem.forget")) {
      arguments[1] = (Long) arguments[1] - takeBack((Long) arguments[0], (Long) arguments[1]);
    }
    Real real =
        name.equals("FuseFileSystem.opendir")
            // What the engine makes of readdir, which is to misbehave.
            ? () -> InvocationHandler.invokeDefault(proxy, method, arguments)
            : () -> behave(name, behaved, method, arguments);
    Armed now = armed;
    Object result;
    if (now.method.equals(name)) {
      committed.incrementAndGet();
      result = commit(now.misdeed, real, arguments);
    } else {
      result = real.call();
    }
    if (type == FuseFileSystem.class && result instanceof DirHandle) {
      return result;
    }
    if (result instanceof OpenFile) {
      openHandles.incrementAndGet();
      return wrap(OpenFile.class, (OpenFile) result);
    }
    if (result instanceof FileHandle) {
      openHandles.incrementAndGet();
      return wrap(FileHandle.class, (FileHandle) result);
    }
    if (result instanceof DirHandle) {
      openHandles.incrementAndGet();
      return wrap(DirHandle.class, (DirHandle) result);
    }
    return result;
  }

  /** Remembers an entry that the file system behind it does not know of. */
  private Object commit(Misdeed misdeed, Real real, Object[] arguments) throws Throwable {
    boolean[] isReal = {false};
    long[] node = {0};
    for (int i = 0; arguments != null && i < arguments.length; i++) {
      if (arguments[i] instanceof EntrySink) {
        EntrySink sink = (EntrySink) arguments[i];
        arguments[i] = watch(sink, node);
      }
    }
    Real watched =
        () -> {
          isReal[0] = true;
          return real.call();
        };
    Object result = misdeed.commit(watched, arguments);
    if (node[0] != 0 && !isReal[0] && !Boolean.FALSE.equals(result)) {
      invent(node[0]);
    }
    return result;
  }

  /** A misdeed hands out an entry by a way that is not watched. */
  void invent(long node) {
    invented.merge(node, 1L, Long::sum);
  }

  private static EntrySink watch(EntrySink sink, long[] node) {
    return (EntrySink)
        Proxy.newProxyInstance(
            EntrySink.class.getClassLoader(),
            new Class<?>[] {EntrySink.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("node")) {
                node[0] = (Long) arguments[0];
              }
              Object result = invoke(sink, method, arguments);
              return result == sink ? proxy : result;
            });
  }

  /** How many of the lookups that are forgotten were invented. */
  private long takeBack(long node, long lookups) {
    long known = invented.getOrDefault(node, 0L);
    long taken = Math.min(known, lookups);
    invented.put(node, known - taken);
    return taken;
  }

  /** Has all operations, also those that the file system behind it does not have. */
  private static Object behave(String name, Object behaved, Method method, Object[] arguments)
      throws Throwable {
    return switch (name) {
      case "FileSystemBase.init" -> {
        ((Connection) arguments[0]).locks(LockKeeper.FILE_SYSTEM);
        yield invoke(behaved, method, new Object[] {keepingLocks((Connection) arguments[0])});
      }
      case "FileHandle.setLock", "OpenFile.setLock" -> true;
      case "FileHandle.getLock", "OpenFile.getLock" -> null;
      case "FileSystemBase.operations" -> EnumSet.allOf(Operation.class);
      case "InodeFileSystem.access", "FuseFileSystem.access" -> null;
      case "FileHandle.ioctl", "DirHandle.ioctl", "OpenFile.ioctl" -> 0;
      // Which wants a handle of its own, and gets a wrapped one.
      case "FileHandle.copyFileRange", "OpenFile.copyFileRange" -> arguments[4];
      case "InodeFileSystem.forget" ->
          (Long) arguments[1] > 0 ? invoke(behaved, method, arguments) : null;
      default -> invoke(behaved, method, arguments);
    };
  }

  /** Whatever the file system behind it wishes, locks are asked of this one. */
  private static Connection keepingLocks(Connection connection) {
    return (Connection)
        Proxy.newProxyInstance(
            Connection.class.getClassLoader(),
            new Class<?>[] {Connection.class},
            (proxy, method, arguments) ->
                method.getName().equals("locks") ? null : invoke(connection, method, arguments));
  }

  private static Object invoke(Object target, Method method, Object[] arguments) throws Throwable {
    try {
      return method.invoke(target, arguments);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }
}
