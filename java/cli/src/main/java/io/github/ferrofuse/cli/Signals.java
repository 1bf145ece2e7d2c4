package io.github.ferrofuse.cli;

import java.lang.reflect.Proxy;

/**
 * Signals of the process. The JVM would end with 128 + the signal's number, whatever its shutdown
 * hooks do.
 *
 * <p>{@code sun.misc.Signal} is exported by the module {@code jdk.unsupported} but may go one day:
 * it is looked up, and without it the JVM's own way of ending stays in force.
 */
final class Signals {
  private Signals() {}

  /**
   * Runs {@code action} on a thread of its own for each signal of that name.
   *
   * @param name without SIG, for example "TERM"
   */
  static void handle(String name, Runnable action) {
    try {
      Class<?> signal = Class.forName("sun.misc.Signal");
      Class<?> handler = Class.forName("sun.misc.SignalHandler");
      Object proxy =
          Proxy.newProxyInstance(
              handler.getClassLoader(),
              new Class<?>[] {handler},
              (self, method, arguments) -> {
                switch (method.getName()) {
                  case "equals":
                    return self == arguments[0];
                  case "hashCode":
                    return System.identityHashCode(self);
                  case "toString":
                    return "handler of SIG" + name;
                  default:
                    action.run();
                    return null;
                }
              });
      signal
          .getMethod("handle", signal, handler)
          .invoke(null, signal.getConstructor(String.class).newInstance(name), proxy);
    } catch (ReflectiveOperationException e) {
      // No such class, or the JVM keeps the signal for itself (-Xrs).
    }
  }
}
