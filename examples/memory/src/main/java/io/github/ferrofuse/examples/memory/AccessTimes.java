package io.github.ferrofuse.examples.memory;

/**
 * When reading updates the access time: the options of mount(8). The kernel leaves that to the file
 * system and tells it nothing about the mount.
 */
public enum AccessTimes {
  /** Never. */
  NOATIME,

  /**
   * If the file was changed since its last access, or that was a day ago: repeated reads cost no
   * update.
   */
  RELATIME,

  /** Always. So files don't stay in the page cache when they are opened again. */
  STRICTATIME
}
