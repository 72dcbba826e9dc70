// Preloaded into a server: records what it does to the files of a folder and when it syncs them, and makes some of its calls
// fail.
//
// A record is a kind (1 byte), the length of a name (2), an offset (8), a length of data (4), all little endian, then the
// name and the data. Kinds: W written, T truncated to the offset, S synced, F sync failed, A synced again on a descriptor
// where that has failed before, U removed, R renamed to the name in the data. It is written after the call has done its work
// and before the server hears of it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int out = -1;
static const char *folder;

// What fails: a story writes this into the file that is mapped here.
enum call { SYNC, WRITE, READ, OPEN_TO_WRITE, CALLS };
static struct {
    int32_t left[CALLS]; // how often; negative is for ever
    int32_t error; // negative: it does not fail, but waits as long as it would; the journal's thread does not wait to read
    char name[44]; // of which file, "." for the folder; empty is all
} *faults;

// Descriptors where a sync has failed.
static char failed[4096];

__attribute__((constructor)) static void begin(void) {
    const char *to = getenv("RECORD_TO"), *from = getenv("FAULTS");
    folder = getenv("RECORD_FOLDER");
    if (to && folder) out = open(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (!from || !folder) return;
    int file = open(from, O_RDWR | O_CLOEXEC);
    void *map = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map != MAP_FAILED) faults = map;
    close(file);
}

// The name of a file in the folder; NULL for all others, and for those that say nothing of documents.
static const char *name_in(const char *path) {
    size_t length = folder ? strlen(folder) : 0;
    if (out < 0 || strncmp(path, folder, length)) return NULL;
    if (!path[length]) return ".";
    const char *name = path + length + 1;
    size_t end = strlen(name);
    if (path[length] != '/' || strchr(name, '/') || (end > 4 && !strcmp(name + end - 4, "-shm"))) return NULL;
    return end > 5 && !strcmp(name + end - 5, ".lock") ? NULL : name;
}

static const char *name_of(int file, char path[PATH_MAX]) {
    char link[32];
    if (out < 0) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    int before = errno;
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    errno = before;
    if (length < 0) return NULL;
    path[length] = 0;
    return name_in(path);
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
    char path[PATH_MAX];
    const char *name = name_of(file, path);
    if (name && *name != '.') record(kind, name, offset, data, size);
}

// Whether a call fails now; then `errno` says why.
static int fails(enum call call, const char *name) {
    if (!name || (faults->name[0] && strcmp(faults->name, name))) return 0;
    if (faults->error < 0) {
        char thread[16];
        if (call == READ && (prctl(PR_GET_NAME, thread) || !strcmp(thread, "journal"))) return 0;
        while (__atomic_load_n(&faults->left[call], __ATOMIC_SEQ_CST)) usleep(1000);
        return 0;
    }
    int32_t left = __atomic_load_n(&faults->left[call], __ATOMIC_SEQ_CST);
    while (left) {
        int32_t then = left < 0 ? left : left - 1;
        if (__atomic_compare_exchange_n(&faults->left[call], &left, then, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            errno = faults->error;
            return 1;
        }
    }
    return 0;
}

static int fails_file(enum call call, int file) {
    char path[PATH_MAX];
    return faults && faults->left[call] && fails(call, name_of(file, path));
}

// A system without room for one more watcher.
int inotify_init1(int flags) {
    if (!getenv("NO_INOTIFY")) return syscall(SYS_inotify_init1, flags);
    errno = EMFILE;
    return -1;
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) {
    if (fails_file(WRITE, file)) return -1;
    ssize_t done = syscall(SYS_pwrite64, file, data, size, offset);
    if (done > 0) record_file('W', file, offset, data, done);
    return done;
}
ssize_t pwrite(int file, const void *data, size_t size, off_t offset) { return pwrite64(file, data, size, offset); }

ssize_t write(int file, const void *data, size_t size) {
    if (fails_file(WRITE, file)) return -1;
    ssize_t done = syscall(SYS_write, file, data, size);
    if (done > 0 && out >= 0) {
        off_t end = syscall(SYS_lseek, file, 0, SEEK_CUR);
        if (end >= done) record_file('W', file, end - done, data, done);
        else errno = 0;
    }
    return done;
}

ssize_t pread64(int file, void *data, size_t size, off64_t offset) {
    return fails_file(READ, file) ? -1 : syscall(SYS_pread64, file, data, size, offset);
}
ssize_t pread(int file, void *data, size_t size, off_t offset) { return pread64(file, data, size, offset); }
ssize_t read(int file, void *data, size_t size) {
    return fails_file(READ, file) ? -1 : syscall(SYS_read, file, data, size);
}

int ftruncate64(int file, off64_t size) {
    if (fails_file(WRITE, file)) return -1;
    int bad = syscall(SYS_ftruncate, file, size);
    if (!bad) record_file('T', file, size, NULL, 0);
    return bad;
}
int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

static int sync_by(long call, int file) {
    if (file >= 0 && file < (int)sizeof failed && failed[file]) record_file('A', file, 0, NULL, 0);
    int bad = fails_file(SYNC, file) ? -1 : syscall(call, file);
    record_file(bad ? 'F' : 'S', file, 0, NULL, 0);
    if (bad && file >= 0 && file < (int)sizeof failed) failed[file] = 1;
    return bad;
}
int fsync(int file) { return sync_by(SYS_fsync, file); }
int fdatasync(int file) { return sync_by(SYS_fdatasync, file); }

int close(int file) {
    if (file >= 0 && file < (int)sizeof failed) failed[file] = 0;
    return syscall(SYS_close, file);
}

static int open_by(const char *path, int flags, va_list more) {
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;
    int writes = (flags & O_ACCMODE) != O_RDONLY;
    if (writes && faults && faults->left[OPEN_TO_WRITE] && fails(OPEN_TO_WRITE, name_in(path))) return -1;
    return syscall(SYS_openat, AT_FDCWD, path, flags | O_LARGEFILE, mode);
}
int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int file = open_by(path, flags, more);
    va_end(more);
    return file;
}
int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int file = open_by(path, flags, more);
    va_end(more);
    return file;
}

int unlink(const char *path) {
    int bad = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    const char *name = name_in(path);
    if (!bad && name) record('U', name, 0, NULL, 0);
    return bad;
}

int rename(const char *from, const char *to) {
    int bad = syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
    const char *name = name_in(from), *new = name_in(to);
    if (!bad && name && new) record('R', name, 0, new, strlen(new));
    return bad;
}
