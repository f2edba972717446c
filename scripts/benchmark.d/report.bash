# Tables and JSON of what was measured. Sourced by scripts/benchmark.

print_table() {
  echo "$(machine), $(date -u +%Y-%m-%d)"
  echo "$("$tool" --version), $(revision)"
  echo
  report table
}

print_json() { report json; }

report() {
  local program=${mergekit%% *}
  awk -v format="$1" -v mode=$mode -v cold="$cold" -v mergekit="${program##*/}" -v runs="$runs" \
    -v machine="$(machine)" -v date="$(date -u +%Y-%m-%dT%H:%M:%SZ)" -v revision="$(revision)" \
    -f "$parts/report.awk" <(printf '%s\n' "${methods[@]}") "$results"
}

# Processor, cores, memory, system, file system.
machine() {
  printf '%s, %s cores, %s of memory, Linux %s, %s' \
    "$(awk -F ': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)" "$(nproc)" \
    "$(awk '/^MemTotal/ { printf "%.0f GB", $2 * 1024 / 1e9 }' /proc/meminfo)" "$(uname -r | cut -d - -f 1)" \
    "$(stat -f -c %T "$dir")"
}

revision() {
  git -C "$root" describe --always --dirty 2>/dev/null || echo "unknown revision"
}
