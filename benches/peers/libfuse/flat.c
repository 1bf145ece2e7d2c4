/*
 * The file system of examples/flat on the high-level API of C libfuse 3, for compare.py.
 *
 * One directory: the files f0 to f15, 1 GiB each, whose bytes repeat every MiB; the empty files n0 to n9999; and empty
 * files that can be made and removed. What the class FlatFileSystem does, and nothing else: a change here belongs there
 * too.
 *
 * cc -O2 flat.c $(pkg-config --cflags --libs fuse3) -o flat && ./flat -f DIRECTORY
 */
#define FUSE_USE_VERSION 312

#include <errno.h>
#include <fuse.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
    FILES = 16,
    EMPTY_FILES = 10000,
    EMPTY = FILES, /* the number of every file without data */
    NONE = -1,
    PERIOD = 1 << 20, /* the bytes of a file repeat after it */
};
static const off_t FILE_SIZE = 1L << 30;

static char data[FILES][PERIOD];

/* A file that was made; few at a time. */
struct created {
    struct created *next;
    char path[];
};
static struct created *all_created;
static pthread_mutex_t created_lock = PTHREAD_MUTEX_INITIALIZER;

/* The link that leads to a path, or the last one. Needs the lock. */
static struct created **link_to(const char *path)
{
    struct created **link = &all_created;
    while (*link && strcmp((*link)->path, path) != 0)
        link = &(*link)->next;
    return link;
}

static int was_created(const char *path)
{
    pthread_mutex_lock(&created_lock);
    int found = *link_to(path) != NULL;
    pthread_mutex_unlock(&created_lock);
    return found;
}

/* The number in a path like "/f7", NONE if it is another path or not below the bound. */
static int number_in(const char *path, char letter, int bound)
{
    char *end;
    if (path[0] != '/' || path[1] != letter || path[2] < '0' || path[2] > '9' || (path[2] == '0' && path[3] != 0))
        return NONE;
    long number = strtol(path + 2, &end, 10);
    return *end == 0 && number < bound ? (int)number : NONE;
}

static int is_permanent(const char *path)
{
    return number_in(path, 'f', FILES) != NONE || number_in(path, 'n', EMPTY_FILES) != NONE;
}

/* Number of the file at a path: below FILES one with data, EMPTY, or NONE. */
static int file_at(const char *path)
{
    int number = number_in(path, 'f', FILES);
    if (number != NONE)
        return number;
    return number_in(path, 'n', EMPTY_FILES) != NONE || was_created(path) ? EMPTY : NONE;
}

static void *flat_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    config->nullpath_ok = 1; /* spares building a path per read and write */
    config->hard_remove = 1; /* else a file is renamed that is removed before its last close has arrived */
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
    int file = open ? (int)open->fh : file_at(path);
    if (file == NONE)
        return -ENOENT;
    out->st_mode = S_IFREG | 0666;
    out->st_nlink = 1;
    if (file < FILES) {
        out->st_size = FILE_SIZE;
        out->st_blocks = FILE_SIZE / 512;
    }
    return 0;
}

static int opened(int file, struct fuse_file_info *open)
{
    open->fh = file;
    open->direct_io = 1;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 15)
    open->parallel_direct_writes = 1;
#endif
    return 0;
}

static int flat_open(const char *path, struct fuse_file_info *open)
{
    int file = file_at(path);
    return file == NONE ? -ENOENT : opened(file, open);
}

static int flat_create(const char *path, mode_t mode, struct fuse_file_info *open)
{
    (void)mode;
    if (is_permanent(path))
        return -EEXIST;
    size_t size = strlen(path) + 1;
    struct created *made = malloc(sizeof *made + size);
    if (!made)
        return -ENOMEM;
    memcpy(made->path, path, size);
    made->next = NULL;
    pthread_mutex_lock(&created_lock);
    struct created **link = link_to(path);
    int exists = *link != NULL;
    if (!exists)
        *link = made;
    pthread_mutex_unlock(&created_lock);
    if (exists) {
        free(made);
        return -EEXIST;
    }
    return opened(EMPTY, open);
}

static int flat_unlink(const char *path)
{
    if (is_permanent(path))
        return -EPERM;
    pthread_mutex_lock(&created_lock);
    struct created **link = link_to(path), *gone = *link;
    if (gone)
        *link = gone->next;
    pthread_mutex_unlock(&created_lock);
    if (!gone)
        return -ENOENT;
    free(gone);
    return 0;
}

static int flat_read(const char *path, char *out, size_t size, off_t offset, struct fuse_file_info *open)
{
    (void)path;
    if (open->fh >= FILES || offset >= FILE_SIZE)
        return 0;
    if (offset + (off_t)size > FILE_SIZE)
        size = FILE_SIZE - offset;
    for (size_t done = 0, part; done < size; done += part) {
        size_t at = (offset + done) & (PERIOD - 1);
        part = size - done < PERIOD - at ? size - done : PERIOD - at;
        memcpy(out + done, data[open->fh] + at, part);
    }
    return (int)size;
}

static int flat_write(const char *path, const char *in, size_t size, off_t offset, struct fuse_file_info *open)
{
    (void)path;
    if (open->fh >= FILES || offset >= FILE_SIZE)
        return -EFBIG;
    if (offset + (off_t)size > FILE_SIZE)
        size = FILE_SIZE - offset;
    for (size_t done = 0, part; done < size; done += part) {
        size_t at = (offset + done) & (PERIOD - 1);
        part = size - done < PERIOD - at ? size - done : PERIOD - at;
        memcpy(data[open->fh] + at, in + done, part);
    }
    return (int)size;
}

static void list(void *out, fuse_fill_dir_t add, char letter, int count)
{
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%c%d", letter, i);
        add(out, name, NULL, 0, 0);
    }
}

static int flat_readdir(const char *path, void *out, fuse_fill_dir_t add, off_t offset, struct fuse_file_info *open,
                        enum fuse_readdir_flags flags)
{
    (void)path, (void)offset, (void)open, (void)flags;
    list(out, add, 'f', FILES);
    list(out, add, 'n', EMPTY_FILES);
    pthread_mutex_lock(&created_lock);
    for (struct created *each = all_created; each; each = each->next)
        add(out, each->path + 1, NULL, 0, 0);
    pthread_mutex_unlock(&created_lock);
    return 0;
}

static int flat_statfs(const char *path, struct statvfs *out)
{
    (void)path;
    memset(out, 0, sizeof *out);
    out->f_bsize = out->f_frsize = 4096;
    out->f_blocks = FILES * FILE_SIZE / 4096;
    out->f_files = FILES + EMPTY_FILES + 1;
    out->f_namemax = 255;
    return 0;
}

static const struct fuse_operations operations = {
    .init = flat_init,
    .getattr = flat_getattr,
    .open = flat_open,
    .create = flat_create,
    .unlink = flat_unlink,
    .read = flat_read,
    .write = flat_write,
    .readdir = flat_readdir,
    .statfs = flat_statfs,
};

int main(int argc, char **argv)
{
    for (int file = 0; file < FILES; file++)
        for (int i = 0; i < PERIOD; i++)
            data[file][i] = (char)('a' + (i + file) % 26);
    return fuse_main(argc, argv, &operations, NULL);
}
