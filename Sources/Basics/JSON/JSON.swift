/// A JSON value that comes out as it went in: objects keep their order, numbers their spelling.
///
/// A config.json passes through a merge with `1e-05`, `10000.0` and integers of any length intact.
/// Equality is literal too: `1.0` and `1` differ, and strings compare byte by byte, so that the two
/// spellings of an accented letter, which a vocabulary may hold both of, stay apart.
package enum JSON: Sendable {
  case null
  case bool(Bool)
  /// The text of the number as it stands in the file, including Python's `NaN`, `Infinity` and
  /// `-Infinity`.
  case number(literal: String)
  case string(String)
  case array([JSON])
  case object(JSONObject)

  /// The number of an integer, in decimal digits.
  package init(_ value: some BinaryInteger) {
    self = .number(literal: String(value))
  }

  /// The number of a double: the shortest text that reads back as the same value, as Python writes it.
  package init(_ value: Double) {
    if value.isFinite {
      self = .number(literal: value.description)
    } else {
      self = .number(literal: value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity")
    }
  }

  /// The value of a number written as an integer (no fraction, no exponent) that fits.
  package var intValue: Int? {
    if case .number(let literal) = self { Int(literal) } else { nil }
  }

  /// The nearest double to a number; infinite where the number is beyond the range.
  package var doubleValue: Double? {
    if case .number(let literal) = self { Double(literal) } else { nil }
  }

  /// The text of a string.
  package var stringValue: String? {
    if case .string(let string) = self { string } else { nil }
  }

  /// The value of `true` or `false`.
  package var boolValue: Bool? {
    if case .bool(let bool) = self { bool } else { nil }
  }

  /// The elements of an array.
  package var arrayValue: [JSON]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  /// The entries of an object.
  package var objectValue: JSONObject? {
    if case .object(let object) = self { object } else { nil }
  }

  /// Whether this is `null`.
  package var isNull: Bool {
    if case .null = self { true } else { false }
  }

  /// The value of an object's key; `nil` if it has none or this is no object.
  package subscript(key: String) -> JSON? { objectValue?[key] }

  /// The element at `index`, from 0; `nil` if there is none or this is no array.
  package subscript(index: Int) -> JSON? {
    guard let elements = arrayValue, elements.indices.contains(index) else { return nil }
    return elements[index]
  }

  /// What kind of value this is, with its article, for messages: "an object".
  package var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}

extension JSON: Equatable {
  /// Literal equality: same kinds, same spelling of numbers, same bytes of strings, same order.
  package static func == (left: JSON, right: JSON) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.bool(let left), .bool(let right)): left == right
    case (.number(let left), .number(let right)): left.hasSameBytes(as: right)
    case (.string(let left), .string(let right)): left.hasSameBytes(as: right)
    case (.array(let left), .array(let right)): left == right
    case (.object(let left), .object(let right)): left == right
    default: false
    }
  }
}

extension JSON: ExpressibleByStringLiteral {
  /// The JSON of a text.
  package init(stringLiteral value: String) {
    self = .string(value)
  }
}
