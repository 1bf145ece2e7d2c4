package io.github.ferrofuse.cli;

import io.github.ferrofuse.FileSystemBase;
import io.github.ferrofuse.FileSystemFactory;
import io.github.ferrofuse.FuseFileSystem;
import io.github.ferrofuse.InodeFileSystem;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Modifier;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.TreeMap;

/** Finds file systems: those of the jar, and a user's own on {@code --class-path}. */
final class FileSystems {
  private final List<Path> classPath;
  private final ClassLoader loader;
  private final Map<String, FileSystemFactory> factories;

  private FileSystems(
      List<Path> classPath, ClassLoader loader, Map<String, FileSystemFactory> factories) {
    this.classPath = classPath;
    this.loader = loader;
    this.factories = factories;
  }

  /**
   * Looks for factories. The class loader stays open: it serves the file system for the life of the
   * process.
   *
   * @param classPaths texts of {@code --class-path}
   * @throws Failure if an entry does not exist or a factory is broken
   */
  static FileSystems find(List<String> classPaths) throws Failure {
    List<Path> entries = new ArrayList<>();
    for (String text : classPaths) {
      for (String entry : text.split(":")) {
        addEntries(entry, entries);
      }
    }
    ClassLoader loader = FileSystems.class.getClassLoader();
    if (!entries.isEmpty()) {
      loader = new URLClassLoader(urls(entries), loader);
    }
    return new FileSystems(entries, loader, factories(loader));
  }

  /** Jars and directories of {@code --class-path}. */
  List<Path> classPath() {
    return classPath;
  }

  /** What loaded the file systems. */
  ClassLoader loader() {
    return loader;
  }

  /** Factories by scheme, sorted. */
  Map<String, FileSystemFactory> factories() {
    return factories;
  }

  /**
   * Makes the file system that the user asked for.
   *
   * @param what {@code scheme}, {@code scheme:spec} or a class name
   * @param options those the mount does not know; what the file system takes is removed
   * @throws Failure if there is none, or it cannot be made
   */
  FileSystemBase create(String what, Map<String, String> options) throws Failure {
    int colon = what.indexOf(':');
    String scheme = colon < 0 ? what : what.substring(0, colon);
    FileSystemFactory factory = factories.get(scheme);
    if (factory != null) {
      return make(factory, what, colon < 0 ? "" : what.substring(colon + 1), options);
    }
    if (colon < 0 && (!classPath.isEmpty() || what.indexOf('.') > 0)) {
      return instantiate(what);
    }
    throw Failure.failed("unknown file system " + scheme + ": " + known());
  }

  private String known() {
    return factories.isEmpty()
        ? "there is none in this jar"
        : "known are " + String.join(", ", factories.keySet());
  }

  private static FileSystemBase make(
      FileSystemFactory factory, String what, String spec, Map<String, String> options)
      throws Failure {
    FileSystemBase made;
    try {
      made = factory.create(spec, options);
    } catch (IllegalArgumentException e) {
      throw Failure.usage("cannot mount " + what + ": " + Failure.describe(e));
    } catch (IOException e) {
      throw Failure.failed("cannot mount " + what + ": " + Failure.describe(e));
    } catch (RuntimeException | LinkageError e) {
      throw Failure.failed(
          "cannot mount " + what + ": " + factory.getClass().getName() + " threw " + e);
    }
    if (made instanceof FuseFileSystem || made instanceof InodeFileSystem) {
      return made;
    }
    String kind = made == null ? "null" : made.getClass().getName();
    throw Failure.failed(
        "cannot mount "
            + what
            + ": its factory made no FuseFileSystem or InodeFileSystem but "
            + kind);
  }

  private FileSystemBase instantiate(String name) throws Failure {
    Class<?> type;
    try {
      type = Class.forName(name, true, loader);
    } catch (ClassNotFoundException e) {
      String where =
          classPath.isEmpty() ? "give its jar by --class-path" : "it is not in " + joined();
      throw Failure.failed("class " + name + " not found: " + where + "; " + known());
    } catch (LinkageError e) {
      throw Failure.failed("class " + name + " cannot be loaded: " + e);
    }
    if (!FuseFileSystem.class.isAssignableFrom(type)
        && !InodeFileSystem.class.isAssignableFrom(type)) {
      throw Failure.failed(
          "class "
              + name
              + " is not a file system: it has to implement "
              + FuseFileSystem.class.getName()
              + " or "
              + InodeFileSystem.class.getName());
    }
    try {
      if (!Modifier.isPublic(type.getModifiers()) || Modifier.isAbstract(type.getModifiers())) {
        throw new NoSuchMethodException();
      }
      return (FileSystemBase) type.getConstructor().newInstance();
    } catch (NoSuchMethodException e) {
      throw Failure.failed(
          "class "
              + name
              + " cannot be made: it has to be public, not abstract, with a public"
              + " constructor that takes nothing");
    } catch (InvocationTargetException e) {
      throw Failure.failed(
          "class " + name + " cannot be made: its constructor threw " + e.getCause());
    } catch (ReflectiveOperationException | LinkageError e) {
      throw Failure.failed("class " + name + " cannot be made: " + e);
    }
  }

  private String joined() {
    return String.join(":", classPath.stream().map(Path::toString).toList());
  }

  private static Map<String, FileSystemFactory> factories(ClassLoader loader) throws Failure {
    Map<String, FileSystemFactory> factories = new TreeMap<>();
    try {
      Iterator<FileSystemFactory> found =
          ServiceLoader.load(FileSystemFactory.class, loader).iterator();
      while (found.hasNext()) {
        FileSystemFactory factory = found.next();
        FileSystemFactory other = factories.putIfAbsent(factory.scheme(), factory);
        if (other != null) {
          throw Failure.failed(
              "two file systems are called "
                  + factory.scheme()
                  + ": "
                  + other.getClass().getName()
                  + " and "
                  + factory.getClass().getName());
        }
      }
    } catch (ServiceConfigurationError | LinkageError e) {
      throw Failure.failed("a file system on the class path is broken: " + e.getMessage());
    }
    return factories;
  }

  /** Like the JVM's own class path, {@code dir/*} means every jar in it. */
  private static void addEntries(String entry, List<Path> entries) throws Failure {
    try {
      if (entry.endsWith("/*")) {
        Path directory = Path.of(entry.substring(0, entry.length() - 1));
        try (DirectoryStream<Path> jars = Files.newDirectoryStream(directory, "*.jar")) {
          jars.forEach(entries::add);
        }
      } else if (!entry.isEmpty()) {
        Path path = Path.of(entry);
        if (!Files.isReadable(path)) {
          throw Failure.failed("--class-path: " + entry + " doesn't exist or can't be read");
        }
        entries.add(path);
      }
    } catch (IOException | InvalidPathException e) {
      throw Failure.failed("--class-path: " + entry + " is no directory of jars that can be read");
    }
  }

  private static URL[] urls(List<Path> entries) {
    URL[] urls = new URL[entries.size()];
    for (int i = 0; i < urls.length; i++) {
      try {
        urls[i] = entries.get(i).toAbsolutePath().toUri().toURL();
      } catch (MalformedURLException e) {
        throw new AssertionError("every JDK has file: URLs", e);
      }
    }
    return urls;
  }
}
