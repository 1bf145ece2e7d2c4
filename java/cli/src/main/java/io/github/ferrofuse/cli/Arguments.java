package io.github.ferrofuse.cli;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** The command line, taken apart. Knows its syntax only: nothing is looked up or opened. */
final class Arguments {
  /** What is to be done. */
  enum Command {
    HELP,
    VERSION,
    MOUNT,
    MOUNT_HELP,
    DOCTOR
  }

  final Command command;

  /** What to mount: {@code scheme}, {@code scheme:spec} or a class name; null unless mounting. */
  final String what;

  /** Where; null unless mounting. */
  final String directory;

  /** Texts of {@code -o}, in order. */
  final List<String> options;

  /** Texts of {@code --class-path}, in order. */
  final List<String> classPath;

  private Arguments(
      Command command,
      String what,
      String directory,
      List<String> options,
      List<String> classPath) {
    this.command = command;
    this.what = what;
    this.directory = directory;
    this.options = options;
    this.classPath = classPath;
  }

  /**
   * Reads a command line. Options may stand anywhere after the command; {@code --} ends them.
   *
   * @throws Failure if it makes no sense
   */
  static Arguments parse(String... words) throws Failure {
    if (words.length == 0) {
      throw Failure.usage("no command: try --help");
    }
    Deque<String> rest = new ArrayDeque<>(List.of(words));
    String first = rest.poll();
    switch (first) {
      case "--help", "-h", "help":
        return just(Command.HELP);
      case "--version", "-V":
        return just(Command.VERSION);
      case "mount":
        return mount(rest);
      case "doctor":
        return alone(first, Command.DOCTOR, rest);
      default:
        String kind = first.startsWith("-") ? "option" : "command";
        throw Failure.usage("unknown " + kind + " " + first + ": try --help");
    }
  }

  private static Arguments alone(String word, Command command, Deque<String> rest) throws Failure {
    if (rest.isEmpty()) {
      return just(command);
    }
    if (List.of("--help", "-h").contains(rest.peek())) {
      return just(Command.HELP);
    }
    throw Failure.usage(word + " stands alone, but there is also " + rest.peek());
  }

  private static Arguments mount(Deque<String> words) throws Failure {
    List<String> plain = new ArrayList<>();
    List<String> options = new ArrayList<>();
    List<String> classPath = new ArrayList<>();
    boolean help = false;
    while (!words.isEmpty()) {
      String word = words.poll();
      if (word.equals("--")) {
        plain.addAll(words);
        words.clear();
      } else if (word.equals("--help") || word.equals("-h")) {
        help = true;
      } else if (word.equals("-o")) {
        options.add(value(word, words));
      } else if (word.startsWith("-o")) {
        options.add(word.substring(2));
      } else if (word.equals("--class-path")) {
        classPath.add(value(word, words));
      } else if (word.startsWith("--class-path=")) {
        classPath.add(word.substring("--class-path=".length()));
      } else if (word.startsWith("-")) {
        throw Failure.usage("unknown option " + word + ": try mount --help");
      } else {
        plain.add(word);
      }
    }
    if (help) {
      return new Arguments(Command.MOUNT_HELP, null, null, options, classPath);
    }
    plain.removeIf(String::isEmpty);
    switch (plain.size()) {
      case 0:
        throw Failure.usage("mount: what to mount, and where? Try mount --help");
      case 1:
        throw Failure.usage("mount " + plain.get(0) + ": on which directory? Try mount --help");
      case 2:
        return new Arguments(Command.MOUNT, plain.get(0), plain.get(1), options, classPath);
      default:
        throw Failure.usage("mount: one thing on one directory, but there is also " + plain.get(2));
    }
  }

  private static String value(String option, Deque<String> words) throws Failure {
    if (words.isEmpty()) {
      throw Failure.usage("option " + option + " needs a value: try mount --help");
    }
    return words.poll();
  }

  private static Arguments just(Command command) {
    return new Arguments(command, null, null, List.of(), List.of());
  }
}
