/*
 * What mirror.py and compare.py do to a directory besides reading and writing: one kind of work per run, as fast as one
 * thread can. Any number may run at once on one directory.
 * Prints how many operations it made and the nanoseconds that they took.
 *
 * metadata stat|fstat|create|list|list-stat DIRECTORY COUNT SECONDS
 * metadata walk DIRECTORY DIRECTORIES FILES SECONDS
 *
 * DIRECTORY has the files n0 to n(COUNT - 1), for walk the directories d0, d1, ... with the files n0, n1, ... each.
 * A pass over them is always finished; with 0 SECONDS there is one pass. It knows nothing of who serves the directory.
 */
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAME_ROOM = 128 };

static void check(int succeeded, const char *what)
{
    if (!succeeded) {
        fprintf(stderr, "metadata: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static long nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

static long stat_all(int directory, const char *in, long count)
{
    char name[NAME_ROOM];
    struct stat out;
    for (long i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%sn%ld", in, i);
        check(fstatat(directory, name, &out, AT_SYMLINK_NOFOLLOW) == 0, name);
    }
    return count;
}

static long fstat_one(int directory, long count)
{
    struct stat out;
    int file = openat(directory, "n0", O_RDONLY);
    check(file >= 0, "n0");
    for (long i = 0; i < count; i++)
        check(fstat(file, &out) == 0, "n0");
    close(file);
    return count;
}

static long create_and_unlink(int directory, long count)
{
    char name[NAME_ROOM];
    for (long i = 0; i < count; i++) {
        snprintf(name, sizeof name, "new%d-%ld", getpid(), i);
        int file = openat(directory, name, O_CREAT | O_EXCL | O_WRONLY, 0644);
        check(file >= 0, name);
        check(close(file) == 0, name);
        check(unlinkat(directory, name, 0) == 0, name);
    }
    return count;
}

/* Answers how many entries there are, "." and ".." left out. */
static long list(int parent, const char *name, int with_stat)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY);
    check(fd >= 0, name);
    DIR *directory = fdopendir(fd);
    check(directory != NULL, name);
    long entries = 0;
    struct dirent *entry;
    while (errno = 0, (entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (with_stat) {
            struct stat out;
            check(fstatat(fd, entry->d_name, &out, AT_SYMLINK_NOFOLLOW) == 0, entry->d_name);
        }
        entries++;
    }
    check(errno == 0, name);
    closedir(directory);
    return entries;
}

/* As git status: the files that are known are looked at, then directories are searched for others. */
static long walk(int directory, long directories, long files)
{
    char name[NAME_ROOM];
    for (long i = 0; i < directories; i++) {
        snprintf(name, sizeof name, "d%ld/", i);
        stat_all(directory, name, files);
    }
    for (long i = 0; i < directories; i++) {
        snprintf(name, sizeof name, "d%ld", i);
        long listed = list(directory, name, 0);
        errno = ENOENT;
        check(listed == files, name);
    }
    return directories * files;
}

static long pass(const char *kind, int directory, char **numbers)
{
    long count = atol(numbers[0]);
    if (strcmp(kind, "stat") == 0)
        return stat_all(directory, "", count);
    if (strcmp(kind, "fstat") == 0)
        return fstat_one(directory, count);
    if (strcmp(kind, "create") == 0)
        return create_and_unlink(directory, count);
    if (strcmp(kind, "walk") == 0)
        return walk(directory, count, atol(numbers[1]));
    int with_stat = strcmp(kind, "list-stat") == 0;
    errno = EINVAL;
    check(with_stat || strcmp(kind, "list") == 0, kind);
    long listed = list(directory, ".", with_stat);
    errno = ENOENT;
    check(listed == count, "a listing that is complete");
    return listed;
}

int main(int count, char **arguments)
{
    if (count < 5) {
        fprintf(stderr, "metadata KIND DIRECTORY COUNT... SECONDS\n");
        return 2;
    }
    int directory = open(arguments[2], O_RDONLY | O_DIRECTORY);
    check(directory >= 0, arguments[2]);
    long limit = atol(arguments[count - 1]) * 1000000000L;
    long begin = nanoseconds(), operations = 0, spent;
    do {
        operations += pass(arguments[1], directory, arguments + 3);
        spent = nanoseconds() - begin;
    } while (spent < limit);
    printf("%ld %ld\n", operations, spent);
    return 0;
}
