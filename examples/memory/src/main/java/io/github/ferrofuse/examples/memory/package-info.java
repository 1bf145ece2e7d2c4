/**
 * The reference file system: everything in memory, and everything that POSIX asks of names, times
 * and permissions.
 *
 * <ul>
 *   <li>{@link io.github.ferrofuse.examples.memory.MemoryFileSystem} is what the binding calls: it
 *       finds inodes by number and passes each operation on;
 *   <li>{@code Tree} and {@code Directory}: names, link counts, renaming, listing;
 *   <li>{@code Inode} and its kinds {@code RegularFile}, {@code Directory}, {@code SymbolicLink},
 *       {@code SpecialFile}: attributes, {@code Times}, {@code Xattrs}, and how long each is
 *       needed;
 *   <li>{@code FileData}, {@code ChunkIndex}, {@code ChunkStore}: sparse contents outside the heap;
 *   <li>{@code OpenFile}, {@code OpenDirectory}: handles;
 *   <li>{@code NodeTable}, {@code HeapBudget}, {@link io.github.ferrofuse.examples.memory.Limits},
 *       {@code Clock}: what they all need.
 * </ul>
 *
 * <p>Locks are taken in this order, and never two of a kind: the tree's, an inode's, those inside
 * {@code NodeTable} and {@code ChunkStore}.
 */
package io.github.ferrofuse.examples.memory;
