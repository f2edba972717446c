/// Names and strings of Lua 5.4 (https://www.lua.org/manual/5.4/manual.html#3.1).

let luaKeywords: Set<String> = [
  "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local",
  "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
]

/// What recipes find defined, or may use in what they grow to.
let luaGlobals: Set<String> = [
  "mk", "info", "assert", "collectgarbage", "coroutine", "debug", "dofile", "error", "getmetatable", "io",
  "ipairs", "load", "loadfile", "loadstring", "math", "next", "os", "package", "pairs", "pcall", "print",
  "rawequal", "rawget", "rawlen", "rawset", "require", "select", "setmetatable", "string", "table",
  "tonumber", "tostring", "type", "utf8", "warn", "xpcall", "_ENV", "_G", "_VERSION",
]

/// Whether a text is a name in Lua, and no keyword.
func isLuaName(_ text: String) -> Bool {
  guard let first = text.utf8.first, isNameStart(first) else { return false }
  return text.utf8.allSatisfy(isNamePart) && !luaKeywords.contains(text)
}

func isNameStart(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
  default: false
  }
}

func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

func isNamePart(_ byte: UInt8) -> Bool { isNameStart(byte) || isDigit(byte) }

/// A text as a Lua string: quoted, or in long brackets if it has several lines.
func luaString(_ text: String) -> String {
  // Long strings turn carriage returns into line breaks, and show no other control character.
  let isLong =
    text.utf8.contains(UInt8(ascii: "\n"))
    && text.utf8.allSatisfy { $0 >= 32 && $0 != 127 || $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\t") }
  return isLong ? longString(text) : quotedString(text)
}

/// A text as a Lua string in quotes, on one line.
package func quotedString(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": result += "\\\""
    case "\\": result += "\\\\"
    case "\n": result += "\\n"
    case "\r": result += "\\r"
    case "\t": result += "\\t"
    case _ where scalar.value < 32 || scalar.value == 127:
      let digits = String(scalar.value)
      result += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}

/// A text in long brackets of a level that it has not got itself.
private func longString(_ text: String) -> String {
  var taken: Set<Int> = []
  var equals: Int?
  for byte in text.utf8 {
    switch byte {
    case UInt8(ascii: "]"):
      if let equals { taken.insert(equals) }
      equals = 0
    case UInt8(ascii: "="): equals = equals.map { $0 + 1 }
    default: equals = nil
    }
  }
  // The closing bracket must not begin within the text's end.
  if let equals { taken.insert(equals) }
  let level = String(repeating: "=", count: (0...).first { !taken.contains($0) } ?? 0)
  return "[\(level)[\n\(text)]\(level)]"
}

/// Gives out names of local variables, each once.
struct LuaNames {
  private var used: Set<String> = []

  /// A name made from a text: characters that no name has become `_`, and what is taken gets a number.
  mutating func name(for text: String) -> String {
    var name = String(
      text.unicodeScalars.map { $0.isASCII && isNamePart(UInt8($0.value)) ? Character($0) : "_" })
    if name.utf8.allSatisfy({ $0 == UInt8(ascii: "_") }) { name = "model" }
    if isDigit(name.utf8.first!) { name = "m_" + name }
    if luaKeywords.contains(name) || luaGlobals.contains(name) { name += "_" }
    var distinct = name
    var number = 2
    while !used.insert(distinct).inserted {
      distinct = name.hasSuffix("_") ? "\(name)\(number)" : "\(name)_\(number)"
      number += 1
    }
    return distinct
  }

  /// A name for the model of a path: that of its last component.
  mutating func name(forPath path: String) -> String {
    name(for: path.split(separator: "/").last.map(String.init) ?? "")
  }
}
