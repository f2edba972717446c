#include "blas.h"

#include <stdlib.h>

// Before the library's own constructor, which starts as many threads as this says: the evaluator's workers
// are those that call it. Constructors without a priority come later.
__attribute__((constructor(101))) static void keep_to_one_thread(void) {
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
}
