package io.github.ferrofuse.mounted;

import java.io.IOException;
import java.nio.file.Path;

/** A process that uses a mount by single Python expressions; names it binds by := are kept. */
final class PythonClient implements AutoCloseable {
  private static final String PROGRAM =
      """
      import ctypes, errno, os, select, struct, sys, threading
      root = sys.argv[1]
      p = lambda name: root + '/' + name
      libc = ctypes.CDLL(None, use_errno=True)
      def read(name):
          with open(p(name), 'rb') as file:
              return file.read().decode()
      def at(file, offset, length):
          return os.pread(file, length, offset).decode()
      def size(name):
          return os.stat(p(name)).st_size
      def ino(name):
          return os.stat(p(name)).st_ino
      def watch(name):
          # All of what inotify(7) tells of a file.
          fd = libc.inotify_init1(os.O_NONBLOCK)
          assert libc.inotify_add_watch(fd, p(name).encode(), 0xfff) >= 0
          return fd
      def heard(fd):
          masks = 0
          while select.select([fd], [], [], 0)[0]:
              events = os.read(fd, 4096)
              while events:
                  masks |= struct.unpack_from('I', events, 4)[0]
                  events = events[16 + struct.unpack_from('I', events, 12)[0]:]
          return masks
      def polled(fd, events, millis=0):
          poll = select.poll()
          poll.register(fd, events)
          return dict(poll.poll(millis)).get(fd, 0)
      for line in sys.stdin:
          try:
              print(eval(line, globals()), flush=True)
          except OSError as e:
              print(errno.errorcode[e.errno], flush=True)
          except Exception as e:
              print('client:', repr(e).replace(chr(10), ' '), flush=True)
      """;

  private final Shell.Talk talk;

  PythonClient(Path root) throws IOException {
    talk = Shell.talk(PROGRAM, root);
  }

  /** Evaluates an expression; answers it printed, or the name of an errno. */
  String ask(String python) throws IOException {
    return talk.ask(python);
  }

  /** Evaluates an expression whose answer {@link #hear} waits for. */
  void say(String python) throws IOException {
    talk.say(python);
  }

  String hear() throws IOException {
    return talk.hear();
  }

  @Override
  public void close() {
    talk.close();
  }
}
