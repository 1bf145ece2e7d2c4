/*
 * The file system of examples/flat on the high-level API of C libfuse 3, for compare.py.
 *
 * A root directory with the files f0 to f15, 1 GiB each. Reads copy out of one buffer, writes into another and are
 * never read back. What the class FlatFileSystem does, and nothing else: a change here belongs there too.
 *
 * cc -O2 flat.c $(pkg-config --cflags --libs fuse3) -o flat && ./flat -f DIRECTORY
 */
#define FUSE_USE_VERSION 312

#include <errno.h>
#include <fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
    FILES = 16,
    PERIOD = 1 << 20, /* the content repeats after it; also the largest transfer */
};
static const off_t FILE_SIZE = 1L << 30;
static const double FOREVER = 3600;

/* Two periods, so that a transfer from anywhere in the first one is contiguous. */
static char content[2 * PERIOD];
static char scratch[2 * PERIOD];

/* Number of the file at a path, -1 if there is none. */
static int file_at(const char *path)
{
    char *end;
    if (path[0] != '/' || path[1] != 'f' || path[2] < '0' || path[2] > '9' || (path[2] == '0' && path[3] != 0))
        return -1;
    long number = strtol(path + 2, &end, 10);
    return *end == 0 && number < FILES ? (int)number : -1;
}

static void *flat_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    config->entry_timeout = FOREVER;
    config->attr_timeout = FOREVER;
    config->nullpath_ok = 1; /* spares building a path per read and write */
    return NULL;
}

static int flat_getattr(const char *path, struct stat *out, struct fuse_file_info *open)
{
    memset(out, 0, sizeof *out);
    if (!open && strcmp(path, "/") == 0) {
        out->st_mode = S_IFDIR | 0755;
        out->st_nlink = 2;
        return 0;
    }
    if (!open && file_at(path) < 0)
        return -ENOENT;
    out->st_mode = S_IFREG | 0666;
    out->st_nlink = 1;
    out->st_size = FILE_SIZE;
    out->st_blocks = FILE_SIZE / 512;
    return 0;
}

static int flat_open(const char *path, struct fuse_file_info *open)
{
    if (file_at(path) < 0)
        return -ENOENT;
    open->direct_io = 1;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 15)
    open->parallel_direct_writes = 1;
#endif
    return 0;
}

static int flat_read(const char *path, char *out, size_t size, off_t offset, struct fuse_file_info *open)
{
    (void)path, (void)open;
    if (offset >= FILE_SIZE)
        return 0;
    if (offset + (off_t)size > FILE_SIZE)
        size = FILE_SIZE - offset;
    if (size > PERIOD)
        size = PERIOD;
    memcpy(out, content + (offset & (PERIOD - 1)), size);
    return (int)size;
}

static int flat_write(const char *path, const char *in, size_t size, off_t offset, struct fuse_file_info *open)
{
    (void)path, (void)open;
    if (offset >= FILE_SIZE)
        return -EFBIG;
    if (offset + (off_t)size > FILE_SIZE)
        size = FILE_SIZE - offset;
    if (size > PERIOD)
        size = PERIOD;
    memcpy(scratch + (offset & (PERIOD - 1)), in, size);
    return (int)size;
}

static int flat_readdir(const char *path, void *out, fuse_fill_dir_t add, off_t offset, struct fuse_file_info *open,
                        enum fuse_readdir_flags flags)
{
    (void)path, (void)offset, (void)open, (void)flags;
    for (int i = 0; i < FILES; i++) {
        char name[8];
        snprintf(name, sizeof name, "f%d", i);
        add(out, name, NULL, 0, 0);
    }
    return 0;
}

static int flat_statfs(const char *path, struct statvfs *out)
{
    (void)path;
    memset(out, 0, sizeof *out);
    out->f_bsize = out->f_frsize = 4096;
    out->f_blocks = FILES * FILE_SIZE / 4096;
    out->f_files = FILES + 1;
    out->f_namemax = 255;
    return 0;
}

static const struct fuse_operations operations = {
    .init = flat_init,
    .getattr = flat_getattr,
    .open = flat_open,
    .read = flat_read,
    .write = flat_write,
    .readdir = flat_readdir,
    .statfs = flat_statfs,
};

int main(int argc, char **argv)
{
    for (int i = 0; i < 2 * PERIOD; i++)
        content[i] = (char)('a' + i % 26);
    return fuse_main(argc, argv, &operations, NULL);
}
