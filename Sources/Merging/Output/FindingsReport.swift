import Tensors

/// What was found in the tensors of an output while they were stored, in sentences for the user.
struct FindingsReport {
  private struct Entry {
    let tensor: String
    let dtype: DType
    let nonFinite: StoreFindings.NonFinite
  }

  private var nonFinite: [Entry] = []
  private var differing: [(tensor: String, first: String, other: String)] = []

  /// Adds what was found in a tensor that was stored as `dtype`.
  mutating func add(_ findings: StoreFindings, in tensor: String, storedAs dtype: DType) {
    let counts = findings.nonFinite
    if !counts.isEmpty { nonFinite.append(Entry(tensor: tensor, dtype: dtype, nonFinite: counts)) }
    if let pair = findings.differing { differing.append((tensor, pair.first, pair.other)) }
  }

  /// One sentence of elements that are not finite; `nil` if there are none.
  var nonFiniteSentence: String? {
    guard !nonFinite.isEmpty else { return nil }
    let entries = nonFinite.sorted { $0.tensor < $1.tensor }
    let shown = entries.prefix(Self.shownTensors).map { "'\($0.tensor)' (\(Self.words($0.nonFinite)))" }
    let rest = entries.count - shown.count
    let list = shown.joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
    return "elements that are not finite in \(Self.tensors(entries.count)): \(list)" + hint
  }

  /// One sentence of tensors that cannot be computed with and are not the same everywhere; `nil` if there are none.
  var differingSentence: String? {
    guard let first = differing.min(by: { $0.tensor < $1.tensor }) else { return nil }
    let names = differing.map(\.tensor).sorted().prefix(Self.shownTensors).map { "'\($0)'" }
    let rest = differing.count - names.count
    let list = names.joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
    let are = differing.count == 1 ? "has" : "have"
    return
      "\(Self.tensors(differing.count)) that cannot be computed with \(are) the first model's values, though "
      + "others differ: \(list) (\(first.first) and \(first.other))"
  }

  private static let shownTensors = 4

  /// What helps against numbers that are too large for the dtype.
  private var hint: String {
    let overflows = nonFinite.contains { $0.dtype == .f16 && $0.nonFinite.infinities > 0 }
    return overflows ? "; float16 holds nothing above 65504, bfloat16 and float32 do" : ""
  }

  private static func tensors(_ count: Int) -> String { count == 1 ? "1 tensor" : "\(count) tensors" }

  private static func words(_ counts: StoreFindings.NonFinite) -> String {
    [(counts.nans, "NaN"), (counts.infinities, "infinite")].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
      .joined(separator: ", ")
  }
}
