// What the calls of BLAS and LAPACK alone take that a merge by `iso_c` or `tsv_m` makes, on random matrices of a
// Llama's layers: calls STEP LAYERS THREADS prints the seconds. Each thread takes a matrix at a time, as the program's
// workers take whole decompositions; nothing is read, converted or written.
#include <cblas-openblas.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void dsyevd_(const char *, const char *, const int *, double *, const int *, double *, double *, const int *,
             int *, const int *, int *, size_t, size_t);

static const int shapes[7][2] = {{2048, 2048}, {2048, 2048}, {5632, 2048}, {5632, 2048},
                                 {2048, 5632}, {256, 2048},  {256, 2048}};
static int is_tsv, count;
static atomic_int next;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void eigenvectors(int n, double *matrix) {
  const int size = 1 + 6 * n + 2 * n * n, integers = 3 + 5 * n;
  int info;
  double *work = malloc((size_t)size * sizeof *work), *values = malloc((size_t)n * sizeof *values);
  int *whole = malloc((size_t)integers * sizeof *whole);
  dsyevd_("V", "L", &n, matrix, &n, values, work, &size, whole, &integers, &info, 1, 1);
  free(work);
  free(values);
  free(whole);
}

// The decomposition of a rows × columns matrix: products of the smaller side, up to the diagonal, in blocks of 256;
// their eigenvectors; and the product for the `kept` vectors of the larger side.
static void decompose(int rows, int columns, int kept) {
  const int size = rows < columns ? rows : columns, length = rows < columns ? columns : rows;
  const size_t elements = (size_t)size * (size_t)length, square = (size_t)size * (size_t)size;
  double *matrix = malloc(elements * sizeof *matrix), *gram = malloc(square * sizeof *gram);
  float *single = malloc(elements * sizeof *single), *vectors = malloc(square * sizeof *vectors);
  float *product = malloc(elements * sizeof *product);
  unsigned state = 1;
  for (size_t i = 0; i < elements; i++) {
    state = state * 1664525 + 1013904223;
    matrix[i] = single[i] = (float)state / 4294967296.0f - 0.5f;
  }
  for (int block = 0; block < size; block += 256) {
    const int width = block + 256 < size ? 256 : size - block;
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, width, block + width, length, 1, matrix + block, size, matrix,
                size, 0, gram + (size_t)block * (size_t)size, size);
  }
  for (int i = 0; i < size; i++)
    for (int j = i + 1; j < size; j++) gram[(size_t)i * (size_t)size + (size_t)j] = gram[(size_t)j * (size_t)size + (size_t)i];
  eigenvectors(size, gram);
  for (size_t i = 0; i < square; i++) vectors[i] = (float)gram[i];
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, length, kept, size, 1, single, size, vectors, size, 0, product,
              kept);
  free(matrix);
  free(gram);
  free(single);
  free(vectors);
  free(product);
}

static void multiply(int rows, int inner, int columns) {
  float *a = calloc((size_t)rows * (size_t)inner, 4), *b = calloc((size_t)inner * (size_t)columns, 4);
  float *c = malloc((size_t)rows * (size_t)columns * 4);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, columns, inner, 1, a, inner, b, columns, 0, c, columns);
  free(a);
  free(b);
  free(c);
}

static void *work(void *unused) {
  for (int task; (task = atomic_fetch_add(&next, 1)) < count;) {
    const int rows = shapes[task % 7][0], columns = shapes[task % 7][1];
    const int size = rows < columns ? rows : columns;
    if (!is_tsv) {
      decompose(rows, columns, size);
    } else {
      // Half of the triples of two task vectors, and the polar factors of both sides.
      for (int vector = 0; vector < 2; vector++) decompose(rows, columns, size / 2);
      decompose(rows, size, size);
      multiply(rows, size, size);
      decompose(size, columns, size);
      multiply(size, size, columns);
    }
    multiply(rows, size, columns);
  }
  return unused;
}

int main(int arguments, char **argument) {
  if (arguments != 4) return 2;
  is_tsv = strcmp(argument[1], "tsv_m") == 0;
  count = 7 * atoi(argument[2]);
  const int threads = atoi(argument[3]);
  pthread_t others[64];
  const double start = now();
  for (int i = 0; i < threads && i < 64; i++) pthread_create(&others[i], NULL, work, NULL);
  for (int i = 0; i < threads && i < 64; i++) pthread_join(others[i], NULL);
  printf("%.3f\n", now() - start);
  return 0;
}
