/// Sizes in bytes, as people write and read them.
package enum ByteSize {
  /// The bytes of a text: a plain number, or one with a unit (`500MB`, `200M`, `1.5 GiB`), in any case.
  ///
  /// KB, MB, GB and TB are powers of 1000, with or without the B; KiB, MiB, GiB and TiB of 1024. `5B` is
  /// 5 billion, as in mergekit's shard sizes. A fraction of a byte is dropped.
  package static func parse(_ text: String) throws(ByteSizeError) -> Int {
    let trimmed = text.drop { $0 == " " }
    let number = trimmed.prefix { $0.isASCII && $0.isNumber || $0 == "." }
    let unit = trimmed.dropFirst(number.count).filter { $0 != " " }.lowercased()
    guard let scale = scales[unit] else { throw ByteSizeError(text: text) }
    if let count = Int(number) {
      let (bytes, overflow) = count.multipliedReportingOverflow(by: scale)
      if !overflow { return bytes }
    } else if number.first != ".", number.last != ".", let value = Double(number),
      let bytes = Int(exactly: (value * Double(scale)).rounded(.down))
    {
      return bytes
    }
    throw ByteSizeError(text: text)
  }

  private static let scales: [String: Int] = [
    "": 1, "k": 1000, "kb": 1000, "kib": 1 << 10,
    "m": 1_000_000, "mb": 1_000_000, "mib": 1 << 20,
    "b": 1_000_000_000, "g": 1_000_000_000, "gb": 1_000_000_000, "gib": 1 << 30,
    "t": 1_000_000_000_000, "tb": 1_000_000_000_000, "tib": 1 << 40,
  ]

  /// A size for people: "2.2 GB", "512 MB", "17 bytes". Units are powers of 1000.
  package static func format(_ bytes: Int) -> String {
    if bytes.magnitude < 1000 { return bytes == 1 ? "1 byte" : "\(bytes) bytes" }
    var value = Double(bytes)
    var units = ["KB", "MB", "GB", "TB", "PB", "EB"].makeIterator()
    var unit = ""
    // A value that rounds to 1000 takes the next unit.
    while value.magnitude.rounded() >= 1000, let next = units.next() {
      value /= 1000
      unit = next
    }
    let tenths = (value * 10).rounded() / 10
    return tenths.magnitude < 100 ? "\(tenths) \(unit)" : "\(Int(value.rounded())) \(unit)"
  }
}

/// Why a text is not a number of bytes.
package struct ByteSizeError: Equatable, DiagnosableError {
  /// The text.
  package let text: String

  package var diagnostic: Diagnostic {
    Diagnostic(
      expected: "a size such as 5GB, 500MB, 1GiB, 5B (5 billion) or a number of bytes", found: "\(name: text)"
    )
  }
}
