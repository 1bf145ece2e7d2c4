/** What a kernel and a machine have for FUSE, and what would turn on what they lack. */
package io.github.ferrofuse.cli.doctor;
