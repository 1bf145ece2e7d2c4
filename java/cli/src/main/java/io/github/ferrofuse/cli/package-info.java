/**
 * The command line: {@code java -jar ferrofuse.jar mount ...}. Uses the public API of {@code
 * io.github.ferrofuse} alone.
 */
package io.github.ferrofuse.cli;
