// The trampoline, protected calls, limits and errors. See bridge.h for the rule they follow.

#include "bridge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

// Source names of the standard library's chunks begin with this; every other chunk is the user's.
static const char stdlib_prefix[] = "@stdlib/";

// Frames that are searched for the user's code: `lua_getstack` counts from the top each time.
enum { frames_searched = 2000 };

// Frames whose position an error's text is taken to begin with: `error` takes levels.
enum { levels_of_error = 8 };

// Instructions between two calls of the hook.
enum { hook_interval = 1000 };

// Stack slots that a Swift function finds free.
enum { swift_slots = 100 };

// --- Positions and tracebacks ------------------------------------------------------------------------------

static bool is_library(const lua_Debug *frame) {
  return strncmp(frame->source, stdlib_prefix, sizeof stdlib_prefix - 1) == 0;
}

static bridge_position position_of(const lua_Debug *frame) {
  bridge_position position;
  snprintf(position.file, sizeof position.file, "%s", frame->short_src);
  position.line = frame->currentline;
  return position;
}

static bool position_in(lua_State *L, bridge_position *position) {
  lua_Debug frame;
  for (int level = 0; level < frames_searched && lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "Sl", &frame);
    if (frame.currentline <= 0 || is_library(&frame)) continue;
    *position = position_of(&frame);
    return true;
  }
  return false;
}

bridge_position bridge_user_position(const bridge_host *host, lua_State *L) {
  bridge_position position = {{0}, 0};
  if (position_in(L, &position)) return position;
  for (bridge_resumer *waiting = host->resumer; waiting; waiting = waiting->previous) {
    if (position_in(waiting->thread, &position)) break;
  }
  return position;
}

bridge_position bridge_stopped_position(const bridge_host *host) { return host->stopped_at; }

bridge_position bridge_error_position(const bridge_host *host) { return host->error_at; }

const char *bridge_error_traceback(const bridge_host *host) { return host->traceback; }

static void set_traceback(bridge_host *host, const char *text) {
  free(host->traceback);
  host->traceback = text ? strdup(text) : NULL;
}

void bridge_keep_traceback(bridge_host *host, const char *traceback, bridge_position position) {
  set_traceback(host, traceback);
  host->error_at = position;
  host->error_kept = true;
}

// --- The positions that Lua writes into texts --------------------------------------------------------------

// Lua puts `file:line: ` before the texts of its own errors and those of `error`, and has no other way to tell the
// position. It is read here and nowhere else, while the stack still says what it must be.

static const char noted_text;

static bool is_noted(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &noted_text);
  const bool result = lua_rawequal(L, -1, -2);
  lua_pop(L, 1);
  return result;
}

static void keep_noted(lua_State *L, bridge_host *host, size_t prefix, bridge_position at, bool in_library) {
  host->noted.prefix = prefix;
  host->noted.at = at;
  host->noted.is_library = in_library;
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &noted_text);
}

void note_text(lua_State *L, bridge_host *host, lua_State *thread) {
  if (lua_type(L, -1) != LUA_TSTRING || is_noted(L)) return;
  const int32_t in_lua = host->in_lua;
  set_in_lua(host, 0);  // an error in here would replace the one that is to be reported
  const char *text = lua_tostring(L, -1);
  bridge_position at = {{0}, 0};
  size_t prefix = 0;
  bool in_library = false;
  lua_Debug frame;
  for (int level = 0; level < levels_of_error && prefix == 0 && lua_getstack(thread, level, &frame);
       level++) {
    lua_getinfo(thread, "Sl", &frame);
    if (frame.currentline <= 0) continue;
    char written[LUA_IDSIZE + 24];
    const int length = snprintf(written, sizeof written, "%s:%d: ", frame.short_src, frame.currentline);
    if (strncmp(text, written, (size_t)length) != 0) continue;
    prefix = (size_t)length;
    at = position_of(&frame);
    in_library = is_library(&frame);
  }
  keep_noted(L, host, prefix, at, in_library);
  set_in_lua(host, in_lua);
}

// Notes the text of an error of Lua's parser, which has no frame yet: the line stands after the name of the chunk.
static void note_syntax_error(lua_State *L, bridge_host *host, const char *chunk_name) {
  if (lua_type(L, -1) != LUA_TSTRING) return;
  if (luaL_loadbufferx(L, "", 0, chunk_name, "t") != LUA_OK) {
    lua_pop(L, 1);
    return;
  }
  lua_Debug chunk;
  lua_getinfo(L, ">S", &chunk);
  const char *text = lua_tostring(L, -1);
  const size_t length = strlen(chunk.short_src);
  if (strncmp(text, chunk.short_src, length) != 0 || text[length] != ':') return;
  char *end;
  chunk.currentline = (int)strtol(text + length + 1, &end, 10);
  if (chunk.currentline <= 0 || strncmp(end, ": ", 2) != 0) return;
  keep_noted(L, host, (size_t)(end + 2 - text), position_of(&chunk), is_library(&chunk));
}

size_t bridge_error_prefix(const bridge_host *host, lua_State *L, bridge_position *position,
                           bool *is_library) {
  if (lua_type(L, -1) != LUA_TSTRING || !is_noted(L)) return 0;
  *position = host->noted.at;
  *is_library = host->noted.is_library;
  return host->noted.prefix;
}

// --- Handlers ----------------------------------------------------------------------------------------------

void note_error(lua_State *L, bridge_host *host, lua_State *thread) {
  note_text(L, host, thread);
  const int32_t in_lua = host->in_lua;
  set_in_lua(host, 0);  // an error in here would replace the one that is to be reported
  if (!host->error_kept) {
    if (!position_in(thread, &host->error_at)) host->error_at = bridge_user_position(host, L);
    luaL_traceback(L, thread, NULL, 0);
    set_traceback(host, lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  set_in_lua(host, in_lua);
}

static int message_handler(lua_State *L) {
  bridge_host *host = host_of(L);
  lua_settop(L, 1);
  note_error(L, host, L);
  host->error_kept = false;
  return 1;
}

static int after_entry(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  return lua_gettop(L);
}

static int entry_point(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, after_entry);
  return after_entry(L, LUA_OK, 0);
}

void bridge_make_entry_point(lua_State *L) { lua_pushcclosure(L, entry_point, 1); }

static int describe(lua_State *L) {
  if (luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL) {
    luaL_tolstring(L, 1, NULL);
  } else {
    lua_pushfstring(L, "error object is a %s value", luaL_typename(L, 1));
  }
  return 1;
}

void bridge_push_describe(lua_State *L) { lua_pushcfunction(L, describe); }

// --- Stopping for good -------------------------------------------------------------------------------------

static const char stopped_marker;

int bridge_stopped(const bridge_host *host) { return host->stopped; }

void bridge_stop(bridge_host *host, int reason) {
  if (host->stopped) return;
  host->stopped = reason;
  if (reason == bridge_stopped_by_memory && host->refused.pending) {
    host->stopped_at = host->refused.at;
  } else {
    host->stopped_at = bridge_user_position(host, host->running);
  }
}

void push_stopped(lua_State *L) { lua_pushlightuserdata(L, (void *)&stopped_marker); }

static void hook(lua_State *L, lua_Debug *frame);

int raise_stopped(lua_State *L, bridge_host *host) {
  (void)host;
  // From now on the hook raises at the next instruction, whatever handler runs while the stack unwinds.
  lua_sethook(L, hook, LUA_MASKCOUNT, 1);
  push_stopped(L);
  return lua_error(L);
}

void pass_on_if_stopped(lua_State *L, bridge_host *host, int status) {
  settle_refusal(host);
  if (status == LUA_ERRMEM) bridge_stop(host, bridge_stopped_by_memory);
  if (host->stopped) raise_stopped(L, host);
}

// --- Limits ------------------------------------------------------------------------------------------------

size_t bridge_memory_in_use(const bridge_host *host) { return host->memory_used + host->memory_charged; }

static bool fits(const bridge_host *host, size_t bytes) {
  const size_t limit = host->options.memory_bytes, used = bridge_memory_in_use(host);
  return limit == 0 || (used <= limit && bytes <= limit - used);
}

// Lua's core asks once more after an emergency collection, and only the second refusal is an error. The
// buffers of its libraries ask once, and raise an error of their own: a refusal that no retry follows.
static bool is_retry(const bridge_host *host, const void *block, size_t old_size, size_t new_size) {
  return host->refused.block == block && host->refused.old_size == old_size &&
         host->refused.new_size == new_size;
}

static void note_refusal(bridge_host *host, void *block, size_t old_size, size_t new_size) {
  if (host->refused.pending) {
    bridge_stop(host, bridge_stopped_by_memory);
    return;
  }
  host->refused.pending = true;
  host->refused.block = block;
  host->refused.old_size = old_size;
  host->refused.new_size = new_size;
  // Reads the stack only; when the error is noticed, that is gone.
  host->refused.at = bridge_user_position(host, host->running);
}

void settle_refusal(bridge_host *host) {
  if (host->refused.pending) bridge_stop(host, bridge_stopped_by_memory);
}

// A program may end where realloc fails; Lua first collects its garbage, and then raises an error.
#ifdef __GLIBC__
extern void *__libc_realloc(void *, size_t);
#define reallocate __libc_realloc
#else
#define reallocate realloc
#endif

static void *allocate(void *context, void *block, size_t old_size, size_t new_size) {
  bridge_host *host = context;
  if (!block) old_size = 0;  // then it tells the kind of object
  if (new_size == 0) {
    free(block);
    host->memory_used -= old_size;
    return NULL;
  }
  if (new_size > old_size) {
    if (host->in_lua && !fits(host, new_size - old_size)) {
      note_refusal(host, block, old_size, new_size);
      return NULL;
    }
    if (host->refused.pending) {
      if (!is_retry(host, block, old_size, new_size)) settle_refusal(host);
      host->refused.pending = false;
    }
  }
  void *result = reallocate(block, new_size);
  if (!result) {
    if (host->in_lua) return NULL;
    // An error could not be raised here.
    result = realloc(block, new_size);
    if (!result) abort();
  }
  host->memory_used += new_size - old_size;
  return result;
}

void bridge_collect_garbage(bridge_host *host) {
  lua_gc(host->running, LUA_GCCOLLECT);
  const size_t limit = host->options.memory_bytes, used = bridge_memory_in_use(host);
  const size_t halfway = used + (used < limit ? (limit - used) / 2 : 0);
  host->collect_above = halfway > limit / 4 * 3 ? halfway : limit / 4 * 3;
}

bool bridge_charge(bridge_host *host, size_t bytes) {
  if (host->stopped) return false;
  if (!fits(host, bytes)) {
    bridge_collect_garbage(host);
    if (!fits(host, bytes)) {
      bridge_stop(host, bridge_stopped_by_memory);
      return false;
    }
  }
  host->memory_charged += bytes;
  return true;
}

void bridge_discharge(bridge_host *host, size_t bytes) {
  host->memory_charged -= bytes < host->memory_charged ? bytes : host->memory_charged;
}

static void hook(lua_State *L, lua_Debug *unused) {
  (void)unused;
  bridge_host *host = host_of(L);
  beat(host);
  settle_refusal(host);
  if (!host->stopped) {
    host->instructions += (uint64_t)host->hook_interval;
    if (bridge_is_interrupted(host->interrupt)) {
      bridge_stop(host, bridge_stopped_by_interrupt);
    } else if (host->options.instructions != 0 && host->instructions > host->options.instructions) {
      bridge_stop(host, bridge_stopped_by_instructions);
    } else {
      position_in(L, &host->seen_at);
      // Emergency collections run no finalisers, so what userdata hold is released ahead of the limit.
      if (host->options.memory_bytes != 0 && bridge_memory_in_use(host) > host->collect_above) {
        bridge_collect_garbage(host);
      }
      return;
    }
  }
  raise_stopped(L, host);
}

// --- Calls -------------------------------------------------------------------------------------------------

int call_swift(lua_State *L, int function) {
  bridge_host *host = host_of(L);
  settle_refusal(host);
  if (bridge_is_interrupted(host->interrupt)) bridge_stop(host, bridge_stopped_by_interrupt);
  if (host->stopped) return raise_stopped(L, host);
  luaL_checkstack(L, swift_slots, NULL);

  const int32_t in_lua = host->in_lua;
  lua_State *running = host->running;
  host->running = L;
  set_in_lua(host, 0);
  beat(host);
  const int results = host->callbacks.dispatch(host->callbacks.context, L, function);
  beat(host);
  set_in_lua(host, in_lua);
  host->running = running;

  if (bridge_is_interrupted(host->interrupt)) bridge_stop(host, bridge_stopped_by_interrupt);
  if (host->stopped) return raise_stopped(L, host);
  return results < 0 ? lua_error(L) : results;
}

static int trampoline(lua_State *L) { return call_swift(L, (int)lua_tointeger(L, lua_upvalueindex(1))); }

void bridge_push_function(lua_State *L, int function) {
  lua_pushinteger(L, function);
  lua_pushcclosure(L, trampoline, 1);
}

bool bridge_called_as_method(lua_State *L) {
  lua_Debug frame;
  if (!lua_getstack(L, 0, &frame)) return false;
  lua_getinfo(L, "n", &frame);
  return strcmp(frame.namewhat, "method") == 0;
}

void write_output(bridge_host *host, int channel, const char *text, size_t length) {
  const int32_t in_lua = host->in_lua;
  set_in_lua(host, 0);
  host->callbacks.output(host->callbacks.context, host->running, channel, text, length);
  beat(host);
  set_in_lua(host, in_lua);
}

void bridge_print_line(const char *text, size_t length) {
  fwrite(text, 1, length, stdout);
  putchar('\n');
}

int bridge_flush_output(void) {
  errno = 0;
  if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
  return errno != 0 ? errno : EIO;
}

// What both ways into Lua do before and after.
typedef struct {
  int32_t in_lua;
  lua_State *running;
} saved_state;

static saved_state enter_lua(bridge_host *host, lua_State *L) {
  const saved_state saved = {host->in_lua, host->running};
  host->running = L;
  host->error_kept = false;
  beat(host);
  __atomic_store_n(&host->depth, host->depth + 1, __ATOMIC_RELAXED);
  set_in_lua(host, 1);
  return saved;
}

static int leave_lua(bridge_host *host, lua_State *L, saved_state saved, int status, int base) {
  set_in_lua(host, saved.in_lua);
  __atomic_store_n(&host->depth, host->depth - 1, __ATOMIC_RELAXED);
  beat(host);
  host->running = saved.running;
  settle_refusal(host);
  if (status == LUA_ERRMEM) bridge_stop(host, bridge_stopped_by_memory);
  if (host->stopped) {
    lua_settop(L, base);
    push_stopped(L);
    return LUA_ERRRUN;
  }
  return status;
}

static int load_chunk(bridge_host *host, lua_State *L, const char *chunk, size_t length,
                      const char *chunk_name, const char *mode) {
  const int base = lua_gettop(L);
  if (host->stopped) {
    push_stopped(L);
    return LUA_ERRRUN;
  }
  const saved_state saved = enter_lua(host, L);
  const int status = luaL_loadbufferx(L, chunk, length, chunk_name, mode);
  set_in_lua(host, saved.in_lua);
  if (status == LUA_ERRSYNTAX) note_syntax_error(L, host, chunk_name);
  return leave_lua(host, L, saved, status, base);
}

int bridge_load(bridge_host *host, lua_State *L, const char *text, size_t length, const char *chunk_name) {
  return load_chunk(host, L, text, length, chunk_name, "t");
}

int bridge_load_bytecode(bridge_host *host, lua_State *L, const char *code, size_t length,
                         const char *chunk_name) {
  return load_chunk(host, L, code, length, chunk_name, "b");
}

int bridge_pcall(bridge_host *host, lua_State *L, int arguments, int results) {
  const int function = lua_gettop(L) - arguments;
  if (bridge_is_interrupted(host->interrupt)) bridge_stop(host, bridge_stopped_by_interrupt);
  if (host->stopped) {
    lua_settop(L, function - 1);
    push_stopped(L);
    return LUA_ERRRUN;
  }
  lua_pushcfunction(L, message_handler);
  lua_insert(L, function);
  const saved_state saved = enter_lua(host, L);
  const int status = lua_pcall(L, arguments, results, function);
  lua_remove(L, function);
  return leave_lua(host, L, saved, status, function - 1);
}

// --- Userdata ----------------------------------------------------------------------------------------------

static int userdata_collect(lua_State *L) {
  bridge_host *host = host_of(L);
  bridge_userdata *userdata = (bridge_userdata *)bridge_to_userdata(L, 1);
  if (!userdata) return 0;
  const int type = (int)userdata->type;
  userdata->type = 0;  // a weak table may still show it to a script

  const int32_t in_lua = host->in_lua;
  set_in_lua(host, 0);
  host->callbacks.release(host->callbacks.context, type, userdata->payload);
  set_in_lua(host, in_lua);
  return 0;
}

// Upvalues: methods, number of the getter, name of the type.
static int userdata_index(lua_State *L) {
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  lua_pop(L, 1);
  const int getter = (int)lua_tointeger(L, lua_upvalueindex(2));
  if (getter >= 0) return call_swift(L, getter);
  return luaL_error(L, "%s has no field '%s'", lua_tostring(L, lua_upvalueindex(3)),
                    luaL_tolstring(L, 2, NULL));
}

static int userdata_newindex(lua_State *L) {
  return luaL_error(L, "cannot set field '%s': a %s is read-only", luaL_tolstring(L, 2, NULL),
                    lua_tostring(L, lua_upvalueindex(1)));
}

void bridge_push_metatable(lua_State *L, const char *name, int getter) {
  const int methods = lua_gettop(L);
  lua_createtable(L, 0, 16);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__metatable");
  lua_pushcfunction(L, userdata_collect);
  lua_setfield(L, -2, "__gc");
  lua_pushvalue(L, methods);
  lua_pushinteger(L, getter);
  lua_pushstring(L, name);
  lua_pushcclosure(L, userdata_index, 3);
  lua_setfield(L, -2, "__index");
  lua_pushstring(L, name);
  lua_pushcclosure(L, userdata_newindex, 1);
  lua_setfield(L, -2, "__newindex");
  lua_remove(L, methods);
}

void bridge_push_userdata(lua_State *L, int metatable, uint32_t type, uint64_t payload) {
  bridge_userdata *userdata = lua_newuserdatauv(L, sizeof *userdata, 0);
  userdata->magic = BRIDGE_USERDATA_MAGIC;
  userdata->type = type;
  userdata->payload = payload;
  lua_rawgeti(L, LUA_REGISTRYINDEX, metatable);
  lua_setmetatable(L, -2);
}

// --- The watchdog's view -----------------------------------------------------------------------------------

bool bridge_in_lua(const bridge_host *host) { return __atomic_load_n(&host->in_lua, __ATOMIC_RELAXED) != 0; }

bool bridge_is_active(const bridge_host *host) {
  return __atomic_load_n(&host->depth, __ATOMIC_RELAXED) != 0;
}

uint64_t bridge_heartbeat(const bridge_host *host) {
  return __atomic_load_n(&host->heartbeat, __ATOMIC_RELAXED);
}

bool bridge_stop_is_requested(const bridge_host *host) { return bridge_is_interrupted(host->interrupt); }

bridge_position bridge_seen_position(const bridge_host *host) { return host->seen_at; }

// --- Life of a state ---------------------------------------------------------------------------------------

static void warn(void *context, const char *piece, int to_be_continued) {
  bridge_host *host = context;
  if (!host->warning && !to_be_continued && piece[0] == '@') {  // a control message
    if (strcmp(piece, "@on") == 0) host->warnings_on = true;
    if (strcmp(piece, "@off") == 0) host->warnings_on = false;
    return;
  }
  const size_t length = strlen(piece);
  char *longer = realloc(host->warning, host->warning_length + length + 1);
  if (!longer) return;
  memcpy(longer + host->warning_length, piece, length + 1);
  host->warning = longer;
  host->warning_length += length;
  if (to_be_continued) return;
  if (host->warnings_on) write_output(host, bridge_output_warning, longer, host->warning_length);
  free(host->warning);
  host->warning = NULL;
  host->warning_length = 0;
}

bridge_host *bridge_open(bridge_options options, bridge_callbacks callbacks, const int32_t *interrupt) {
  bridge_host *host = calloc(1, sizeof *host);
  if (!host) return NULL;
  host->options = options;
  host->callbacks = callbacks;
  host->interrupt = interrupt;
  host->collect_above = options.memory_bytes / 4 * 3;
  host->warnings_on = true;
  host->hook_interval = hook_interval;
  if (options.instructions != 0 && options.instructions < hook_interval) {
    host->hook_interval = (int)options.instructions;
  }

  lua_State *L = lua_newstate(allocate, host);
  if (!L) {
    free(host);
    return NULL;
  }
  host->main = host->running = L;
  *(bridge_host **)lua_getextraspace(L) = host;
  lua_setwarnf(L, warn, host);
  lua_pushcfunction(L, open_sandbox);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
    bridge_close(host);
    return NULL;
  }
  lua_sethook(L, hook, LUA_MASKCOUNT, host->hook_interval);
  return host;
}

lua_State *bridge_main(const bridge_host *host) { return host->main; }

void bridge_set_context(bridge_host *host, void *context) { host->callbacks.context = context; }

void bridge_close(bridge_host *host) {
  lua_close(host->main);
  free(host->traceback);
  free(host->warning);
  free(host);
}
