package io.github.ferrofuse.cli;

import io.github.ferrofuse.MountOptions;
import io.github.ferrofuse.cli.doctor.Doctor;
import java.util.List;
import java.util.Map;

/** Entry point of the runnable jar. */
public final class Main {
  private static final String HELP =
      """
      FerroFuse: Linux file systems written in Java.

      java -jar ferrofuse.jar mount [-o OPTIONS] [--class-path PATH] WHAT DIRECTORY
          mounts a file system and serves it in the foreground until it is unmounted
      java -jar ferrofuse.jar mount --help
          lists file systems and options
      java -jar ferrofuse.jar doctor
          tells what this machine has for FUSE, and what would turn on what is missing
      java -jar ferrofuse.jar --version
      """;

  private static final int WIDTH = 100;

  private static final String MOUNT_HELP =
      """
      java -jar ferrofuse.jar mount [-o OPTIONS] [--class-path PATH] WHAT DIRECTORY

      WHAT is one of the file systems below (NAME or NAME:SPEC), or a class that implements
      io.github.ferrofuse.FuseFileSystem or InodeFileSystem and has a public constructor that takes
      nothing.
      DIRECTORY is created if it doesn't exist. Ctrl-C, SIGTERM or unmounting from outside ends it.

        --class-path PATH   jars and directories (a:b, dir/*) with file systems of your own
        -o OPT[,OPT=VALUE]  options, may be repeated; a backslash keeps a comma in a value
      """;

  private Main() {}

  /**
   * Runs one command. Exits with 0 on success, 1 if the command failed, 2 if the command line makes
   * no sense.
   *
   * @param words the command line; {@code --help} explains it
   */
  public static void main(String[] words) {
    int status = 0;
    try {
      run(Arguments.parse(words));
    } catch (Failure failure) {
      System.err.println("ferrofuse: " + failure.getMessage());
      status = failure.status();
    }
    System.exit(status); // threads of a user's file system don't keep the process alive
  }

  private static void run(Arguments arguments) throws Failure {
    switch (arguments.command) {
      case HELP -> System.out.print(HELP);
      case VERSION -> System.out.println("ferrofuse " + version());
      case MOUNT_HELP -> System.out.print(mountHelp(arguments.classPath));
      case MOUNT -> MountCommand.run(arguments);
      case DOCTOR -> doctor();
    }
  }

  private static void doctor() throws Failure {
    if (!Doctor.run(System.out)) {
      throw Failure.failed("file systems can't be mounted here: see the line \"mounting\"");
    }
  }

  private static String version() {
    String version = Main.class.getPackage().getImplementationVersion();
    return version == null ? "(not built as a jar)" : version;
  }

  static String mountHelp(List<String> classPath) throws Failure {
    StringBuilder text = new StringBuilder(MOUNT_HELP);
    text.append("\nFile systems:\n");
    FileSystems.find(classPath)
        .factories()
        .forEach((scheme, factory) -> text.append(wrapped(scheme, factory.help())));
    text.append("\nOptions:\n");
    MountOptions.help().entrySet().forEach(option -> line(text, option));
    return text.toString();
  }

  private static String wrapped(String name, String help) {
    StringBuilder text = new StringBuilder("  " + name);
    int width = WIDTH; // the text begins on a line of its own
    for (String word : help.split(" ")) {
      if (width + 1 + word.length() > WIDTH) {
        text.append("\n     ");
        width = 5;
      }
      text.append(' ').append(word);
      width += 1 + word.length();
    }
    return text.append('\n').toString();
  }

  private static void line(StringBuilder text, Map.Entry<String, String> entry) {
    text.append(String.format("  %-25s %s%n", entry.getKey(), entry.getValue()));
  }
}
