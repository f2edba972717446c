import Basics

/// A place in a file: line and column from 1, columns in Unicode scalars, as editors show them.
struct Place: Sendable, Hashable, Comparable, CustomStringConvertible {
  var line: Int
  var column: Int

  static func < (left: Place, right: Place) -> Bool {
    (left.line, left.column) < (right.line, right.column)
  }

  var description: String { "\(line):\(column)" }

  /// The place in a file.
  func location(in file: String) -> SourceLocation { SourceLocation(path: file, line: line, column: column) }
}
