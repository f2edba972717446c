/// The name among `candidates` that `name` most likely meant, for "did you mean" in messages.
///
/// A candidate that differs in case alone is taken first. Otherwise the nearest by optimal string
/// alignment (Damerau–Levenshtein with single transpositions; case ignored), the first of equals, if it
/// is at most a third of the longer name's length away.
package func nearestName(to name: String, among candidates: some Sequence<String>) -> String? {
  let wanted = Array(name.lowercased().unicodeScalars)
  var nearest: (name: String, distance: Int)?
  for candidate in candidates {
    let scalars = Array(candidate.lowercased().unicodeScalars)
    let furthest = min(max(wanted.count, scalars.count) / 3, (nearest?.distance ?? .max) - 1)
    guard abs(wanted.count - scalars.count) <= furthest else { continue }
    let distance = alignmentDistance(wanted, scalars, atMost: furthest)
    guard distance <= furthest else { continue }
    if distance == 0 { return candidate }
    nearest = (candidate, distance)
  }
  return nearest?.name
}

/// The fewest insertions, deletions, replacements and swaps of neighbours that turn one text into the
/// other; something larger than `limit` as soon as it must be.
private func alignmentDistance(
  _ left: [Unicode.Scalar], _ right: [Unicode.Scalar], atMost limit: Int
) -> Int {
  var beforeLast = [Int](repeating: 0, count: right.count + 1)
  var last = Array(0...right.count)
  var row = last
  for i in left.indices {
    row[0] = i + 1
    for j in right.indices {
      var distance = min(last[j + 1] + 1, row[j] + 1, last[j] + (left[i] == right[j] ? 0 : 1))
      if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
        distance = min(distance, beforeLast[j - 1] + 1)
      }
      row[j + 1] = distance
    }
    // A swap reaches back two rows, so both must be beyond the limit.
    if min(row.min() ?? 0, last.min() ?? 0) > limit { return limit + 1 }
    (beforeLast, last, row) = (last, row, beforeLast)
  }
  return last[right.count]
}
