extension JSON {
  /// How a value is laid out as text.
  package enum Layout: Sendable {
    /// On one line without spaces.
    case compact
    /// Two spaces a level and an entry a line, as `json.dumps(indent=2)` and transformers write it.
    case pretty
  }

  /// The value as text. Characters beyond ASCII stand as they are, unescaped.
  package func text(_ layout: Layout = .pretty, trailingNewline: Bool = false) -> String {
    String(decoding: utf8(layout, trailingNewline: trailingNewline), as: UTF8.self)
  }

  /// The UTF-8 of the value's text.
  package func utf8(_ layout: Layout = .pretty, trailingNewline: Bool = false) -> [UInt8] {
    var output = JSONOutput(layout: layout)
    output.write(self, level: 0)
    if trailingNewline { output.bytes.append(0x0A) }
    return output.bytes
  }
}

private struct JSONOutput {
  let layout: JSON.Layout
  var bytes: [UInt8] = []

  mutating func write(_ value: JSON, level: Int) {
    switch value {
    case .null: write("null")
    case .bool(let bool): write(bool ? "true" : "false")
    case .number(let literal): write(literal)
    case .string(let string): writeQuoted(string)
    case .array(let elements):
      writeList("[", elements, "]", level: level) { output, element in
        output.write(element, level: level + 1)
      }
    case .object(let object):
      writeList("{", object, "}", level: level) { output, entry in
        output.writeQuoted(entry.key)
        output.write(output.layout == .pretty ? ": " : ":")
        output.write(entry.value, level: level + 1)
      }
    }
  }

  private mutating func write(_ text: String) {
    bytes.append(contentsOf: text.utf8)
  }

  private mutating func writeList<Elements: Collection>(
    _ opening: String, _ elements: Elements, _ closing: String, level: Int,
    writeElement: (inout JSONOutput, Elements.Element) -> Void
  ) {
    write(opening)
    var isFirst = true
    for element in elements {
      if !isFirst { write(",") }
      isFirst = false
      startLine(level + 1)
      writeElement(&self, element)
    }
    if !isFirst { startLine(level) }
    write(closing)
  }

  private mutating func startLine(_ level: Int) {
    guard layout == .pretty else { return }
    bytes.append(0x0A)
    bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * level))
  }

  private mutating func writeQuoted(_ string: String) { JSON.appendQuoted(string, to: &bytes) }
}

extension JSON {
  /// Adds the text of a string, with its quotes: for files that are put together without a tree.
  package static func appendQuoted(_ string: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    var string = string
    string.withUTF8 { text in
      var start = 0
      for position in text.indices {
        let byte = text[position]
        guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
        bytes.append(contentsOf: text[start..<position])
        bytes.append(contentsOf: escape(of: byte).utf8)
        start = position + 1
      }
      bytes.append(contentsOf: text[start...])
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private static func escape(of byte: UInt8) -> String {
    switch byte {
    case UInt8(ascii: "\""): "\\\""
    case UInt8(ascii: "\\"): "\\\\"
    case 0x08: "\\b"
    case 0x09: "\\t"
    case 0x0A: "\\n"
    case 0x0C: "\\f"
    case 0x0D: "\\r"
    default: (byte < 0x10 ? "\\u000" : "\\u00") + String(byte, radix: 16)
    }
  }
}
