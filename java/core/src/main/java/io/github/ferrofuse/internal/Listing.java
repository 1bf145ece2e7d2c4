package io.github.ferrofuse.internal;

import io.github.ferrofuse.AttrSink;
import io.github.ferrofuse.DirHandle;
import io.github.ferrofuse.DirList;
import io.github.ferrofuse.DirSink;
import io.github.ferrofuse.FileType;
import io.github.ferrofuse.FuseFileSystem;
import io.github.ferrofuse.Name;
import io.github.ferrofuse.Request;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * An open directory of a file system that lists directories as a whole. It is listed whenever its
 * beginning is read; what follows is served from that, without attributes, which may have changed
 * by then.
 */
public final class Listing implements DirHandle {
  private static final Name[] DOTS = {Name.of("."), Name.of("..")};

  private final FuseFileSystem fs;
  private String path;
  private List<Entry> entries = List.of();

  /**
   * Opens a directory.
   *
   * @param fs lists it
   * @param path the directory
   */
  public Listing(FuseFileSystem fs, String path) {
    this.fs = fs;
    this.path = path;
  }

  /** Where the directory is during the next {@link #read}; null if it was removed. */
  void isAt(String newPath) {
    path = newPath;
  }

  @Override
  public void read(Request request, long cookie, DirSink out) throws IOException {
    boolean fresh = cookie == 0;
    if (fresh) {
      Entries listed = new Entries();
      if (path != null) {
        fs.readdir(request, path, listed);
      }
      entries = listed.all;
    }
    int at = (int) Math.min(Math.max(cookie, 0), Integer.MAX_VALUE);
    while (at < DOTS.length) {
      if (!out.add(DOTS[at], 0, FileType.DIRECTORY, at + 1L)) {
        return;
      }
      at++;
    }
    while (at - DOTS.length < entries.size()) {
      if (!entries.get(at - DOTS.length).addTo(out, fresh, at + 1L)) {
        return;
      }
      at++;
    }
  }

  private static final class Entry {
    private final Name name;
    private final FileType type;
    private final long ino;
    private final AttrCopy attr;

    Entry(String name, FileType type, long ino, AttrCopy attr) {
      this.name = Name.of(name);
      this.type = type;
      this.ino = ino;
      this.attr = attr;
    }

    boolean addTo(DirSink out, boolean fresh, long nextCookie) {
      if (attr == null) {
        return out.add(name, ino, type, nextCookie);
      }
      if (fresh && out.wantsAttr()) {
        attr.putTo(out.entry().attr());
      }
      return out.add(name, attr.ino(), attr.type(), nextCookie);
    }
  }

  private static final class Entries implements DirList {
    private final List<Entry> all = new ArrayList<>();

    @Override
    public DirList add(String name, FileType type) {
      return add(name, type, 0);
    }

    @Override
    public DirList add(String name, FileType type, long ino) {
      put(new Entry(name, type, ino, null));
      return this;
    }

    @Override
    public AttrSink add(String name) {
      AttrCopy attr = new AttrCopy();
      put(new Entry(name, FileType.UNKNOWN, 0, attr));
      return attr;
    }

    private void put(Entry entry) {
      if (Names.isDotOrDotDot(entry.name)) {
        return;
      }
      Names.checkEntry(entry.name);
      all.add(entry);
    }
  }
}
