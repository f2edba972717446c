// Shared by the bridge's own C files.

#ifndef MERGEKIT_LUA_HOST_H
#define MERGEKIT_LUA_HOST_H

#include "bridge.h"

static inline bridge_host *host_of(lua_State *L) { return *(bridge_host **)lua_getextraspace(L); }

static inline void set_in_lua(bridge_host *host, int32_t value) {
  __atomic_store_n(&host->in_lua, value, __ATOMIC_RELAXED);
}

static inline void beat(bridge_host *host) {
  __atomic_store_n(&host->heartbeat, host->heartbeat + 1, __ATOMIC_RELAXED);
}

// Raises the error of a stopped state. Needs no memory: the object is an address.
int raise_stopped(lua_State *L, bridge_host *host);

// Pushes the object that `raise_stopped` raises.
void push_stopped(lua_State *L);

// Stops the state if an allocation was refused for good.
void settle_refusal(bridge_host *host);

// After a protected call: raises again if the state is stopped, so that no script swallows it.
void pass_on_if_stopped(lua_State *L, bridge_host *host, int status);

// Runs the Swift function with this number and raises its error.
int call_swift(lua_State *L, int function);

// Sends a text to Swift.
void write_output(bridge_host *host, int channel, const char *text, size_t length);

// Keeps position and traceback of an error in `thread`, whose stack is still there, and completes its
// message, the string on top of `L`, by the user's position if the standard library raised it.
void note_error(lua_State *L, bridge_host *host, lua_State *thread);

// Makes the libraries of the sandbox. May raise.
int open_sandbox(lua_State *L);

// `pairs` with a stable order.
int sandbox_pairs(lua_State *L);

#endif
