package io.github.ferrofuse.mounted;

import java.io.IOException;

/**
 * A Python program that does what the test says, line by line: it answers an expression with its
 * value, a statement with "ok", and an error with the errno's name. {@code p} makes a path of a
 * name in the mount; {@code os}, {@code mmap} and some short functions are at hand.
 */
final class Client implements AutoCloseable {
  private static final String PROGRAM =
      """
      import ctypes, errno, mmap, os, signal, sys, threading
      root = sys.argv[1]
      libc = ctypes.CDLL(None, use_errno=True)
      def p(name):
          return f"{root}/{name}"
      def rw(name, flags=0, mode=0o644):
          return os.open(p(name), os.O_RDWR | flags, mode)
      def content(name):
          with open(p(name), "rb", buffering=0) as file:
              return file.read().decode()
      def size(name):
          return os.stat(p(name)).st_size
      def names(name=""):
          return " ".join(sorted(os.listdir(p(name))))
      def relisted(fd):
          # rewinddir(3), without what a library asks for besides
          os.lseek(fd, 0, os.SEEK_SET)
          getdents64 = 217 if os.uname().machine == "x86_64" else 61
          found, data = [], ctypes.create_string_buffer(65536)
          while (length := libc.syscall(ctypes.c_long(getdents64), fd, data, 65536)) > 0:
              at = 0
              while at < length:
                  size = int.from_bytes(data.raw[at + 16:at + 18], sys.byteorder)
                  found.append(data.raw[at + 19:at + size].split(bytes(1))[0].decode())
                  at += size
          return " ".join(sorted(name for name in found if name not in (".", "..")))
      def shared(fd, length):
          return mmap.mmap(fd, length)
      def late(call, *arguments):
          threading.Thread(target=call, args=arguments, daemon=True).start()
      for line in sys.stdin:
          try:
              try:
                  code = compile(line, "line", "eval")
              except SyntaxError:
                  exec(line, globals())
                  print("ok", flush=True)
              else:
                  print(eval(code, globals()), flush=True)
          except OSError as e:
              print(errno.errorcode[e.errno], flush=True)
      """;

  /** The kernel counts timeouts in ticks of 10 ms at most, and rounds up. */
  private static final long TICK_MILLIS = 20;

  private final Shell.Talk talk;

  private Client(Shell.Talk talk) {
    this.talk = talk;
  }

  /** Starts one whose names are those below a directory. */
  static Client in(Object root) throws IOException {
    return new Client(Shell.talk(PROGRAM, root));
  }

  /** Has a line done; answers what came of it. */
  String ask(String line) throws IOException {
    String answer = talk.ask(line);
    if (answer == null) {
      throw new AssertionError("the client has ended at: " + line);
    }
    return answer;
  }

  /** Has a line done that the client does not survive. */
  void say(String line) throws IOException {
    talk.say(line);
  }

  /** What came of a line that was only said. */
  String hear() throws IOException {
    return talk.hear();
  }

  /** Whether the client is gone within a minute. */
  boolean ends() throws InterruptedException {
    return talk.isGone(60);
  }

  /**
   * Asks again and again until the answer is another than the stale one, and answers it. Fails if
   * the stale one is given to a question that was asked when it was no longer allowed.
   *
   * @param changed when what is asked for had changed, by {@link System#nanoTime}
   * @param millis how long a stale answer is allowed from then on
   */
  String whenFresh(String line, String stale, long changed, long millis) throws IOException {
    while (true) {
      long age = (System.nanoTime() - changed) / 1_000_000;
      String answer = ask(line);
      if (!answer.equals(stale)) {
        return answer;
      }
      if (age > millis + TICK_MILLIS) {
        throw new AssertionError(line + " was still " + answer + " after " + age + " ms");
      }
    }
  }

  @Override
  public void close() {
    talk.close();
  }
}
