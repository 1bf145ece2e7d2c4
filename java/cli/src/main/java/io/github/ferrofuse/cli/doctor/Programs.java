package io.github.ferrofuse.cli.doctor;

import java.util.Optional;

/** Other programs, which are asked for their version. */
interface Programs {
  /** What a program prints; empty if it does not do so, and soon. */
  Optional<String> output(String... command);
}
