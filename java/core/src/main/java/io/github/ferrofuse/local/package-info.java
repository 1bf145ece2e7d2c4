/**
 * Local files by descriptor: the system calls that a file system needs which passes a directory on,
 * and that the JDK lacks. Each method is one call of Linux, named in its description, and throws
 * what that says as {@link io.github.ferrofuse.FuseException}, so a file system can let it through.
 *
 * <p>Names are bytes ({@link io.github.ferrofuse.Name}) and one path component; no method follows a
 * symbolic link in one.
 */
package io.github.ferrofuse.local;
