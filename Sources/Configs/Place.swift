/// A place in a file: line and column from 1, columns in Unicode scalars, as editors show them.
struct Place: Sendable, Hashable, Comparable, CustomStringConvertible {
  var line: Int
  var column: Int

  static func < (left: Place, right: Place) -> Bool {
    (left.line, left.column) < (right.line, right.column)
  }

  var description: String { "\(line):\(column)" }
}

/// The way to a value from the top of its document: `models[2].parameters.weight`, lists from 1.
struct KeyPath: Sendable, Hashable, CustomStringConvertible {
  private(set) var description = ""

  /// The path of a value in this mapping.
  func key(_ name: String) -> KeyPath {
    KeyPath(description: description.isEmpty ? name : "\(description).\(name)")
  }

  /// The path of an entry of this list, counted from 1.
  func item(_ number: Int) -> KeyPath { KeyPath(description: "\(description)[\(number)]") }
}
