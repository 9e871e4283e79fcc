/*
 * What happens to a program between it and its machine: the clock is put forward and back, the disk fails, and what is
 * written is noted, so that a test can tell what a power cut would have left.
 *
 * For LD_PRELOAD. It only touches the database and its log (not the index beside them, which SQLite maps and which
 * nothing relies on), and the clock that people read, not the one that waits are measured by.
 *
 *   WEATHER           a file of sizeof(struct weather) that the test maps, too
 *   WEATHER_DATABASE  the database's path, without symbolic links
 *   WEATHER_NOTES     where to note what is written; nothing is noted without it
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* As weather.py has it. */
struct weather {
    volatile int64_t shift;  /* seconds that the clock is ahead */
    volatile int64_t one_in; /* one of so many reads, writes and synchronisations fails; 0: none */
    volatile int64_t failed; /* how many have */
};

/* As power.py has it. A write's bytes follow its note. */
struct note {
    uint32_t what; /* 'w', 't', 'u': written, truncated, unlinked; 'b', 'e', 'f': synchronisation begun, ended, failed */
    uint32_t file; /* 0: the database, 1: its log */
    uint64_t offset;
    uint64_t length;
};

/* Out of the way of what a program inherits from number 3 on. */
enum { FIRST_DESCRIPTOR = 900 };

static struct weather fair, *weather = &fair;
static const char *database;
static int notes = -1;

static ssize_t (*next_pread)(int, void *, size_t, off64_t);
static ssize_t (*next_pwrite)(int, const void *, size_t, off64_t);
static int (*next_fsync)(int);
static int (*next_fdatasync)(int);
static int (*next_ftruncate)(int, off64_t);
static int (*next_unlink)(const char *);
static int (*next_clock_gettime)(clockid_t, struct timespec *);

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

__attribute__((constructor)) static void begin(void)
{
    next_pread = next("pread64");
    next_pwrite = next("pwrite64");
    next_fsync = next("fsync");
    next_fdatasync = next("fdatasync");
    next_ftruncate = next("ftruncate64");
    next_unlink = next("unlink");
    next_clock_gettime = next("clock_gettime");
    const char *path = getenv("WEATHER");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file >= 0) {
        void *mapped = mmap(NULL, sizeof *weather, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (mapped == MAP_FAILED)
            abort();
        weather = mapped;
        close(file);
    }
    database = getenv("WEATHER_DATABASE");
    path = getenv("WEATHER_NOTES");
    file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (file >= 0) {
        notes = fcntl(file, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);
        if (notes < 0)
            abort();
        close(file);
    }
}

/* 0: the database, 1: its log, -1: something else. */
static int which(const char *path)
{
    size_t length = database ? strlen(database) : 0;
    if (!length || strncmp(path, database, length))
        return -1;
    return !path[length] ? 0 : !strcmp(path + length, "-wal") ? 1 : -1;
}

static int which_open(int descriptor)
{
    char link[64], path[PATH_MAX];
    if (!database)
        return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return -1;
    path[length] = 0;
    return which(path);
}

static int fails(int file)
{
    static __thread uint64_t state;
    int64_t one_in = weather->one_in;
    if (file < 0 || !one_in)
        return 0;
    if (!state) {
        struct timespec now;
        next_clock_gettime(CLOCK_MONOTONIC, &now);
        state = (uint64_t)now.tv_nsec ^ (uint64_t)getpid() << 32 ^ (uintptr_t)&state;
    }
    state = state * 6364136223846793005u + 1442695040888963407u;
    if ((state >> 33) % (uint64_t)one_in)
        return 0;
    __sync_fetch_and_add(&weather->failed, 1);
    errno = EIO;
    return 1;
}

static void note(char what, int file, uint64_t offset, const void *data, uint64_t length)
{
    struct note head = {(uint32_t)what, (uint32_t)file, offset, length};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)data, data ? length : 0}};
    if (notes < 0 || file < 0)
        return;
    /* One call: the notes of several processes are not mixed. */
    if (writev(notes, parts, 2) != (ssize_t)(sizeof head + parts[1].iov_len))
        abort();
}

ssize_t pread64(int descriptor, void *data, size_t length, off64_t offset)
{
    if (weather->one_in && fails(which_open(descriptor)))
        return -1;
    return next_pread(descriptor, data, length, offset);
}

ssize_t pwrite64(int descriptor, const void *data, size_t length, off64_t offset)
{
    int file = which_open(descriptor);
    if (fails(file))
        return -1;
    ssize_t written = next_pwrite(descriptor, data, length, offset);
    if (written > 0)
        note('w', file, (uint64_t)offset, data, (uint64_t)written);
    return written;
}

static int synchronised(int (*next_sync)(int), int descriptor)
{
    int file = which_open(descriptor);
    if (fails(file)) {
        note('f', file, 0, NULL, 0);
        errno = EIO;
        return -1;
    }
    note('b', file, 0, NULL, 0);
    int result = next_sync(descriptor);
    if (!result)
        note('e', file, 0, NULL, 0);
    return result;
}

int fsync(int descriptor)
{
    return synchronised(next_fsync, descriptor);
}

int fdatasync(int descriptor)
{
    return synchronised(next_fdatasync, descriptor);
}

int ftruncate64(int descriptor, off64_t length)
{
    int file = which_open(descriptor);
    if (fails(file))
        return -1;
    int result = next_ftruncate(descriptor, length);
    if (!result)
        note('t', file, 0, NULL, (uint64_t)length);
    return result;
}

int unlink(const char *path)
{
    int result = next_unlink(path);
    if (!result)
        note('u', which(path), 0, NULL, 0);
    return result;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = next_clock_gettime(clock, now);
    if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += weather->shift;
    return result;
}

int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now)
        *now = exact.tv_sec;
    return exact.tv_sec;
}
