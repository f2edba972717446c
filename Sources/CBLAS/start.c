#include "blas.h"

#include <stdlib.h>

extern char **environ;

// The library's own constructor, which does nothing the second time.
void gotoblas_init(void);

// It starts as many threads as these variables say, and none are wanted: the evaluator's workers are those
// that call it. Its kernels are Haswell's wherever there is AVX2, so that results are the same bits on all such
// processors. The environment is put back to where the system left it, for a statically linked Swift finds
// the program's arguments beside it. Constructors without a priority, such as the library's, come later.
__attribute__((constructor(102))) static void start_with_one_thread(void) {
  char **environment = environ;
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
#ifdef __x86_64__
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    setenv("OPENBLAS_CORETYPE", "Haswell", 1);
#endif
  gotoblas_init();
  environ = environment;
}
