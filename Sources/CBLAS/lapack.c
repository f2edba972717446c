#include "lapack.h"

#include <stdlib.h>
#include <string.h>

#include "blas.h"

// Fortran's functions take addresses, and the lengths of strings at the end.
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
             double *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t, size_t);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t);
void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work,
             const int *lwork, int *info);
void dorgqr_(const int *m, const int *n, const int *k, double *a, const int *lda, const double *tau,
             double *work, const int *lwork, int *info);

// All that LAPACK needs of Fortran's own library here: `first` and `second` joined, and blanks.
void _gfortran_concat_string(size_t length, char *target, size_t first_length, const char *first,
                             size_t second_length, const char *second) {
  memset(target, ' ', length);
  if (first_length > length) first_length = length;
  memcpy(target, first, first_length);
  if (second_length > length - first_length) second_length = length - first_length;
  memcpy(target + first_length, second, second_length);
}

bool symmetric_eigenvectors(int n, double *matrix, double *values) {
  if (n == 0) return true;
  int info = 0, most = -1, integers_needed = 0;
  double needed = 0;
  dsyevd_("V", "L", &n, matrix, &n, values, &needed, &most, &integers_needed, &most, &info, 1, 1);
  int size = (int)needed;
  double *work = malloc((size_t)size * sizeof *work);
  int *integers = malloc((size_t)integers_needed * sizeof *integers);
  // Columns of Fortran's matrix are rows of ours.
  if (work && integers)
    dsyevd_("V", "L", &n, matrix, &n, values, work, &size, integers, &integers_needed, &info, 1, 1);
  bool succeeded = work && integers && info == 0;
  free(work);
  free(integers);
  return succeeded;
}

int cholesky_factor(int n, double *matrix) {
  int info = 0;
  // The upper triangle by columns is the lower one by rows.
  if (n > 0) dpotrf_("U", &n, matrix, &n, &info, 1);
  return info;
}

void cholesky_solve(int n, const double *factor, int columns, double *right) {
  if (n == 0 || columns == 0) return;
  cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, n, columns, 1, factor, n,
              right, columns);
  cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, n, columns, 1, factor, n, right,
              columns);
}

bool orthonormal_columns(int rows, int columns, double *matrix) {
  if (columns == 0) return true;
  int info = 0, most = -1;
  double needed[2] = {0, 0};
  double *scales = malloc((size_t)columns * sizeof *scales);
  dgeqrf_(&rows, &columns, matrix, &rows, scales, &needed[0], &most, &info);
  dorgqr_(&rows, &columns, &columns, matrix, &rows, scales, &needed[1], &most, &info);
  int size = (int)(needed[0] > needed[1] ? needed[0] : needed[1]);
  double *work = malloc((size_t)size * sizeof *work);
  bool succeeded = scales && work;
  if (succeeded) {
    dgeqrf_(&rows, &columns, matrix, &rows, scales, work, &size, &info);
    dorgqr_(&rows, &columns, &columns, matrix, &rows, scales, work, &size, &info);
  }
  free(scales);
  free(work);
  return succeeded;
}
