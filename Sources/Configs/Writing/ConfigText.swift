import Basics

/// Configs as YAML, for commands that make one of their options: mappings and lists in block style, the keys in their
/// order.
package enum ConfigText {
  /// The text of a mapping.
  package static func text(_ config: JSON) -> String {
    var lines: [String] = []
    add(config, indent: 0, to: &lines)
    return lines.joined(separator: "\n") + "\n"
  }

  private static func add(_ value: JSON, indent: Int, to lines: inout [String]) {
    let margin = String(repeating: " ", count: indent)
    switch value {
    case .object(let object):
      for key in object.keys {
        guard let value = object[key] else { continue }
        if let inline = inline(value) {
          lines.append("\(margin)\(scalar(key)): \(inline)")
        } else {
          lines.append("\(margin)\(scalar(key)):")
          // A list stands under its key's first letter.
          add(value, indent: value.arrayValue == nil ? indent + 2 : indent, to: &lines)
        }
      }
    case .array(let items):
      for item in items {
        if let inline = inline(item) {
          lines.append("\(margin)- \(inline)")
        } else {
          let first = lines.count
          add(item, indent: indent + 2, to: &lines)
          lines[first] = "\(margin)- " + lines[first].dropFirst(indent + 2)
        }
      }
    case .null, .bool, .number, .string: break
    }
  }

  /// The text of what stands on one line.
  private static func inline(_ value: JSON) -> String? {
    switch value {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .number(let literal): literal
    case .string(let text): scalar(text)
    case .array(let items): items.isEmpty ? "[]" : nil
    case .object(let object): object.keys.isEmpty ? "{}" : nil
    }
  }

  /// A text that is read as the same text.
  private static func scalar(_ text: String) -> String {
    let isPlain =
      text.unicodeScalars.allSatisfy { $0.properties.isAlphabetic || $0.value < 128 && plain.contains($0) }
      && text.unicodeScalars.first.map { $0 != "-" && $0 != "=" && $0 != "@" && $0 != "~" } == true
      && yamlBoolean(text) == nil && YAMLNumber(text) == nil
      && !["null", "y", "n"].contains(text.lowercased())
    if isPlain { return text }
    guard
      text.unicodeScalars.allSatisfy({
        $0.value >= 32 && $0.value != 127 && !$0.properties.isWhitespace || $0 == " "
      })
    else { return quotedJSON(text) }
    return "'\(text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''"))'"
  }

  private static let plain = Set("0123456789_-./+@=~".unicodeScalars)

  /// A string of JSON is one of YAML.
  private static func quotedJSON(_ text: String) -> String {
    JSON.string(text).text(.compact)
  }
}
