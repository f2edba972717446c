-- luacheck (Debian's lua-check) on the standard library: `scripts/format --check` runs it.
std = "lua54"
max_line_length = false
-- `not (x > y)` is true of NaN, `x <= y` is not.
ignore = { "581" }
-- Annotations declare what nothing uses.
exclude_files = { "stdlib/meta" }
