#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

// The end of memory. Neither Swift's runtime nor most libraries of C go on without what they ask for: they end the
// process by an illegal instruction, or read address 0. In a program that called memory_end_by_signal, memory that the
// system refuses is a sentence on standard error instead, whoever asked for it, and the process ends.

// From now on a thread that gets no memory says so, sends the process this signal, and waits. Whoever takes the
// signal removes what is unfinished and ends the process; if nobody does so within five seconds, it ends.
void memory_end_by_signal(int signal);

// Whether that has happened.
bool memory_has_failed(void);

// Says that memory was refused, and ends the process as memory_end_by_signal told; at once if nobody did.
_Noreturn void memory_refused(size_t size);
