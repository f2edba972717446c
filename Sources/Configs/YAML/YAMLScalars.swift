/// Numbers and booleans in the spellings of YAML 1.1 and 1.2.

/// A number of a config: its value, and how the user wrote it.
struct YAMLNumber: Equatable {
  let value: Double
  /// The number in Lua: as written if that means the same there, else in the shortest form.
  let lua: String

  /// The value, if it is a whole number.
  var integer: Int? { Int(exactly: value) }

  init(_ value: Double, spelling: String? = nil) {
    self.value = value
    if let spelling {
      lua = spelling
    } else if value.isNaN {
      lua = "0 / 0"
    } else if value.isInfinite {
      lua = value < 0 ? "-math.huge" : "math.huge"
    } else if let integer = Int(exactly: value), integer.magnitude < 1 << 53,
      !(integer == 0 && value.sign == .minus)
    {
      lua = String(integer)
    } else {
      lua = "\(value)"
    }
  }

  /// Reads `1`, `-.5`, `5.`, `1e-5`, `1_000`, `0x10`, `0o17`, `017`, `0b101`, `.inf`, `.nan`; nil for
  /// anything else. As in YAML 1.1, a whole number with a leading zero is octal.
  init?(_ text: String) {
    var trimmed = text.drop(while: \.isWhitespace)
    while trimmed.last?.isWhitespace == true { trimmed.removeLast() }
    let isNegative = trimmed.first == "-"
    let unsigned = trimmed.first == "+" || isNegative ? trimmed.dropFirst() : trimmed
    let sign = isNegative ? -1.0 : 1.0
    switch unsigned {
    case ".inf", ".Inf", ".INF":
      self.init(sign * .infinity)
      return
    case ".nan", ".NaN", ".NAN":
      guard unsigned.count == trimmed.count else { return nil }
      self.init(.nan)
      return
    default: break
    }
    guard let first = unsigned.utf8.first, first != UInt8(ascii: "_") else { return nil }
    let digits: String = unsigned.filter { $0 != "_" }
    let isSpelledForLua = digits.count == unsigned.count && trimmed.first != "+"
    if let (radix, body) = Self.radixAndDigits(of: digits) {
      guard let magnitude = UInt64(body, radix: radix), !body.hasPrefix("+") else { return nil }
      // Lua reads hexadecimal numbers of more than 63 bits as negative.
      let isLua = isSpelledForLua && radix == 16 && magnitude <= UInt64(Int64.max)
      self.init(sign * Double(magnitude), spelling: isLua ? String(trimmed) : nil)
      return
    }
    guard Self.isDecimal(digits), let magnitude = Double(digits) else { return nil }
    self.init(sign * magnitude, spelling: isSpelledForLua ? String(trimmed) : nil)
  }

  /// The base and the digits of a number that is not decimal.
  private static func radixAndDigits(of text: String) -> (radix: Int, digits: Substring)? {
    guard text.hasPrefix("0"), text.count > 1 else { return nil }
    let body = text.dropFirst(2)
    switch text.dropFirst().first {
    case "x", "X": return (16, body)
    case "o", "O": return (8, body)
    case "b", "B": return (2, body)
    default:
      let digits = text.dropFirst()
      return digits.allSatisfy({ ("0"..."7").contains($0) }) ? (8, digits) : nil
    }
  }

  /// Whether a text is digits with at most one point among them, and perhaps an exponent.
  private static func isDecimal(_ text: String) -> Bool {
    var rest = text.utf8[...]
    func takeDigits() -> Int {
      let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      rest = rest.dropFirst(digits.count)
      return digits.count
    }
    func take(_ characters: String) -> Bool {
      guard let first = rest.first, characters.utf8.contains(first) else { return false }
      rest = rest.dropFirst()
      return true
    }
    var count = takeDigits()
    if take(".") { count += takeDigits() }
    if count > 0, take("eE") {
      _ = take("+-")
      if takeDigits() == 0 { return false }
    }
    return count > 0 && rest.isEmpty
  }
}

/// The boolean that a plain YAML scalar is: `true`, `yes`, `on`, `false`, `no`, `off`, in any case.
func yamlBoolean(_ text: String) -> Bool? {
  switch text.lowercased() {
  case "true", "yes", "on": true
  case "false", "no", "off": false
  default: nil
  }
}

extension YAMLNode {
  /// The number of a scalar; quotes do not matter, and a plain boolean is 1 or 0 (as in mergekit).
  var number: YAMLNumber? {
    guard case .scalar(let text, let isPlain) = content else { return nil }
    if isPlain, let boolean = yamlBoolean(text) { return YAMLNumber(boolean ? 1 : 0) }
    return YAMLNumber(text)
  }

  /// The boolean of a scalar; quotes do not matter, and `t`, `y`, 1 and 0 are booleans too (as in mergekit).
  var boolean: Bool? {
    guard let text else { return nil }
    if let boolean = yamlBoolean(text) { return boolean }
    switch text.lowercased() {
    case "t", "y": return true
    case "f", "n": return false
    default: break
    }
    switch YAMLNumber(text)?.value {
    case 1: return true
    case 0: return false
    default: return nil
    }
  }
}
