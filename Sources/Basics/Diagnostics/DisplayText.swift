/// Text of others as a terminal or a file of ours may have it: nothing in it moves the cursor, turns the
/// direction of writing or begins a line of its own, and none of it is longer than anybody reads.
package enum DisplayText {
  /// Scalars of a name that are shown.
  private static let nameLimit = 256
  /// Scalars of a path or value that are shown; as long as paths can be.
  private static let plainLimit = 4096
  /// Scalars of somebody's own words that are shown.
  private static let foreignLimit = 16_384
  /// Scalars of all that is said at once.
  private static let screenLimit = 65_536

  /// A name in quotes.
  package static func name(_ name: String) -> String { "'\(shortened(name, nameLimit, keepsLines: false))'" }

  /// A path, a number, a value as it is.
  package static func plain(_ text: String) -> String { shortened(text, plainLimit, keepsLines: false) }

  /// Words of somebody else, which may have several lines; all but the first are indented, so that none can
  /// be taken for a message of ours.
  package static func foreign(_ text: String) -> String { shortened(text, foreignLimit, keepsLines: true) }

  /// All that a terminal gets at once, which may have several lines.
  package static func screen(_ text: String) -> String {
    shortened(text, screenLimit, keepsLines: true, indents: false)
  }

  /// A whole text with several lines that stays what it is for programs: scalars that would show as nothing, or turn
  /// what follows, become `\uXXXX`, as strings of JSON and YAML have them.
  package static func document(_ text: String) -> String {
    if text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) || $0 == 0x0A || $0 == 0x09 }) { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if isHarmless(scalar) || scalar == "\n" || scalar == "\t" {
        result.append(scalar)
      } else {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        let length = scalar.value > 0xFFFF ? 8 : 4
        result +=
          ((length == 8 ? "\\U" : "\\u") + String(repeating: "0", count: length - digits.count) + digits)
          .unicodeScalars
      }
    }
    return String(result)
  }

  /// The text escaped, with its middle left out if it is long.
  private static func shortened(_ text: String, _ limit: Int, keepsLines: Bool, indents: Bool = true)
    -> String
  {
    // Almost all texts are short and plain.
    if text.utf8.count <= limit, text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return text }
    let scalars = text.unicodeScalars
    let count = scalars.count
    guard count > limit else { return escaped(scalars, keepsLines, indents) }
    let tail = limit / 4
    return escaped(scalars.prefix(limit - tail - 1), keepsLines, indents) + "…"
      + escaped(scalars.suffix(tail), keepsLines, indents)
  }

  private static func escaped(
    _ scalars: some Sequence<Unicode.Scalar>, _ keepsLines: Bool, _ indents: Bool
  ) -> String {
    var result = String.UnicodeScalarView()
    for scalar in scalars {
      if scalar == "\n", keepsLines {
        result += (indents ? "\n  " : "\n").unicodeScalars
      } else if isHarmless(scalar) || (scalar == "\t" && keepsLines) {
        result.append(scalar)
      } else {
        result += escape(scalar).unicodeScalars
      }
    }
    return String(result)
  }

  private static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value < 0x7F { return scalar.value >= 0x20 }
    switch scalar.properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: return false
    // Joiners stand within words of several scripts; all other marks of this kind show as nothing or turn
    // the direction of what follows.
    case .format: return scalar.value == 0x200C || scalar.value == 0x200D
    default: return true
    }
  }

  private static func escape(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\n": "\\n"
    case "\r": "\\r"
    case "\t": "\\t"
    default: "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
    }
  }
}
