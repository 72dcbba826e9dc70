// Preloaded into a server: records what it does to the files of a folder, and when it syncs them.
//
// A record is a kind (1 byte), the length of a name (2), an offset (8), a length of data (4), all little endian, then the
// name and the data. Kinds: W written, T truncated to the offset, S synced, U removed, R renamed to the name in the data.
// It is written after the call has done its work and before the server hears of it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int out = -1;
static const char *folder;

__attribute__((constructor)) static void begin(void) {
    const char *to = getenv("RECORD_TO");
    folder = getenv("RECORD_FOLDER");
    if (to && folder) out = open(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

// The name of a file in the folder; NULL for all others, and for those that say nothing of documents.
static const char *name_in(const char *path) {
    size_t length = folder ? strlen(folder) : 0;
    if (out < 0 || strncmp(path, folder, length) || path[length] != '/') return NULL;
    const char *name = path + length + 1;
    size_t end = strlen(name);
    if (strchr(name, '/') || (end > 4 && !strcmp(name + end - 4, "-shm"))) return NULL;
    return end > 5 && !strcmp(name + end - 5, ".lock") ? NULL : name;
}

static void record(char kind, const char *name, uint64_t offset, const void *data, uint32_t size) {
    int before = errno;
    uint8_t head[15];
    uint16_t length = strlen(name);
    head[0] = kind;
    memcpy(head + 1, &length, 2);
    memcpy(head + 3, &offset, 8);
    memcpy(head + 11, &size, 4);
    struct iovec parts[] = {{head, 15}, {(void *)name, length}, {(void *)data, size}};
    if (syscall(SYS_writev, out, parts, 3) != 15 + length + (long)size) abort();
    errno = before;
}

static void record_file(char kind, int file, uint64_t offset, const void *data, uint32_t size) {
    char link[32], path[PATH_MAX];
    if (out < 0) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    int before = errno;
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0) return;
    path[length] = 0;
    const char *name = name_in(path);
    if (name) record(kind, name, offset, data, size);
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) {
    ssize_t done = syscall(SYS_pwrite64, file, data, size, offset);
    if (done > 0) record_file('W', file, offset, data, done);
    return done;
}
ssize_t pwrite(int file, const void *data, size_t size, off_t offset) { return pwrite64(file, data, size, offset); }

ssize_t write(int file, const void *data, size_t size) {
    ssize_t done = syscall(SYS_write, file, data, size);
    if (done > 0 && out >= 0) {
        off_t end = syscall(SYS_lseek, file, 0, SEEK_CUR);
        if (end >= done) record_file('W', file, end - done, data, done);
        else errno = 0;
    }
    return done;
}

int ftruncate64(int file, off64_t size) {
    int failed = syscall(SYS_ftruncate, file, size);
    if (!failed) record_file('T', file, size, NULL, 0);
    return failed;
}
int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

int fsync(int file) {
    int failed = syscall(SYS_fsync, file);
    if (!failed) record_file('S', file, 0, NULL, 0);
    return failed;
}
int fdatasync(int file) {
    int failed = syscall(SYS_fdatasync, file);
    if (!failed) record_file('S', file, 0, NULL, 0);
    return failed;
}

int unlink(const char *path) {
    int failed = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    const char *name = name_in(path);
    if (!failed && name) record('U', name, 0, NULL, 0);
    return failed;
}

int rename(const char *from, const char *to) {
    int failed = syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
    const char *name = name_in(from), *new = name_in(to);
    if (!failed && name && new) record('R', name, 0, new, strlen(new));
    return failed;
}
