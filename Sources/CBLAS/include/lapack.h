// What is called of LAPACK, which OpenBLAS's archive holds.
#ifndef MERGEKIT_LAPACK_H
#define MERGEKIT_LAPACK_H

#include <stdbool.h>

// Eigenvalues, ascending, and eigenvectors of a symmetric n × n matrix, which is overwritten: row i of it is then the
// vector of value i. False if the iteration does not converge, or there is no memory.
bool symmetric_eigenvectors(int n, double *matrix, double *values);

// The Cholesky factor L of a symmetric n × n matrix, in its lower triangle by rows. 0, or the number of the pivot,
// from 1 on, that is not positive.
int cholesky_factor(int n, double *matrix);

// Overwrites the n × columns numbers at `right` with the solution of L Lᵀ x = right.
void cholesky_solve(int n, const double *factor, int columns, double *right);

// Overwrites a matrix of `rows` × `columns`, with as many rows as columns or more and stored by columns, with an
// orthonormal basis of its columns (Householder's reflections). False if there is no memory.
bool orthonormal_columns(int rows, int columns, double *matrix);

#endif
