package io.github.ferrofuse;

/** What a lock is, or is to be. */
public enum LockType {
  /** Others may have it, too: {@code F_RDLCK}, {@code LOCK_SH}. */
  READ,
  /** Only one owner has it: {@code F_WRLCK}, {@code LOCK_EX}. */
  WRITE,
  /** No lock: {@code F_UNLCK}, {@code LOCK_UN}. */
  UNLOCK
}
