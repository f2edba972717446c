import Merging
import SystemPackage

extension ModelCard.RecipeLanguage {
  /// The language that a file's ending says, if it says one.
  init?(ofFile path: String) {
    switch FilePath(path).extension?.lowercased() {
    case "yml", "yaml": self = .yaml
    case "lua": self = .lua
    default: return nil
    }
  }

  /// The language of a text, by its first line that is no comment.
  ///
  /// A config begins with a key, its colon and a space or the line's end, with a brace, or with a directive.
  /// Lua has a colon only before a method's name, or twice around a label's.
  init(ofText text: [UInt8]) { self = Self.looksLikeConfig(text) ? .yaml : .lua }

  private static func looksLikeConfig(_ text: [UInt8]) -> Bool {
    let blanks: Set<UInt8> = [0x20, 0x09, 0x0D]
    let text = text.starts(with: [0xEF, 0xBB, 0xBF]) ? text.dropFirst(3) : text[...]
    for line in text.prefix(1 << 16).split(separator: 0x0A) {
      let line = line.drop(while: blanks.contains)
      // `---` begins a document of YAML, and is a comment of Lua's.
      guard let first = line.first, first != UInt8(ascii: "#"), !line.starts(with: "--".utf8) else {
        continue
      }
      if first == UInt8(ascii: "{") || first == UInt8(ascii: "%") { return true }
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return false }
      let isKey = line[..<colon].allSatisfy { byte in
        Character(Unicode.Scalar(byte)).isLetter || byte == UInt8(ascii: "_") || "\"' ".utf8.contains(byte)
      }
      let next = line.index(after: colon)
      return isKey && colon > line.startIndex && (next == line.endIndex || blanks.contains(line[next]))
    }
    return false
  }
}
