# Runs and their times. Sourced by scripts/benchmark.
#
# Each run becomes a line of the file $results, its fields parted by tabs:
#   tool (ours, mergekit, cp, read or start)  method  layers  threads  seconds  user seconds  system seconds
#   peak memory in KB  bytes read and written

# GNU time says what a program took in memory, which bash cannot.
install_time() {
  [ -x /usr/bin/time ] && return
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  say "installing time"
  "${as_root[@]}" apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq time >&2
}

# time_merges: all rounds of the chosen methods over $family.
time_merges() {
  local round method model_bytes
  rm -rf "$family/configs"
  mkdir -p "$family/configs"
  cp "$parts/tempered_consensus.lua" "$family/configs"
  for method in $chosen; do config_of "$method" > "$family/configs/$method.yml"; done
  model_bytes=$(weight_bytes "$family/math")
  need_disk "$family" "$((model_bytes + model_bytes / 20))"
  cd "$family"
  if [ $mode = merges ]; then warn_of_small_cache "$model_bytes"; fi
  : > "$dir/mergekit.log"
  for ((round = 1; round <= runs; round++)); do
    [ -z "$cold" ] || time_reading
    for method in $chosen; do
      if [ $mode != memory ]; then
        measure cp "$method" $((2 * model_bytes)) cp -r --reflink=never math copy
        rm -rf copy
      fi
      say -n "round $round of $runs, $method: "
      measure ours "$method" $((($(models_read "$method") + 1) * model_bytes)) \
        "$tool" "configs/$method.yml" out --quiet ${threads:+--threads "$threads"}
      say "$seconds s"
      [ $mode != merges ] || check_result
      rm -rf out
      if [ -n "$mergekit" ] && [ "$round" -le "$mergekit_runs" ]; then time_mergekit; fi
    done
  done
}

# measure TOOL METHOD BYTES COMMAND…: runs the command once and puts down its time.
measure() {
  local name=$1 subject=$2 bytes=$3 start end used=$results.time status=0
  shift 3
  sync
  [ $mode = memory ] || [ "$bytes" = 0 ] || prepare_memory "$model_bytes"
  start=$EPOCHREALTIME
  /usr/bin/time -q -o "$used" -f $'%U\t%S\t%M' "$@" || status=$?
  end=$EPOCHREALTIME
  if [ "$status" != 0 ]; then
    rm -f "$used"
    [ "$name" = mergekit ] && return "$status"
    fail "$subject: '$*' ended with status $status"
  fi
  seconds=$(awk -v start="$start" -v end="$end" 'BEGIN { printf "%.3f", end - start }')
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$subject" "${family##*/}" "${threads:-$(nproc)}" "$seconds" \
    "$(cat "$used")" "$bytes" >> "$results"
  rm -f "$used"
}

# prepare_memory BYTES: reads the inputs, or drops them from the page cache for a cold run, and sees to it that the run
# finds memory for so many bytes that is the machine's. A virtual machine gives free memory back to its host within two
# seconds, and to get it again takes up to two seconds a GB, which would fall on whichever run came first: as many pages
# are held until all else has been given back, and freed just before the run. Written in pieces of a megabyte they are
# large, as those that a copy takes; small ones would be of no use to it.
prepare_memory() {
  local is_virtual=
  [ ! -e /sys/module/page_reporting ] || is_virtual=1
  if [ -n "$is_virtual" ]; then
    dd if=/dev/zero of=claimed bs=1M count=$((($1 >> 20) + 1)) status=none
    sleep 2.2
  fi
  if [ -n "$cold" ]; then drop_inputs; else cat {base,math,code}/*.safetensors > /dev/null; fi
  if [ -n "$is_virtual" ]; then rm claimed; fi
}

# mergekit on the same method. It has methods of its own only; it may lack one, or fail.
time_mergekit() {
  [ "$method" != user ] || return 0
  local command=$mergekit
  [[ $command == *'{config}'* || $command == *'{out}'* ]] || command+=' {config} {out}'
  command=${command//'{config}'/"configs/$method.yml"}
  command=${command//'{out}'/out}
  say -n "round $round of $runs, $method by mergekit: "
  echo "\$ $command" >> "$dir/mergekit.log"
  # shellcheck disable=SC2086 # words of the command
  if measure mergekit "$method" $((($(models_read "$method") + 1) * model_bytes)) $command >> "$dir/mergekit.log" 2>&1 \
    && [ -e out ]; then
    say "$seconds s"
  else
    say "failed, see $dir/mergekit.log"
  fi
  rm -rf out
}

# Reading alone, as much as the methods read: what a cold run cannot fall below.
time_reading() {
  local count
  for count in $(for method in $chosen; do models_read "$method"; done | sort -u); do
    # The shell's own glob gives the files of one, two or three models.
    set -- math code base
    measure read "$count" $((count * model_bytes)) bash -c 'cat "$@" > /dev/null' cat \
      $(for model in "${@:1:count}"; do echo "$model"/*.safetensors; done)
  done
}

# Writes back and drops from the page cache; works for everybody who may read the files.
drop_inputs() {
  local file
  for file in "$family"/{base,math,code}/*.safetensors; do
    dd if="$file" iflag=nocache count=0 status=none
  done
}

# The time from start to finish on models of a few kilobytes.
time_start_up() {
  local round family=$root/Tests/Fixtures
  cd "$family"
  for ((round = 1; round <= runs; round++)); do
    rm -rf "$dir/start"
    measure start slerp 0 "$tool" "$root/stdlib/examples/slerp.lua" "$dir/start" --quiet
  done
  rm -rf "$dir/start"
}

# A method that stored nothing would be fast.
check_result() {
  [ "$(weight_bytes out)" = "$model_bytes" ] \
    || fail "$method: the result has $(weight_bytes out) bytes, $model_bytes expected"
}

# weight_bytes FOLDER: bytes of its weights, in one file or in shards, without their headers' lengths.
weight_bytes() {
  local file total=0 length
  for file in "$1"/*.safetensors; do
    length=$(od -An -t u8 -N 8 "$file")
    total=$((total + $(stat -c %s "$file") - length - 8))
  done
  echo "$total"
}

# warn_of_small_cache BYTES: says so if the page cache cannot hold three models of so many bytes and a result.
warn_of_small_cache() {
  local memory
  memory=$(awk '/^MemAvailable/ { printf "%.0f", $2 * 1024 }' /proc/meminfo)
  [ $(($1 * 5)) -lt "$memory" ] || say "the page cache may not hold the models: times are partly the disk's"
}
