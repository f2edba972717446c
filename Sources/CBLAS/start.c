#include "blas.h"

#include <stdlib.h>

extern char **environ;

// The library's own constructor, which does nothing the second time.
void gotoblas_init(void);

// It starts as many threads as this variable says, and none are wanted: the evaluator's workers are those
// that call it. The environment is put back to where the system left it, for a statically linked Swift finds
// the program's arguments beside it. Constructors without a priority, such as the library's, come later.
__attribute__((constructor(102))) static void start_with_one_thread(void) {
  char **environment = environ;
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  gotoblas_init();
  environ = environment;
}
