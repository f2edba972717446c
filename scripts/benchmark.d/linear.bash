# The table of `scripts/benchmark --linear`: matrices beside PyTorch and beside BLAS and LAPACK. Sourced by
# scripts/benchmark.
#
# Each run becomes a line of $results, as measure.bash writes it; the reference's tool is `torch` or `calls`.

# Each step: name, what it is compared with, the goal as a ratio to that, and models that it writes.
linear_steps=(
  "linear torch:linear - 1"
  "svd torch:svd 1.0 1"
  "low_rank ours:linear 2 1"
  "low_rank torch:low_rank - 1"
  "ties - - 1"
  "cabs_1 ours:ties 2 1"
  "cabs_1 torch:cabs - 1"
  "cabs_4 ours:cabs_1 - 4"
  "iso_c calls:iso_c 1.2 1"
  "iso_c torch:iso_c - 1"
  "iso_c_6 ours:iso_c - 6"
  "tsv_m calls:tsv_m 1.2 1"
  "tsv_m torch:tsv_m - 1"
)

# prepare_linear: the reference's Python, the calls' program and the factors that are added.
prepare_linear() {
  [ -n "$python" ] || python=$("$root/scripts/reference-environment")
  "$python" -c 'import torch, safetensors' || fail "$python: PyTorch and safetensors are needed"
  calls=$dir/calls
  cc -O2 -o "$calls" "$parts/linear/calls.c" -lopenblas -lm -lpthread \
    || fail "calls.c cannot be built: a C compiler and OpenBLAS are needed"
  if [ ! -e "$family/factors" ]; then (cd "$family" && "$tool" "$parts/linear/factors.lua" factors --quiet); fi
}

# time_linear: all rounds of all steps over $family.
time_linear() {
  local round entry step reference reference_name wanted
  cd "$family"
  model_bytes=$(weight_bytes math)
  need_disk "$family" $((6 * model_bytes))
  mkdir -p configs
  for step in linear ties; do config_of "$step" > "configs/$step.yml"; done
  # These are timed nowhere else: both models alike.
  for step in iso_c tsv_m; do
    printf 'merge_method: %s\nbase_model: base\nmodels: [{model: math}, {model: code}]\ndtype: bfloat16\n' "$step" \
      > "configs/$step.yml"
  done
  for ((round = 1; round <= runs; round++)); do
    local done_before=' '
    for entry in "${linear_steps[@]}"; do
      read -r step reference _ _ <<< "$entry"
      [ -z "$chosen" ] || [[ " $chosen " == *" $step "* ]] || continue
      if [[ $done_before != *" $step "* ]]; then
        done_before+="$step "
        wanted=$parts/linear/$step.lua
        [ -e "$wanted" ] || wanted=configs/$step.yml
        say -n "round $round of $runs, $step: "
        measure ours "$step" 0 "$tool" "$wanted" out --quiet ${threads:+--threads "$threads"}
        say "$seconds s"
        rm -rf out
      fi
      reference_name=${reference#*:}
      case $reference in
        torch:*)
          say -n "round $round of $runs, $reference_name in PyTorch: "
          measure_inside torch "$reference_name" \
            "$python" "$parts/linear/torch_steps.py" "$reference_name" out.safetensors
          rm -f out.safetensors ;;
        calls:*)
          say -n "round $round of $runs, the calls of $reference_name: "
          OPENBLAS_NUM_THREADS=1 OPENBLAS_CORETYPE=Haswell measure_inside calls "$reference_name" \
            "$calls" "$reference_name" "$layers" "${threads:-$(nproc)}" ;;
      esac
    done
  done
}

# measure_inside TOOL STEP COMMAND…: like measure, by the seconds that the command prints.
measure_inside() {
  local name=$1 step=$2
  shift 2
  measure "$name" "$step" 0 bash -c '"$@" > inside.seconds' inside "$@"
  seconds=$(cat inside.seconds)
  rm -f inside.seconds
  awk -F '\t' -v OFS='\t' -v seconds="$seconds" 'NR > 1 { print last } { last = $0 }
    END { $0 = last; $5 = seconds; print }' "$results" > "$results.inside"
  mv "$results.inside" "$results"
  say "$seconds s"
}

# print_linear: the medians, beside what they are compared with.
print_linear() {
  echo "$(machine), $(date -u +%Y-%m-%d)"
  echo "$("$tool" --version), $(revision), $("$python" -c 'import torch; print("PyTorch", torch.__version__)')"
  echo
  awk -F '\t' -v layers="$layers" -v runs="$runs" -v threads="${threads:-$(nproc)}" '
    function median(key,   i, j, value, list) {
      for (i = 1; i <= seen[key]; i++) {
        value = time[key, i]
        for (j = i - 1; j >= 1 && list[j] > value; j--) list[j + 1] = list[j]
        list[j + 1] = value
      }
      return seen[key] % 2 ? list[(seen[key] + 1) / 2] : (list[seen[key] / 2] + list[seen[key] / 2 + 1]) / 2
    }
    FNR == NR { split($0, part, " "); step[++steps] = part[1]; against[steps] = part[2]; goal[steps] = part[3]; next }
    {
      key = $1 ":" $2
      time[key, ++seen[key]] = $5
      cpu[key] += $6 + $7
      if ($8 > peak[key]) peak[key] = $8
    }
    END {
      printf "%d layers of TinyLlama'"'"'s shape, medians of %d runs, %d threads\n\n", layers, runs, threads
      print "| step | time | CPU | peak memory | beside | its time | its peak memory | ratio | goal |"
      print "|---|---:|---:|---:|---|---:|---:|---:|---:|"
      for (i = 1; i <= steps; i++) {
        ours = "ours:" step[i]
        if (!seen[ours]) continue
        printf "| %s | %.2f s | %.1f s | %.0f MB |", step[i], median(ours), cpu[ours] / seen[ours], peak[ours] * 1024 / 1e6
        if (seen[against[i]]) {
          ratio = sprintf("%.2f", median(ours) / median(against[i]))
          printf " %s | %.2f s | %.0f MB | %s | %s |\n", against[i], median(against[i]), \
            peak[against[i]] * 1024 / 1e6, ratio, \
            goal[i] == "-" ? "" : goal[i] (ratio + 0 > goal[i] + 0 ? " (missed)" : "")
        } else print " | | | | |"
      }
    }' <(printf '%s\n' "${linear_steps[@]}") "$results"
}
