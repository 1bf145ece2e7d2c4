/**
 * A directory of this machine, passed through with its own semantics: {@code mount mirror:/dir}.
 *
 * <ul>
 *   <li>{@link io.github.ferrofuse.examples.mirror.MirrorFileSystem} is what the binding calls;
 *       {@code OpenFile}, {@code OpenDirectory}: its handles; {@code Attributes}, {@code Leaving},
 *       {@code Moving}: what some operations take more than a system call for;
 *   <li>{@code Nodes}: the files that the kernel knows, and how each is got at again: {@code
 *       NodeTable} and {@code Identity} (which file), {@code DescriptorCache} (what is open),
 *       {@code Mounts} (handles), {@code Places} (names, where there are no handles), {@code
 *       InodeNumbers}.
 * </ul>
 */
package io.github.ferrofuse.examples.mirror;
