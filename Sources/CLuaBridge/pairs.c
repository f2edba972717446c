// `pairs` in an order that depends on nothing but the keys, so that two runs of a script agree: Lua's own
// order depends on addresses and on a hash seed that changes from run to run.

#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "host.h"

// Tables up to this size are sorted on the stack.
enum { few_keys = 64 };

enum { rank_number, rank_string, rank_false, rank_true, rank_other };

typedef struct {
  int rank;
  bool is_integer;
  lua_Integer place;  // in the order of `next`, from 1
  union {
    lua_Integer integer;
    lua_Number number;
    struct {
      const char *bytes;
      size_t length;
    } string;
  } value;
} sort_key;

// Exact for every pair of values; a float key is never equal to an integer, nor NaN.
static int compare_integer_float(lua_Integer integer, lua_Number number) {
  if (number >= 0x1p63) return -1;
  if (number < -0x1p63) return 1;
  const lua_Integer below = (lua_Integer)number - (number < (lua_Number)(lua_Integer)number ? 1 : 0);
  return integer <= below ? -1 : 1;
}

static int compare_numbers(const sort_key *a, const sort_key *b) {
  if (a->is_integer && b->is_integer) {
    return (a->value.integer > b->value.integer) - (a->value.integer < b->value.integer);
  }
  if (a->is_integer) return compare_integer_float(a->value.integer, b->value.number);
  if (b->is_integer) return -compare_integer_float(b->value.integer, a->value.number);
  return (a->value.number > b->value.number) - (a->value.number < b->value.number);
}

static int compare_strings(const sort_key *a, const sort_key *b) {
  const size_t n = a->value.string.length, m = b->value.string.length;
  const int order = memcmp(a->value.string.bytes, b->value.string.bytes, n < m ? n : m);
  return order != 0 ? order : (n > m) - (n < m);
}

static int compare(const void *first, const void *second) {
  const sort_key *a = first, *b = second;
  int order = a->rank - b->rank;
  if (order == 0 && a->rank == rank_number) order = compare_numbers(a, b);
  if (order == 0 && a->rank == rank_string) order = compare_strings(a, b);
  return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

// The string's bytes stay valid, for the table holds it.
static sort_key make_sort_key(lua_State *L, int index, lua_Integer place) {
  sort_key key = {.rank = rank_other, .place = place};
  switch (lua_type(L, index)) {
  case LUA_TNUMBER:
    key.rank = rank_number;
    key.is_integer = lua_isinteger(L, index);
    if (key.is_integer) {
      key.value.integer = lua_tointeger(L, index);
    } else {
      key.value.number = lua_tonumber(L, index);
    }
    break;
  case LUA_TSTRING:
    key.rank = rank_string;
    key.value.string.bytes = lua_tolstring(L, index, &key.value.string.length);
    break;
  case LUA_TBOOLEAN: key.rank = lua_toboolean(L, index) ? rank_true : rank_false; break;
  default: break;
  }
  return key;
}

// Counts the keys and tells whether they are 1...count.
static lua_Integer count_keys(lua_State *L, int table, bool *is_sequence) {
  const lua_Integer length = (lua_Integer)lua_rawlen(L, table);
  lua_Integer count = 0;
  bool within = true;
  lua_pushnil(L);
  while (lua_next(L, table)) {
    lua_pop(L, 1);
    count++;
    if (within) {
      int is_integer = lua_isinteger(L, -1);
      const lua_Integer key = is_integer ? lua_tointeger(L, -1) : 0;
      within = key >= 1 && key <= length;
    }
  }
  *is_sequence = within && count == length;
  return count;
}

static lua_Integer push_none(lua_State *L, int base) {
  lua_settop(L, base);
  lua_pushnil(L);
  return 0;
}

// A collection between counting and here may have taken keys of a weak table away: both functions return the count
// of those that they found.
static lua_Integer push_few(lua_State *L, int table, lua_Integer count) {
  sort_key keys[few_keys];
  const int base = lua_gettop(L);
  lua_Integer found = 0;
  lua_pushnil(L);
  while (found < count && lua_next(L, table)) {
    lua_pop(L, 1);
    found++;
    keys[found - 1] = make_sort_key(L, -1, found);
    lua_pushvalue(L, -1);
  }
  if (found == 0) return push_none(L, base);
  qsort(keys, (size_t)found, sizeof keys[0], compare);
  lua_createtable(L, (int)found, 0);
  for (lua_Integer i = 0; i < found; i++) {
    lua_pushvalue(L, base + (int)keys[i].place);
    lua_rawseti(L, -2, i + 1);
  }
  lua_replace(L, base + 1);
  lua_settop(L, base + 1);
  return found;
}

static lua_Integer push_many(lua_State *L, int table, lua_Integer count) {
  const int base = lua_gettop(L);
  sort_key *keys = lua_newuserdatauv(L, (size_t)count * sizeof *keys, 0);
  lua_createtable(L, (int)count, 0);
  lua_Integer found = 0;
  lua_pushnil(L);
  while (found < count && lua_next(L, table)) {
    lua_pop(L, 1);
    found++;
    keys[found - 1] = make_sort_key(L, -1, found);
    lua_pushvalue(L, -1);
    lua_rawseti(L, base + 2, found);
  }
  lua_settop(L, base + 2);
  if (found == 0) return push_none(L, base);
  qsort(keys, (size_t)found, sizeof keys[0], compare);
  lua_createtable(L, (int)found, 0);
  for (lua_Integer i = 0; i < found; i++) {
    lua_rawgeti(L, base + 2, keys[i].place);
    lua_rawseti(L, base + 3, i + 1);
  }
  lua_replace(L, base + 1);
  lua_settop(L, base + 1);
  return found;
}

lua_Integer bridge_push_sorted_keys(lua_State *L, int index) {
  const int table = lua_absindex(L, index);
  bool is_sequence;
  const lua_Integer count = count_keys(L, table, &is_sequence);
  if (is_sequence) {
    lua_pushnil(L);
  } else if (count <= few_keys && lua_checkstack(L, few_keys + 8)) {
    return push_few(L, table, count);
  } else {
    return push_many(L, table, count);
  }
  return count;
}

// Upvalues: keys or nil, position, count. Keys whose value became nil are passed over.
static int pairs_next(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  lua_Integer position = lua_isnil(L, 2) ? 0 : lua_tointeger(L, lua_upvalueindex(2));
  const lua_Integer count = lua_tointeger(L, lua_upvalueindex(3));
  const bool is_sequence = lua_isnil(L, lua_upvalueindex(1));
  while (position < count) {
    position++;
    if (is_sequence) {
      lua_pushinteger(L, position);
    } else {
      lua_rawgeti(L, lua_upvalueindex(1), position);
    }
    lua_pushvalue(L, -1);
    if (lua_rawget(L, 1) != LUA_TNIL) {
      lua_pushinteger(L, position);
      lua_replace(L, lua_upvalueindex(2));
      return 2;
    }
    lua_settop(L, 2);
  }
  lua_pushnil(L);
  return 1;
}

static int after_metamethod(lua_State *L, int status, lua_KContext context) {
  (void)L, (void)status, (void)context;
  return 3;
}

int sandbox_pairs(lua_State *L) {
  luaL_checkany(L, 1);
  if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
    lua_pushvalue(L, 1);
    lua_callk(L, 1, 3, 0, after_metamethod);
    return 3;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  const lua_Integer count = bridge_push_sorted_keys(L, 1);
  lua_pushinteger(L, 0);
  lua_pushinteger(L, count);
  lua_pushcclosure(L, pairs_next, 3);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}
