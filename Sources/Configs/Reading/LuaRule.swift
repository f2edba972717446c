import Basics

/// A rule of a config, `{lua: "0.2 + 0.6 * depth"}`, as a function of Lua.
enum LuaRule {
  /// What a rule knows of the tensor, under these names.
  static let fields: Set<String> = [
    "name", "shape", "dtype", "layer", "num_layers", "depth", "kind", "module", "template",
  ]

  /// `function(info) return 0.2 + 0.6 * info.depth end`, or the same on several lines.
  ///
  /// A rule with functions of its own may have variables of the fields' names in them: there the fields are
  /// local variables, so that Lua tells which is meant.
  static func function(of expression: String) -> Result<LuaValue, Failure> {
    var scanner = LuaScanner(expression)
    if let problem = scanner.scan() { return .failure(Failure(problem: problem)) }
    if let name = scanner.unknownName {
      let nearest = nearestName(to: name, among: fields.sorted() + luaGlobals.sorted())
      return .failure(Failure(problem: .ruleUnknownName(name, nearest: nearest)))
    }
    let text = scanner.hasFunction ? expression : String(decoding: scanner.result, as: UTF8.self)
    let body = trimmed(text)
    if body.isEmpty { return .failure(Failure(problem: .ruleEmpty)) }
    var locals = ""
    if scanner.hasFunction, !scanner.fields.isEmpty {
      let values = scanner.fields.map { "info.\($0)" }
      locals = "local \(scanner.fields.joined(separator: ", ")) = \(values.joined(separator: ", "))"
    }
    let start = "function(info) " + (locals.isEmpty ? "" : locals + " ")
    // A comment up to the end of the line would swallow the end of the function.
    let isOneLine = !scanner.endsInComment && !body.utf8.contains(UInt8(ascii: "\n"))
    if isOneLine { return .success(.code("\(start)return \(body) end")) }
    // Lines within a long string have to stay as they are.
    if scanner.hasLongToken { return .success(.code("\(start)return \(body)\nend")) }
    let lines = body.utf8.split(separator: UInt8(ascii: "\n")).map { "  " + String(Substring($0)) }
    return .success(
      .lines(
        ["function(info)"] + (locals.isEmpty ? [] : ["  " + locals])
          + ["  return" + lines[0].dropFirst()] + lines.dropFirst() + ["end"]))
  }

  struct Failure: Error {
    let problem: ConfigProblem
  }

  private static func trimmed(_ text: String) -> Substring {
    var text = text.drop(while: \.isWhitespace)
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }
}

/// Runs over the tokens of a Lua expression, puts `info.` before the bare names of a rule's fields, and makes
/// sure that it is one expression as far as brackets, blocks and statements show; the rest is left to Lua.
///
/// Names after `.` and `:` belong to something else, and `name =` is a field of a table: they stay, as do
/// strings and comments.
private struct LuaScanner {
  private(set) var result: [UInt8] = []
  private(set) var endsInComment = false
  /// Whether there is a string or comment in long brackets, or a string with an escaped line break.
  private(set) var hasLongToken = false
  /// Whether there is a function in it.
  private(set) var hasFunction = false
  /// The fields whose bare names are there, in order.
  private(set) var fields: [String] = []
  private let bytes: [UInt8]
  private var index = 0
  /// The bare names that are neither fields nor known to Lua, in order.
  private var otherNames: [String] = []
  /// The local variables, parameters and labels of functions in it. Where they are known is not followed.
  private var declaredNames: Set<String> = ["self"]
  /// Whether the names that come are declared by them.
  private var isDeclaration = false
  /// Whether a `::` is open.
  private var isInLabel = false
  /// The brackets and blocks that are open.
  private var open: [String] = []

  init(_ text: String) { bytes = Array(text.utf8) }

  private func byte(_ offset: Int = 0) -> UInt8? {
    bytes.indices.contains(index + offset) ? bytes[index + offset] : nil
  }

  private func isNext(_ text: StaticString) -> Bool {
    text.withUTF8Buffer { bytes[index...].starts(with: $0) }
  }

  /// The first variable that there is not.
  var unknownName: String? { otherNames.first { !declaredNames.contains($0) } }

  /// Scans the whole text; what is wrong with it, if anything is.
  mutating func scan() -> ConfigProblem? {
    /// The last byte that is neither space nor comment, and whether it is a dot of `..`.
    var last: UInt8 = 0
    var isAfterConcatenation = false
    while let next = byte() {
      let start = index
      var isSkipped = false
      endsInComment = endsInComment && isSpace(next)
      switch next {
      case _ where isNext("--"):
        index += 2
        isSkipped = true
        if let level = longBracketLevel() {
          guard skipLongBracket(level) else { return .ruleUnfinished("a long comment") }
        } else {
          while let next = byte(), next != UInt8(ascii: "\n") { index += 1 }
          endsInComment = true
        }
      case UInt8(ascii: "\""), UInt8(ascii: "'"):
        guard skipString(next) else { return .ruleUnfinished("a string") }
      case UInt8(ascii: "["):
        if let level = longBracketLevel() {
          guard skipLongBracket(level) else { return .ruleUnfinished("a long string") }
        } else {
          open.append(Self.text(next))
          index += 1
        }
      case UInt8(ascii: "("), UInt8(ascii: "{"):
        open.append(Self.text(next))
        index += 1
      case UInt8(ascii: ")"), UInt8(ascii: "}"), UInt8(ascii: "]"):
        guard let opening = open.popLast(), Self.closing(of: opening) == Self.text(next) else {
          return .ruleUnbalanced(Self.text(next))
        }
        index += 1
      case UInt8(ascii: ","), UInt8(ascii: ";"):
        if open.isEmpty { return .ruleNotExpression(Self.text(next)) }
        index += 1
      case _ where isDigit(next) || next == UInt8(ascii: ".") && byte(1).map(isDigit) == true:
        skipNumber()
      case UInt8(ascii: "."):
        while byte() == UInt8(ascii: ".") { index += 1 }
        isAfterConcatenation = index - start > 1
      case UInt8(ascii: ":") where byte(1) == next:
        // Before and after the name of a label.
        index += 2
        isInLabel.toggle()
        isDeclaration = isInLabel
        last = 0
        result += bytes[start..<index]
        continue
      // Lua has no names of other letters, and says so.
      case _ where isNameStart(next) || next >= 0x80:
        while let next = byte(), isNamePart(next) || next >= 0x80 { index += 1 }
        let name = String(decoding: bytes[start..<index], as: UTF8.self)
        let isMember = last == UInt8(ascii: ":") || last == UInt8(ascii: ".") && !isAfterConcatenation
        if isMember { break }
        if let problem = checkBlock(name) { return problem }
        if isDeclaration { declaredNames.insert(name) }
        if isFieldOfTable() { break }
        if LuaRule.fields.contains(name) {
          if !fields.contains(name) { fields.append(name) }
          result += Array("info.".utf8)
        } else if isLuaName(name), !luaGlobals.contains(name) {
          otherNames.append(name)
        }
      default:
        isSkipped = isSpace(next)
        index += 1
      }
      if !isSkipped {
        last = bytes[index - 1]
        // `for i = …`, `local x = …`, `function f(…)`
        if [UInt8(ascii: "="), UInt8(ascii: ")"), UInt8(ascii: ";")].contains(last) { isDeclaration = false }
      }
      result += bytes[start..<index]
    }
    return open.last.map { .ruleUnbalanced($0) }
  }

  /// Follows the blocks of functions in the rule; there, and only there, statements may stand.
  private mutating func checkBlock(_ word: String) -> ConfigProblem? {
    if luaKeywords.contains(word) { isDeclaration = ["local", "function", "for", "goto"].contains(word) }
    switch word {
    case "function":
      hasFunction = true
      open.append(word)
    case _ where Self.statementWords.contains(word) && !open.contains("function"):
      return .ruleNotExpression(word)
    // The `do` of a loop is what its `end` belongs to.
    case "if", "do", "repeat": open.append(word)
    case "end", "until":
      guard let opening = open.popLast(), Self.closing(of: opening) == word else {
        return .ruleUnbalanced(word)
      }
    default: break
    }
    return nil
  }

  private static let statementWords: Set<String> = [
    "break", "do", "else", "elseif", "end", "for", "goto", "if", "in", "local", "repeat", "return", "then",
    "until", "while",
  ]

  /// Whether a single `=` follows, as after the name of a field.
  private func isFieldOfTable() -> Bool {
    var next = index
    while next < bytes.count, isSpace(bytes[next]) { next += 1 }
    return next < bytes.count && bytes[next] == UInt8(ascii: "=")
      && !(next + 1 < bytes.count && bytes[next + 1] == UInt8(ascii: "="))
  }

  /// The number of `=` of a long bracket that opens here.
  private func longBracketLevel() -> Int? {
    guard byte() == UInt8(ascii: "[") else { return nil }
    var level = 0
    while byte(1 + level) == UInt8(ascii: "=") { level += 1 }
    return byte(1 + level) == UInt8(ascii: "[") ? level : nil
  }

  /// Skips to after the closing bracket; false if there is none.
  private mutating func skipLongBracket(_ level: Int) -> Bool {
    hasLongToken = true
    index += level + 2
    let closing = Array("]\(String(repeating: "=", count: level))]".utf8)
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "]"), bytes[index...].starts(with: closing) {
        index += closing.count
        return true
      }
      index += 1
    }
    return false
  }

  /// Skips a quoted string; false if it does not end.
  private mutating func skipString(_ quote: UInt8) -> Bool {
    index += 1
    while let next = byte() {
      index += 1
      if next == quote { return true }
      if next == UInt8(ascii: "\n") { return false }
      if next == UInt8(ascii: "\\"), index < bytes.count {
        hasLongToken = hasLongToken || [10, 13, UInt8(ascii: "z")].contains(bytes[index])
        index += 1
      }
    }
    return false
  }

  private mutating func skipNumber() {
    let isHexadecimal = isNext("0x") || isNext("0X")
    let exponents: [UInt8] =
      isHexadecimal ? [UInt8(ascii: "p"), UInt8(ascii: "P")] : [UInt8(ascii: "e"), UInt8(ascii: "E")]
    while let next = byte() {
      if exponents.contains(next), let sign = byte(1), [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(sign) {
        index += 2
      } else if isNamePart(next) || next == UInt8(ascii: ".") && byte(1) != UInt8(ascii: ".") {
        index += 1
      } else {
        return
      }
    }
  }

  private func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }

  private static func closing(of opening: String) -> String {
    switch opening {
    case "(": ")"
    case "[": "]"
    case "{": "}"
    case "repeat": "until"
    default: "end"
    }
  }

  private static func text(_ byte: UInt8) -> String { String(decoding: [byte], as: UTF8.self) }
}
