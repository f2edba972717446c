#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

// The release that is linked, which lua.h does not declare: bytecode is only for the release that made it.
extern const char lua_ident[];
static inline const char *clua_release(void) { return lua_ident; }
