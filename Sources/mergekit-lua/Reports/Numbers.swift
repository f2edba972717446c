import Basics
import Glibc

/// Numbers as tables and messages show them.
enum Numbers {
  /// With so many digits after the point.
  static func fixed(_ value: Double, _ digits: Int) -> String { format("%.\(digits)f", value) }

  /// With six significant digits.
  static func short(_ value: Double) -> String { value.isNaN ? "nan" : format("%.6g", value) }

  /// `12 s`, `3 min 20 s`.
  static func duration(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded(.up))
    return whole < 60 ? "\(whole) s" : "\(whole / 60) min \(whole % 60) s"
  }

  /// `1 file`, `2 files`.
  static func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

  private static func format(_ format: String, _ value: Double) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 400) { buffer in
      let length = withVaList([value]) { vsnprintf(buffer.baseAddress!, buffer.count, format, $0) }
      return String(decoding: buffer.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }
}

/// Lines of cells, each column as wide as its widest cell.
struct TextTable {
  private var rows: [[String]]
  /// Columns that are aligned at the right.
  private let rightAligned: Set<Int>

  init(header: [String], rightAligned: Set<Int> = []) {
    rows = [header]
    self.rightAligned = rightAligned
  }

  mutating func add(_ row: [String]) { rows.append(row.map(DisplayText.plain)) }

  var text: String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        if column > 0 { line += "  " }
        line += rightAligned.contains(column) ? padding + cell : cell + padding
      }
      while line.last == " " { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }
}
