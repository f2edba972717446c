# The table, or JSON, of the lines that measure.bash writes; see there for their fields. The first file has the
# methods: name, models read, goal.

function median(values, count,   i, j, value) {
  for (i = 2; i <= count; i++) {
    value = values[i]
    for (j = i - 1; j >= 1 && values[j] > value; j--) values[j + 1] = values[j]
    values[j + 1] = value
  }
  return count % 2 ? values[(count + 1) / 2] : (values[count / 2] + values[count / 2 + 1]) / 2
}

# The median of a field of all runs under a key.
function middle(key, field,   i, list) {
  for (i = 1; i <= seen[key]; i++) list[i] = run[key, i, field]
  return median(list, seen[key])
}

function largest(key, field,   i, most) {
  for (i = 1; i <= seen[key]; i++) if (run[key, i, field] > most) most = run[key, i, field]
  return most + 0
}

function take(key,   field) {
  seen[key]++
  for (field = 5; field <= 9; field++) run[key, seen[key], field] = $field
}

# Of a family of L layers, from its folder's name.
function parameters(family,   layers) {
  layers = family; gsub(/[^0-9]/, "", layers)
  if (family ~ /^sparse/) return layers * 317204480 + 327685120
  return layers * 44044288 + 131074048
}

function size(family) { return sprintf("%.1f B", parameters(family) / 1e9) }
function seconds(value) { return value < 10 ? sprintf("%.2f s", value) : sprintf("%.1f s", value) }
function megabytes(kilobytes) { return sprintf("%.0f MB", kilobytes * 1024 / 1e6) }

# Cells of the table, printed with their columns' widths at the end.
function cell(text) {
  column++
  cells[rows, column] = text
  if (length(text) > width[column]) width[column] = length(text)
  if (column > columns) columns = column
}

function row() { rows++; column = 0 }

function print_cells(   r, c, line, padding) {
  for (r = 1; r <= rows; r++) {
    line = "|"
    for (c = 1; c <= columns; c++) {
      line = line sprintf(c == 1 ? " %-" width[c] "s |" : " %" width[c] "s |", cells[r, c])
    }
    print line
    if (r > 1) continue
    line = "|"
    for (c = 1; c <= columns; c++) {
      padding = sprintf("%" (width[c] + (c == 1 ? 2 : 1)) "s", "")
      gsub(/ /, "-", padding)
      line = line padding (c == 1 ? "|" : ":|")
    }
    print line
  }
}

function print_merges(   m, key, time, cp, ratio) {
  cp = middle("cp", 5)
  printf "%s parameters, %.2f GB a model, medians of %d runs, page cache %s, %d threads\n", size(family), \
    model_bytes / 1e9, runs, cold ? "cold" : "warm", threads
  printf "cp -r --reflink=never of one model: %s\n\n", seconds(cp)
  row(); cell("method"); cell("time"); cell("ratio to cp")
  cell(cold ? "ratio to reading" : "goal")
  cell("GB/s"); cell("CPU"); cell("peak memory")
  if (mergekit) { cell(mergekit); cell("ratio to cp"); cell("peak memory"); cell("times ours") }
  for (m = 1; m <= method_count; m++) {
    key = "ours" SUBSEP methods[m]
    if (!seen[key]) continue
    time = middle(key, 5)
    ratio = sprintf("%.2f", time / cp)
    row(); cell(methods[m]); cell(seconds(time))
    cell(ratio)
    # Goals are of warm runs, and compared with the ratio as it is printed.
    if (cold) cell(sprintf("%.2f", time / middle("read" SUBSEP reads[m], 5)))
    else if (goal[m] == "-") cell("")
    else cell(goal[m] (ratio + 0 > goal[m] + 0 ? " (missed)" : ""))
    cell(sprintf("%.1f", run[key, 1, 9] / time / 1e9))
    cell(seconds(middle(key, 6) + middle(key, 7)))
    cell(megabytes(largest(key, 8)))
    key = "mergekit" SUBSEP methods[m]
    if (seen[key]) {
      cell(seconds(middle(key, 5))); cell(sprintf("%.0f", middle(key, 5) / cp)); cell(megabytes(largest(key, 8)))
      cell(sprintf("%.0f", middle(key, 5) / time))
    } else if (mergekit) { cell(""); cell(""); cell(""); cell("") }
  }
  print_cells()
  if (seen["start"]) printf "\nStart to finish on tiny models: %.0f ms (goal: 50 ms)\n", middle("start", 5) * 1000
}

function print_scaling(   f, m, key, one, all, cp) {
  printf "medians of %d runs, page cache warm\n\n", runs
  row(); cell("method"); cell("parameters"); cell("cp"); cell("1 thread"); cell(threads " threads"); cell("speed-up")
  cell("ratio to cp"); cell("ns a parameter"); cell("peak memory")
  for (m = 1; m <= method_count; m++) {
    for (f = 1; f <= family_count; f++) {
      key = "ours" SUBSEP methods[m] SUBSEP families[f] SUBSEP
      if (!seen[key threads]) continue
      one = middle(key 1, 5); all = middle(key threads, 5); cp = middle("cp" SUBSEP families[f], 5)
      row(); cell(methods[m]); cell(size(families[f])); cell(seconds(cp)); cell(seconds(one)); cell(seconds(all))
      cell(sprintf("%.2f", one / all)); cell(sprintf("%.2f", all / cp))
      cell(sprintf("%.2f", all / parameters(families[f]) * 1e9)); cell(megabytes(largest(key threads, 8)))
    }
  }
  print_cells()
}

function print_memory(   m, key) {
  printf "%s parameters in files of zeros, %.1f GB a model, %d threads\n\n", size(family), model_bytes / 1e9, threads
  row(); cell("method"); cell("peak memory"); cell("time"); cell("CPU")
  for (m = 1; m <= method_count; m++) {
    key = "ours" SUBSEP methods[m]
    if (!seen[key]) continue
    row(); cell(methods[m]); cell(megabytes(largest(key, 8))); cell(seconds(middle(key, 5)))
    cell(seconds(middle(key, 6) + middle(key, 7)))
  }
  print_cells()
}

function quoted(text) { gsub(/["\\]/, "\\\\&", text); return "\"" text "\"" }

# Every run, as it was put down.
function print_json(   i) {
  printf "{\n  \"date\": %s,\n  \"machine\": %s,\n  \"revision\": %s,\n  \"mode\": %s,\n  \"cache\": %s,\n", \
    quoted(date), quoted(machine), quoted(revision), quoted(mode), quoted(cold ? "cold" : "warm")
  if (mergekit) printf "  \"mergekit\": %s,\n", quoted(mergekit)
  print "  \"runs\": ["
  for (i = 1; i <= lines; i++) print "    " line[i] (i < lines ? "," : "")
  print "  ]\n}"
}

FNR == NR {
  methods[++method_count] = $1; reads[method_count] = $2; goal[method_count] = $3
  next
}

FNR == 1 { FS = "\t"; $0 = $0 }

{
  line[++lines] = sprintf("{\"tool\": %s, \"subject\": %s, \"models\": %s, \"threads\": %d, \"seconds\": %s, " \
    "\"user_seconds\": %s, \"system_seconds\": %s, \"peak_bytes\": %.0f, \"bytes_moved\": %.0f}", \
    quoted($1), quoted($2), quoted($3), $4, $5, $6, $7, $8 * 1024, $9)
  if ($1 == "start") { take("start"); next }
  family = $3
  if ($4 + 0 > threads) threads = $4 + 0
  if (!(family in known)) { known[family]; families[++family_count] = family }
  if ($1 == "cp") { take("cp"); take("cp" SUBSEP family); model_bytes = $9 / 2; next }
  if ($1 == "ours" && !model_bytes) for (m = 1; m <= method_count; m++) if (methods[m] == $2) model_bytes = $9 / (reads[m] + 1)
  take($1 SUBSEP $2)
  take($1 SUBSEP $2 SUBSEP family SUBSEP $4)
}

END {
  if (format == "json") print_json()
  else if (mode == "scaling") print_scaling()
  else if (mode == "memory") print_memory()
  else print_merges()
}
