/// The text of a recipe as it grows, with what in the config made each line and each value.
struct RecipeText: Sendable {
  /// Lines are broken to stay within, where Lua text can be.
  static let width = 100

  private(set) var lines: [String] = []
  private(set) var places: [Place?] = []
  /// The first line and the values' places of each table that `merge` wrote.
  private(set) var merges: [(firstLine: Int, values: [String: Place])] = []

  /// Adds a line, or several that all come from one place.
  mutating func line(_ text: String, _ place: Place? = nil, margin: String = "") {
    for part in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      lines.append(margin + String(Substring(part)))
      places.append(place)
    }
  }

  /// `prefix` and a table, as the call of `mk.merge` that it is an argument of.
  mutating func merge(_ prefix: String, _ entries: [LuaEntry], _ place: Place) {
    merges.append((lines.count + 1, [:]))
    write(prefix, .block(entries), suffix: "", indent: 0, place, path: "")
  }

  /// A table that is not the argument of a merge.
  mutating func table(_ prefix: String, _ entries: [LuaEntry]) {
    write(prefix, .block(entries), suffix: "", indent: 0, nil, path: nil)
  }

  private mutating func write(
    _ prefix: String, _ value: LuaValue, suffix: String, indent: Int, _ place: Place?, path: String?
  ) {
    let margin = String(repeating: " ", count: indent)
    if let inline = Self.inline(value), indent + prefix.count + inline.count + suffix.count <= Self.width {
      note(value, place, path: path)
      return line(margin + prefix + inline + suffix, place)
    }
    switch value {
    case .code(let text):
      note(value, place, path: path)
      line(margin + prefix + text + suffix, place)
    case .lines(let lines):
      note(value, place, path: path)
      line(prefix + lines.joined(separator: "\n") + suffix, place, margin: margin)
    case .table(let entries), .block(let entries):
      if let path, let place, !path.isEmpty { merges[merges.count - 1].values[path] = place }
      line(margin + prefix + "{", place)
      if entries.allSatisfy({
        if case .code(let text) = $0.value { $0.key == nil && !text.contains("\n") } else { false }
      }) {
        note(value, nil, path: path)
        fill(entries, indent: indent + 2)
      } else {
        var number = 0
        for entry in entries {
          if entry.key == nil { number += 1 }
          write(
            Self.prefix(entry.key), entry.value, suffix: ",", indent: indent + 2, entry.place ?? place,
            path: path.map { Self.path(of: entry.key, number, in: $0) })
        }
      }
      line(margin + "}" + suffix, place)
    }
  }

  /// Lines of as many entries as fit, such as the numbers of a long gradient.
  private mutating func fill(_ entries: [LuaEntry], indent: Int) {
    var text = ""
    var place: Place?
    for entry in entries {
      let item = (Self.inline(entry.value) ?? "") + ","
      if !text.isEmpty, indent + text.count + 1 + item.count > Self.width {
        line(String(repeating: " ", count: indent) + text, place)
        text = ""
      }
      if text.isEmpty { place = entry.place }
      text += text.isEmpty ? item : " " + item
    }
    line(String(repeating: " ", count: indent) + text, place)
  }

  /// Remembers the places of a value and of all within it.
  private mutating func note(_ value: LuaValue, _ place: Place?, path: String?) {
    guard let path else { return }
    if let place, !path.isEmpty { merges[merges.count - 1].values[path] = place }
    switch value {
    case .code, .lines: break
    case .table(let entries), .block(let entries):
      var number = 0
      for entry in entries {
        if entry.key == nil { number += 1 }
        note(entry.value, entry.place, path: Self.path(of: entry.key, number, in: path))
      }
    }
  }

  private static func path(of key: String?, _ number: Int, in path: String) -> String {
    guard let key else { return "\(path)[\(number)]" }
    return path.isEmpty ? key : "\(path).\(key)"
  }

  private static func prefix(_ key: String?) -> String {
    guard let key else { return "" }
    return (isLuaName(key) ? key : "[\(quotedString(key))]") + " = "
  }

  /// The value on one line; nil if it has to be broken.
  private static func inline(_ value: LuaValue) -> String? {
    switch value {
    case .code(let text): return text.contains("\n") ? nil : text
    case .lines, .block: return nil
    case .table(let entries):
      if entries.isEmpty { return "{}" }
      var parts: [String] = []
      for entry in entries {
        guard let text = inline(entry.value) else { return nil }
        parts.append(prefix(entry.key) + text)
      }
      return "{ \(parts.joined(separator: ", ")) }"
    }
  }
}
