// What Swift needs of Lua that C must do: errors, which jump and so may not cross a Swift frame; limits,
// which are checked inside the interpreter; and the library functions of the sandbox.
//
// The rule: Swift calls Lua through `bridge_load` and `bridge_pcall` only, and otherwise uses just those
// functions of the Lua API that cannot raise. Lua calls Swift through `bridge_push_function`, whose
// trampoline raises the error after the Swift frame is gone. Memory is refused only while Lua itself runs, so
// that an allocation on behalf of Swift never raises.

#ifndef LUA_BRIDGE_H
#define LUA_BRIDGE_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Why a state stopped for good. Once set it stays: everything unwinds, and no script code runs any more.
enum {
  bridge_not_stopped = 0,
  bridge_stopped_by_memory = 1,
  bridge_stopped_by_instructions = 2,
  bridge_stopped_by_interrupt = 3,
};

// Where `bridge_callbacks.output` sends a text.
enum {
  bridge_output_print = 0,
  bridge_output_warning = 1,
};

// A line in a file of the user's or of the standard library; line 0 if there is none.
typedef struct {
  char file[LUA_IDSIZE];  // as Lua shortens it
  int line;
} bridge_position;

// The Swift functions that C calls. `context` comes back in each of them.
typedef struct {
  void *context;
  // Runs the Swift function with this number. Returns the count of results on top of the stack, or -1 if an
  // error object is there.
  int (*dispatch)(void *context, lua_State *L, int function);
  // Releases what a collected userdata of this type held.
  void (*release)(void *context, int type, uint64_t payload);
  // Takes what `print` and `warn` say, without line end, in the coroutine that says it.
  void (*output)(void *context, lua_State *L, int channel, const char *text, size_t length);
} bridge_callbacks;

typedef struct {
  size_t memory_bytes;      // 0: no limit
  uint64_t instructions;    // 0: no limit
  lua_Integer random_seed;  // of math.random
} bridge_options;

// All that belongs to one Lua state beside the state.
typedef struct bridge_host bridge_host;

// Makes a state with the sandboxed libraries. NULL without memory. `interrupt` must outlive the host.
bridge_host *bridge_open(bridge_options options, bridge_callbacks callbacks, const int32_t *interrupt);

// Closes the state, which releases every userdata, and frees the host.
void bridge_close(bridge_host *host);

// The state's main coroutine.
lua_State *bridge_main(const bridge_host *host);

// Sets the `context` of the callbacks.
void bridge_set_context(bridge_host *host, void *context);

// --- Calls from Swift into Lua -----------------------------------------------------------------------------

// Compiles Lua text and pushes the function; if not LUA_OK, pushes the error.
int bridge_load(bridge_host *host, lua_State *L, const char *text, size_t length, const char *chunk_name);

// The same for bytecode, which must be what this release of Lua made: nothing checks it.
int bridge_load_bytecode(bridge_host *host, lua_State *L, const char *code, size_t length,
                         const char *chunk_name);

// lua_pcall with limits in force and a message handler that notes traceback and position.
int bridge_pcall(bridge_host *host, lua_State *L, int arguments, int results);

// Pushes a function that turns an error object into a sentence.
void bridge_push_describe(lua_State *L);

// Pops a function and pushes one that calls it, and that keeps its caller on the stack while it runs: a
// tail call (`return f()`) of a Lua function does not, and the user's line would be lost.
void bridge_make_entry_point(lua_State *L);

// --- Calls from Lua into Swift -----------------------------------------------------------------------------

// Pushes a Lua function that runs the Swift function with this number.
void bridge_push_function(lua_State *L, int function);

// Whether the running Swift function was called as a method (`object:name()`), so that its first argument is
// no argument to the user.
bool bridge_called_as_method(lua_State *L);

// Keeps a traceback for the error that Swift is about to raise.
void bridge_keep_traceback(bridge_host *host, const char *traceback, bridge_position position);

// Stops the state for good.
void bridge_stop(bridge_host *host, int reason);

// Why the state stopped for good, and the user's line of then.
int bridge_stopped(const bridge_host *host);
bridge_position bridge_stopped_position(const bridge_host *host);

// The user's line, and the traceback, or NULL, of the last error that reached Swift.
bridge_position bridge_error_position(const bridge_host *host);
const char *bridge_error_traceback(const bridge_host *host);

// The `file:line: ` with which Lua began the error's text on top of the stack: its length, 0 if there is none, and
// the position. `is_library` says whether that is in the standard library.
size_t bridge_error_prefix(const bridge_host *host, lua_State *L, bridge_position *position,
                           bool *is_library);

// Bytes in use by Lua, and charged by Swift.
size_t bridge_memory_in_use(const bridge_host *host);

// Adds to what counts against the memory limit, after a collection if it would not fit. False, and the state
// stopped, if it does not fit.
bool bridge_charge(bridge_host *host, size_t bytes);
void bridge_discharge(bridge_host *host, size_t bytes);

// Runs a full collection.
void bridge_collect_garbage(bridge_host *host);

// The line of the innermost frame of the user's code.
bridge_position bridge_user_position(const bridge_host *host, lua_State *L);

// --- Userdata ----------------------------------------------------------------------------------------------

// Every full userdata in a state that a script can reach has this layout.
typedef struct {
  uint32_t magic;
  uint32_t type;  // 0 once its finaliser has run
  uint64_t payload;
} bridge_userdata;

#define BRIDGE_USERDATA_MAGIC 0x6d6b6c75u

// Pops a table of methods, pushes a metatable whose `__index` looks there and then asks the Swift function
// `getter` (none: -1).
void bridge_push_metatable(lua_State *L, const char *name, int getter);

// Pushes a userdata with the metatable at this registry reference. `type` is above 0.
void bridge_push_userdata(lua_State *L, int metatable, uint32_t type, uint64_t payload);

// The userdata at an index, or NULL if there is another value or its finaliser has run.
static inline const bridge_userdata *bridge_to_userdata(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TUSERDATA) return NULL;
  const bridge_userdata *userdata = (const bridge_userdata *)lua_touserdata(L, index);
  if (lua_rawlen(L, index) != sizeof(bridge_userdata)) return NULL;
  return userdata->magic == BRIDGE_USERDATA_MAGIC && userdata->type != 0 ? userdata : NULL;
}

// --- Tables ------------------------------------------------------------------------------------------------

// The keys of the table at `index` in the order of `pairs`. Returns their count and pushes an array of them,
// or nil if they are just 1...count.
lua_Integer bridge_push_sorted_keys(lua_State *L, int index);

// --- The watchdog's view -----------------------------------------------------------------------------------

// To be called on any thread.

bool bridge_in_lua(const bridge_host *host);                    // whether Lua itself runs
bool bridge_is_active(const bridge_host *host);                 // whether Swift called Lua, and waits
uint64_t bridge_heartbeat(const bridge_host *host);             // counts on while anything happens
bool bridge_stop_is_requested(const bridge_host *host);         // by the interrupt flag
bridge_position bridge_seen_position(const bridge_host *host);  // the user's line that the hook saw last

// Interrupt flags: 0, or why a stop is wanted. Setting one is safe in a signal handler.
static inline void bridge_set_interrupt(int32_t *flag, int32_t reason) {
  __atomic_store_n(flag, reason, __ATOMIC_RELAXED);
}
static inline int32_t bridge_interrupt_reason(const int32_t *flag) {
  return __atomic_load_n(flag, __ATOMIC_RELAXED);
}
static inline bool bridge_is_interrupted(const int32_t *flag) {
  return __atomic_load_n(flag, __ATOMIC_RELAXED) != 0;
}

// Writes a line to standard output, byte for byte.
void bridge_print_line(const char *text, size_t length);

// Writes what is buffered of standard output. 0, or the reason why not all that was printed could be written.
int bridge_flush_output(void);

// --- Macros of lua.h that Swift does not see ---------------------------------------------------------------

static inline int bridge_registry_index(void) { return LUA_REGISTRYINDEX; }
static inline void bridge_pop(lua_State *L, int count) { lua_settop(L, -count - 1); }

#endif
