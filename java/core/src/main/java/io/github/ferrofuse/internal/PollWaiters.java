package io.github.ferrofuse.internal;

import io.github.ferrofuse.PollHandle;

/**
 * Those who poll one open file.
 *
 * @param notifier the mount's, the same object for all of them
 * @param number the kernel's, never given to another open file
 */
record PollWaiters(KernelNotifier notifier, long number) implements PollHandle {
  @Override
  public void wake() {
    notifier.wake(number);
  }
}
