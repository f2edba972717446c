#define _GNU_SOURCE
#include "memory.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static atomic_int failures = 0;
static int end_signal = 0;

#ifdef __GLIBC__
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

// Given back when memory ends, for whoever clears up.
static void *reserve = NULL;
static const size_t reserve_size = 1 << 20;
#endif

void memory_end_by_signal(int signal) {
#ifdef __GLIBC__
  if (!reserve) reserve = __libc_malloc(reserve_size);
#endif
  end_signal = signal;
}

bool memory_has_failed(void) { return atomic_load(&failures) > 0; }

_Noreturn void memory_refused(size_t size) {
  if (atomic_fetch_add(&failures, 1) == 0) {
#ifdef __GLIBC__
    __libc_free(reserve);
#endif
    char text[120];
    const int length =
        snprintf(text, sizeof text, "error: out of memory: the system refused %zu bytes more\n", size);
    if (write(STDERR_FILENO, text, (size_t)length) < 0) _exit(1);
    if (end_signal) kill(getpid(), end_signal);
  }
  if (end_signal) sleep(5);
  _exit(1);
}

// The allocator of the C library under its own names, in the place of everybody's: the one way to hear of every
// refusal.
#ifdef __GLIBC__

static void *checked(void *result, size_t size) {
  if (!result && size && end_signal) memory_refused(size);
  return result;
}

void *malloc(size_t size) { return checked(__libc_malloc(size), size); }

void *calloc(size_t count, size_t size) {
  size_t total;
  return checked(__libc_calloc(count, size), __builtin_mul_overflow(count, size, &total) ? SIZE_MAX : total);
}

void *realloc(void *block, size_t size) { return checked(__libc_realloc(block, size), size); }

void *memalign(size_t alignment, size_t size) { return checked(__libc_memalign(alignment, size), size); }

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **result, size_t alignment, size_t size) {
  if (alignment % sizeof(void *) || !alignment || alignment & (alignment - 1)) return EINVAL;
  void *block = memalign(alignment, size);
  if (!block && size) return ENOMEM;
  *result = block;
  return 0;
}

void free(void *block) { __libc_free(block); }

#endif
