// The libraries that scripts get: Lua's own without the functions that load code, and with those replaced
// that could swallow a limit's error, or make a run depend on more than its seed.

#include "bridge.h"
#include "host.h"

// Instructions that a new coroutine counts for: its hook starts anew, so that many short ones would count
// nothing.
enum { instructions_of_coroutine = 200 };

// --- Protected calls ---------------------------------------------------------------------------------------

static int finish_pcall(lua_State *L, int status, lua_KContext extra) {
  bridge_host *host = host_of(L);
  pass_on_if_stopped(L, host, status);
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - (int)extra;
  host->error_kept = false;
  lua_pushboolean(L, 0);
  lua_pushvalue(L, -2);
  return 2;
}

// Where a caught error was raised, in case that it is raised again.
static int noting_handler(lua_State *L) {
  if (!host_of(L)->stopped) note_text(L, host_of(L), L);
  return 1;
}

static int sandbox_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushcfunction(L, noting_handler);
  lua_pushboolean(L, 1);
  lua_rotate(L, 1, 2);
  const int status = lua_pcallk(L, lua_gettop(L) - 3, LUA_MULTRET, 1, 1, finish_pcall);
  return finish_pcall(L, status, 1);
}

// A limit's error is raised inside the hook, where no other hook runs: a script's handler could then loop for
// ever.
static int guarded_handler(lua_State *L) {
  settle_refusal(host_of(L));
  if (host_of(L)->stopped) return 1;
  note_text(L, host_of(L), L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

static int sandbox_xpcall(lua_State *L) {
  const int count = lua_gettop(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, guarded_handler, 1);
  lua_replace(L, 2);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  const int status = lua_pcallk(L, count - 2, LUA_MULTRET, 2, 2, finish_pcall);
  return finish_pcall(L, status, 2);
}

// --- Coroutines --------------------------------------------------------------------------------------------

static lua_State *check_coroutine(lua_State *L) {
  lua_State *coroutine = lua_tothread(L, 1);
  luaL_argexpected(L, coroutine, 1, "coroutine");
  return coroutine;
}

// Returns the count of results on top of `L`, or -1 and the error there.
static int resume(lua_State *L, lua_State *coroutine, int arguments) {
  bridge_host *host = host_of(L);
  pass_on_if_stopped(L, host, LUA_OK);
  if (!lua_checkstack(coroutine, arguments)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, coroutine, arguments);

  bridge_resumer waiting = {L, host->resumer};
  host->resumer = &waiting;
  host->running = coroutine;
  int results;
  const int status = lua_resume(coroutine, L, arguments, &results);
  host->running = L;
  host->resumer = waiting.previous;

  pass_on_if_stopped(L, host, status);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(coroutine, L, 1);
    note_text(L, host, coroutine);
    return -1;
  }
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(coroutine, results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(coroutine, L, results);
  return results;
}

// Closes a coroutine that is suspended or dead, running its `__close` handlers.
static int close_coroutine(lua_State *L, lua_State *coroutine) {
  bridge_host *host = host_of(L);
  bridge_resumer waiting = {L, host->resumer};
  host->resumer = &waiting;
  host->running = coroutine;
  const int status = lua_resetthread(coroutine);
  host->running = L;
  host->resumer = waiting.previous;
  pass_on_if_stopped(L, host, status);
  return status;
}

static int sandbox_resume(lua_State *L) {
  lua_State *coroutine = check_coroutine(L);
  const int results = resume(L, coroutine, lua_gettop(L) - 1);
  if (results < 0) {
    host_of(L)->error_kept = false;
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
  }
  lua_pushboolean(L, 1);
  lua_insert(L, -(results + 1));
  return results + 1;
}

// Unlike Lua's own it adds no second position to an error's message.
static int call_wrapped(lua_State *L) {
  lua_State *coroutine = lua_tothread(L, lua_upvalueindex(1));
  const int results = resume(L, coroutine, lua_gettop(L));
  if (results >= 0) return results;
  const int status = lua_status(coroutine);
  if (status != LUA_OK && status != LUA_YIELD) {  // it failed, and did not just refuse to be resumed
    bridge_host *host = host_of(L);
    note_error(L, host, coroutine);  // its stack goes with the next line
    lua_xmove(L, coroutine, 1);
    close_coroutine(L, coroutine);
    lua_xmove(coroutine, L, 1);
    host->error_kept = true;
  }
  return lua_error(L);
}

static int sandbox_create(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  host_of(L)->instructions += instructions_of_coroutine;
  lua_State *coroutine = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, coroutine, 1);
  return 1;
}

static int sandbox_wrap(lua_State *L) {
  sandbox_create(L);
  lua_pushcclosure(L, call_wrapped, 1);
  return 1;
}

static const char *coroutine_status(lua_State *L, lua_State *coroutine) {
  if (L == coroutine) return "running";
  switch (lua_status(coroutine)) {
  case LUA_YIELD: return "suspended";
  case LUA_OK: {
    lua_Debug frame;
    if (lua_getstack(coroutine, 0, &frame)) return "normal";
    return lua_gettop(coroutine) == 0 ? "dead" : "suspended";
  }
  default: return "dead";
  }
}

static int sandbox_close(lua_State *L) {
  lua_State *coroutine = check_coroutine(L);
  const char *status = coroutine_status(L, coroutine);
  if (status[0] != 's' && status[0] != 'd') return luaL_error(L, "cannot close a %s coroutine", status);
  if (close_coroutine(L, coroutine) == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  lua_xmove(coroutine, L, 1);
  return 2;
}

// --- Other functions ---------------------------------------------------------------------------------------

static int sandbox_setmetatable(lua_State *L) {
  const int type = lua_type(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
  if (type == LUA_TTABLE) {
    // A finaliser runs outside of every protected call and limit.
    lua_pushliteral(L, "__gc");
    luaL_argcheck(L, lua_rawget(L, 2) == LUA_TNIL, 2, "scripts cannot have finalizers: '__gc'");
  }
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) {
    return luaL_error(L, "cannot change a protected metatable");
  }
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

static int sandbox_collectgarbage(lua_State *L) {
  static const char *const names[] = {"collect", "count", "step", NULL};
  switch (luaL_checkoption(L, 1, "collect", names)) {
  case 0: lua_pushinteger(L, lua_gc(L, LUA_GCCOLLECT)); return 1;
  case 1:
    lua_pushnumber(L, (lua_Number)lua_gc(L, LUA_GCCOUNT) + (lua_Number)lua_gc(L, LUA_GCCOUNTB) / 1024);
    return 1;
  default: lua_pushboolean(L, lua_gc(L, LUA_GCSTEP, (int)luaL_optinteger(L, 2, 0))); return 1;
  }
}

static int sandbox_print(lua_State *L) {
  const int count = lua_gettop(L);
  luaL_Buffer line;
  luaL_buffinit(L, &line);
  for (int i = 1; i <= count; i++) {
    if (i > 1) luaL_addchar(&line, '\t');
    luaL_tolstring(L, i, NULL);
    luaL_addvalue(&line);
  }
  luaL_pushresult(&line);
  size_t length;
  const char *text = lua_tolstring(L, -1, &length);
  write_output(host_of(L), bridge_output_print, text, length);
  return 0;
}

// Upvalue: Lua's own function.
static int sandbox_randomseed(lua_State *L) {
  if (lua_isnone(L, 1)) lua_pushinteger(L, host_of(L)->options.random_seed);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

// --- The libraries -----------------------------------------------------------------------------------------

static void remove_field(lua_State *L, const char *name) {
  lua_pushnil(L);
  lua_setfield(L, -2, name);
}

int open_sandbox(lua_State *L) {
  static const luaL_Reg base[] = {
      {"collectgarbage", sandbox_collectgarbage},
      {"pairs", sandbox_pairs},
      {"pcall", sandbox_pcall},
      {"print", sandbox_print},
      {"setmetatable", sandbox_setmetatable},
      {"xpcall", sandbox_xpcall},
      {NULL, NULL},
  };
  static const luaL_Reg coroutine[] = {
      {"close", sandbox_close},
      {"create", sandbox_create},
      {"resume", sandbox_resume},
      {"wrap", sandbox_wrap},
      {NULL, NULL},
  };

  luaL_requiref(L, LUA_GNAME, luaopen_base, 1);
  luaL_setfuncs(L, base, 0);
  remove_field(L, "load");
  remove_field(L, "loadfile");
  remove_field(L, "dofile");

  luaL_requiref(L, LUA_COLIBNAME, luaopen_coroutine, 1);
  luaL_setfuncs(L, coroutine, 0);

  luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 1);
  remove_field(L, "dump");

  luaL_requiref(L, LUA_MATHLIBNAME, luaopen_math, 1);
  lua_getfield(L, -1, "randomseed");
  lua_pushcclosure(L, sandbox_randomseed, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "randomseed");
  lua_call(L, 0, 0);

  luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 1);
  luaL_requiref(L, LUA_UTF8LIBNAME, luaopen_utf8, 1);
  return 0;
}
