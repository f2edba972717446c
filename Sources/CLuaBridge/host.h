// Shared by the bridge's own C files.

#ifndef LUA_BRIDGE_HOST_H
#define LUA_BRIDGE_HOST_H

#include "bridge.h"

// A coroutine that waits for one that it resumed; lives on the C stack.
typedef struct bridge_resumer {
  lua_State *thread;
  struct bridge_resumer *previous;
} bridge_resumer;

// All that belongs to one Lua state beside the state. Reached from every coroutine by lua_getextraspace.
struct bridge_host {
  lua_State *main;
  lua_State *running;  // the coroutine whose code runs
  bridge_resumer *resumer;
  bridge_callbacks callbacks;
  bridge_options options;

  size_t memory_used;     // by Lua
  size_t memory_charged;  // by Swift, on the same limit
  size_t collect_above;   // memory that makes the hook run a full collection
  struct {
    bool pending;
    void *block;
    size_t old_size, new_size;
    bridge_position at;
  } refused;  // the allocation refused last, until it is known whether that was an error
  uint64_t instructions;
  int hook_interval;

  // Read by the watchdog's thread, hence written through the atomic functions below only.
  int32_t in_lua;  // whether Lua itself runs, and not a Swift function that it called
  int32_t depth;   // nesting of calls from Swift into Lua
  uint64_t heartbeat;
  const int32_t *interrupt;  // set by a signal handler or another thread

  int stopped;  // why, or bridge_not_stopped
  bridge_position stopped_at;
  bridge_position seen_at;   // where the hook last saw the user's code
  bridge_position error_at;  // the user's line of the last error that reached Swift
  char *traceback;           // of that error
  // The two above are of an error that is on its way, and say more than the stack where it has come to.
  bool error_kept;

  struct {
    size_t prefix;  // bytes of its beginning that Lua wrote; 0 if none
    bridge_position at;
    bool is_library;
  } noted;  // of the error's text that was noted last, which the registry keeps

  bool warnings_on;
  char *warning;  // pieces of a warning that is not yet complete
  size_t warning_length;
};

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

// Keeps position and traceback of an error in `thread`, whose stack is still there, and notes its text, which is on
// top of `L`.
void note_error(lua_State *L, bridge_host *host, lua_State *thread);

// Notes with which position an error's text, which is on top of `L`, begins; `thread` has the stack on which it was
// raised.
void note_text(lua_State *L, bridge_host *host, lua_State *thread);

// Makes the libraries of the sandbox. May raise.
int open_sandbox(lua_State *L);

// `pairs` with a stable order.
int sandbox_pairs(lua_State *L);

#endif
