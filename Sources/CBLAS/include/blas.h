// OpenBLAS, whose archive is linked: its shared library would cost each start milliseconds.
#ifndef MERGEKIT_BLAS_H
#define MERGEKIT_BLAS_H

#include <cblas-openblas.h>

#endif
