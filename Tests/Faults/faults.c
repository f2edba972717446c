// A library to be preloaded that lets one call of a program fail, or kills the program there.
//
//     FAULT_AT=N        the call that is hit, counted from 1 over all that are counted; unset counts only
//     FAULT_KIND=kill   the process is killed before the call
//              after    the process is killed after the call
//              once     the call fails
//              always   the call, and every one after it that changes something, fails
//     FAULT_ERRNO=N     with this error; EIO unless set
//     FAULT_BELOW=PATH  calls on paths (or descriptors of files) below this alone are counted
//     FAULT_NAME=NAME   and of these on files of this name alone
//     FAULT_LOG=FILE    the calls that were counted are written there, one a line
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long count = 0;
static long target = 0;
static int kind = 0, error_number = EIO, log_descriptor = -1;
static char below[PATH_MAX], only[NAME_MAX + 1];
static size_t below_length = 0;
enum { KILL = 1, AFTER, ONCE, ALWAYS };

__attribute__((constructor)) static void start(void) {
  const char *text = getenv("FAULT_AT");
  if (text) target = atol(text);
  text = getenv("FAULT_KIND");
  if (text) kind = !strcmp(text, "kill") ? KILL : !strcmp(text, "after") ? AFTER : !strcmp(text, "once") ? ONCE : ALWAYS;
  text = getenv("FAULT_ERRNO");
  if (text) error_number = atoi(text);
  text = getenv("FAULT_BELOW");
  if (text && realpath(text, below)) below_length = strlen(below);
  text = getenv("FAULT_NAME");
  if (text) snprintf(only, sizeof only, "%s", text);
  text = getenv("FAULT_LOG");
  if (text) log_descriptor = syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

static int is_below(const char *path) {
  char absolute[PATH_MAX];
  if (only[0]) {
    const char *name = path ? strrchr(path, '/') : NULL;
    if (!path || strcmp(name ? name + 1 : path, only)) return 0;
  }
  if (!below_length) return 1;
  if (!path) return 0;
  if (path[0] != '/') {
    if (syscall(SYS_getcwd, absolute, sizeof absolute) < 0) return 0;
    size_t length = strlen(absolute);
    snprintf(absolute + length, sizeof absolute - length, "/%s", path);
    path = absolute;
  }
  return !strncmp(path, below, below_length) && (path[below_length] == '/' || !path[below_length]);
}

static int is_below_fd(int descriptor) {
  char link[64], path[PATH_MAX];
  if (!below_length && !only[0]) return 1;
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = syscall(SYS_readlink, link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return is_below(path);
}

// Whether the call fails; does not return where it kills before.
static int hit(const char *name, const char *detail, int changes, int *kills_after) {
  long number = atomic_fetch_add(&count, 1) + 1;
  *kills_after = 0;
  if (log_descriptor >= 0) dprintf(log_descriptor, "%ld %s %s\n", number, name, detail ? detail : "");
  if (!target) return 0;
  if (number == target) {
    if (kind == KILL) syscall(SYS_kill, getpid(), SIGKILL);
    if (kind == AFTER) *kills_after = 1;
    if (kind == ONCE || kind == ALWAYS) return 1;
  }
  return number > target && kind == ALWAYS && changes;
}

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))
#define RUN(name, detail, counted, changes, failure, call)            \
  do {                                                                \
    int kills = 0;                                                    \
    if ((counted) && hit(name, detail, changes, &kills)) {            \
      errno = error_number;                                           \
      return failure;                                                 \
    }                                                                 \
    __typeof__(call) result = (call);                                 \
    if (kills) syscall(SYS_kill, getpid(), SIGKILL);                  \
    return result;                                                    \
  } while (0)

static int opened(const char *name, int directory, const char *path, int flags, mode_t mode) {
  int counted = directory == AT_FDCWD || path[0] == '/' ? is_below(path) : is_below_fd(directory);
  int writes = (flags & O_ACCMODE) != O_RDONLY;
  RUN(writes ? "create" : name, path, counted, writes, -1, (int)syscall(SYS_openat, directory, path, flags, mode));
}

#define MODE mode_t mode = 0; if (flags & (O_CREAT | __O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); }
int open(const char *path, int flags, ...) { MODE return opened("open", AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return opened("open", AT_FDCWD, path, flags, mode); }
int openat(int directory, const char *path, int flags, ...) { MODE return opened("openat", directory, path, flags, mode); }
int openat64(int directory, const char *path, int flags, ...) { MODE return opened("openat", directory, path, flags, mode); }

DIR *opendir(const char *path) { RUN("opendir", path, is_below(path), 0, NULL, REAL(opendir)(path)); }
struct dirent *readdir(DIR *stream) { RUN("readdir", "", is_below_fd(dirfd(stream)), 0, NULL, REAL(readdir)(stream)); }
struct dirent64 *readdir64(DIR *stream) { RUN("readdir", "", is_below_fd(dirfd(stream)), 0, NULL, REAL(readdir64)(stream)); }
int stat(const char *path, struct stat *status) { RUN("stat", path, is_below(path), 0, -1, REAL(stat)(path, status)); }
int lstat(const char *path, struct stat *status) { RUN("lstat", path, is_below(path), 0, -1, REAL(lstat)(path, status)); }
int fstat(int file, struct stat *status) { RUN("fstat", "", is_below_fd(file), 0, -1, REAL(fstat)(file, status)); }
int fstatat(int directory, const char *path, struct stat *status, int flags) { RUN("fstatat", path, is_below(path), 0, -1, REAL(fstatat)(directory, path, status, flags)); }
ssize_t read(int file, void *buffer, size_t size) { RUN("read", "", is_below_fd(file), 0, -1, REAL(read)(file, buffer, size)); }
ssize_t pread(int file, void *buffer, size_t size, off_t at) { RUN("pread", "", is_below_fd(file), 0, -1, REAL(pread)(file, buffer, size, at)); }
ssize_t pread64(int file, void *buffer, size_t size, off64_t at) { RUN("pread", "", is_below_fd(file), 0, -1, REAL(pread64)(file, buffer, size, at)); }
ssize_t write(int file, const void *buffer, size_t size) { RUN("write", "", is_below_fd(file), 1, -1, REAL(write)(file, buffer, size)); }
ssize_t pwrite(int file, const void *buffer, size_t size, off_t at) { RUN("pwrite", "", is_below_fd(file), 1, -1, REAL(pwrite)(file, buffer, size, at)); }
ssize_t pwrite64(int file, const void *buffer, size_t size, off64_t at) { RUN("pwrite", "", is_below_fd(file), 1, -1, REAL(pwrite64)(file, buffer, size, at)); }
int ftruncate(int file, off_t size) { RUN("ftruncate", "", is_below_fd(file), 1, -1, REAL(ftruncate)(file, size)); }
int ftruncate64(int file, off64_t size) { RUN("ftruncate", "", is_below_fd(file), 1, -1, REAL(ftruncate64)(file, size)); }
int fsync(int file) { RUN("fsync", "", is_below_fd(file), 1, -1, REAL(fsync)(file)); }
int fdatasync(int file) { RUN("fdatasync", "", is_below_fd(file), 1, -1, REAL(fdatasync)(file)); }
int sync_file_range(int file, off64_t from, off64_t size, unsigned flags) { RUN("sync_file_range", "", is_below_fd(file), 0, -1, REAL(sync_file_range)(file, from, size, flags)); }
int flock(int file, int operation) { RUN("flock", "", is_below_fd(file), 0, -1, REAL(flock)(file, operation)); }
int mkdir(const char *path, mode_t mode) { RUN("mkdir", path, is_below(path), 1, -1, REAL(mkdir)(path, mode)); }
int rmdir(const char *path) { RUN("rmdir", path, is_below(path), 1, -1, REAL(rmdir)(path)); }
int unlink(const char *path) { RUN("unlink", path, is_below(path), 1, -1, REAL(unlink)(path)); }
int remove(const char *path) { RUN("remove", path, is_below(path), 1, -1, REAL(remove)(path)); }
int chmod(const char *path, mode_t mode) { RUN("chmod", path, is_below(path), 1, -1, REAL(chmod)(path, mode)); }
int rename(const char *from, const char *to) { RUN("rename", to, is_below(from) || is_below(to), 1, -1, REAL(rename)(from, to)); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { RUN("renameat2", to, is_below(from) || is_below(to), 1, -1, REAL(renameat2)(a, from, b, to, flags)); }
int close(int file) {
  int counted = is_below_fd(file), kills = 0;
  int fails = counted && hit("close", "", 1, &kills);
  int result = (int)syscall(SYS_close, file);
  if (kills) syscall(SYS_kill, getpid(), SIGKILL);
  if (fails) {
    errno = error_number;
    return -1;
  }
  return result;
}
static int allocated(int file, off64_t from, off64_t size) {
  int kills = 0;
  if (is_below_fd(file) && hit("fallocate", "", 1, &kills)) return error_number;
  int result = syscall(SYS_fallocate, file, 0, from, size) ? errno : 0;
  if (kills) syscall(SYS_kill, getpid(), SIGKILL);
  return result;
}
int posix_fallocate(int file, off_t from, off_t size) { return allocated(file, from, size); }
int posix_fallocate64(int file, off64_t from, off64_t size) { return allocated(file, from, size); }
