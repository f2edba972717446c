/// Writes a regular expression of Oniguruma's own syntax, which is what tokenizers have, as one of PCRE2's.
///
/// The two share most of what there is, and differ in: which characters `\s`, `\w`, `\h`, `\v`, `\b` and the
/// classes with names mean; classes within classes and their intersections; `(?m:`, which lets `.` match line
/// ends; an option by itself, which holds for the alternatives behind it, too; intervals, which are never
/// possessive, and lazy only with two bounds; and escapes that mean a letter. What PCRE2 cannot say is
/// refused, and so is what no tokenizer is known to use. Not followed: that Oniguruma, where case does not
/// count, takes one character for several, such as ß for `ss`.
struct ExpressionTranslator {
  private let pattern: String
  private let input: [Unicode.Scalar]
  private var position = 0
  /// How many groups and classes are open.
  private var depth = 0
  /// Whether PCRE2 has a property of Unicode.
  private let hasProperty: (String) -> Bool

  /// The pattern for PCRE2, in its mode `PCRE2_MULTILINE`.
  static func translate(
    _ pattern: String, hasProperty: (String) -> Bool
  ) throws(ExpressionError) -> String {
    try withoutActuallyEscaping(hasProperty) { hasProperty throws(ExpressionError) in
      var translator = ExpressionTranslator(pattern, hasProperty: hasProperty)
      return try translator.whole()
    }
  }

  private init(_ pattern: String, hasProperty: @escaping (String) -> Bool) {
    self.pattern = pattern
    self.hasProperty = hasProperty
    input = Array(pattern.unicodeScalars)
  }

  private mutating func whole() throws(ExpressionError) -> String {
    let result = try alternatives()
    guard next == nil else { throw malformed("a ) closes nothing") }
    return result
  }

  // MARK: Reading

  private var next: Unicode.Scalar? { position < input.count ? input[position] : nil }

  private var following: Unicode.Scalar? { position + 1 < input.count ? input[position + 1] : nil }

  private mutating func take() -> Unicode.Scalar? {
    defer { position += 1 }
    return next
  }

  /// Passes over a text if it is next.
  private mutating func skip(_ text: String) -> Bool {
    guard input[min(position, input.count)...].starts(with: text.unicodeScalars) else { return false }
    position += text.unicodeScalars.count
    return true
  }

  /// Up to `limit` of the characters that a condition holds for.
  private mutating func run(
    _ limit: Int = .max, while condition: (Unicode.Scalar) -> Bool
  ) -> String {
    var text = ""
    var count = 0
    while count < limit, let scalar = next, condition(scalar) {
      text.unicodeScalars.append(scalar)
      position += 1
      count += 1
    }
    return text
  }

  private func malformed(_ reason: String) -> ExpressionError {
    .malformed(pattern: pattern, reason: reason)
  }

  private func unsupported(_ construct: String) -> ExpressionError {
    .unsupported(pattern: pattern, construct: construct)
  }

  private mutating func enter() throws(ExpressionError) {
    depth += 1
    if depth > 100 { throw unsupported("more than 100 groups and classes within each other") }
  }

  // MARK: Alternatives, sequences, repetitions

  private mutating func alternatives() throws(ExpressionError) -> String {
    try enter()
    defer { depth -= 1 }
    var result = try sequence()
    while skip("|") { result += "|" + (try sequence()) }
    return result
  }

  private mutating func sequence() throws(ExpressionError) -> String {
    var result = ""
    while let scalar = next, scalar != "|", scalar != ")" {
      var piece = try atom()
      var isRepeated = false
      while let quantifier = try quantifier() {
        piece = (isRepeated ? "(?:\(piece))" : piece) + quantifier
        isRepeated = true
      }
      result += piece
    }
    return result
  }

  /// A quantifier, if one is next.
  private mutating func quantifier() throws(ExpressionError) -> String? {
    switch next {
    case "?", "*", "+":
      let quantifier = String(take()!)
      return quantifier + (skip("?") ? "?" : skip("+") ? "+" : "")
    case "{": return try interval()
    default: return nil
    }
  }

  /// `{2}`, `{2,}`, `{,3}` or `{2,3}`; any other brace stands for itself.
  private mutating func interval() throws(ExpressionError) -> String? {
    let start = position
    _ = take()
    let isDigit: (Unicode.Scalar) -> Bool = { ("0"..."9").contains($0) }
    let low = run(while: isDigit)
    let isOpen = skip(",")
    let high = isOpen ? run(while: isDigit) : low
    guard skip("}"), !low.isEmpty || !high.isEmpty else {
      position = start
      return nil
    }
    if let low = Int(low), let high = Int(high), low > high {
      throw unsupported("{\(low),\(high)}, whose bounds are in the wrong order")
    }
    guard isOpen else { return "{\(low)}" }
    return "{\(low.isEmpty ? "0" : low),\(high)}" + (skip("?") ? "?" : "")
  }

  private mutating func atom() throws(ExpressionError) -> String {
    switch next! {
    case "(":
      position += 1
      return try group()
    case "[":
      position += 1
      return try characterClass().pattern
    case "\\":
      position += 1
      return try escape()
    case ".", "^", "$": return String(take()!)
    case "?", "*", "+": throw malformed("\(next!) has nothing to repeat")
    case "{":
      let start = position
      if try interval() != nil { throw malformed("{ has nothing to repeat") }
      position = start
      return literal(take()!)
    default: return literal(take()!)
    }
  }

  /// Whether a character is an ASCII letter, digit or underscore.
  private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "0"..."9", "_": true
    default: false
    }
  }

  private func literal(_ scalar: Unicode.Scalar) -> String {
    scalar.isASCII && !Self.isWord(scalar) ? "\\\(scalar)" : String(scalar)
  }

  // MARK: Groups

  /// Continues behind `(`.
  private mutating func group() throws(ExpressionError) -> String {
    if next == "*" { throw unsupported("(*") }
    guard skip("?") else { return try rest(of: "(") }
    for opening in [":", "=", "!", ">", "<=", "<!"] where skip(opening) {
      return try rest(of: "(?" + opening)
    }
    if skip("<") {
      let name = run(while: Self.isWord)
      guard !name.isEmpty, skip(">") else { throw unsupported("a group whose name is not of ASCII letters") }
      return try rest(of: "(?<\(name)>")
    }
    let options = run { "im-".unicodeScalars.contains($0) }
    let translated = options.replacing("m", with: "s")
    if !options.isEmpty, skip(":") { return try rest(of: "(?\(translated):") }
    if !options.isEmpty, next == ")" {
      // The option by itself: for all that follows in the group.
      position += 1
      return "(?\(translated):" + (try alternatives()) + ")"
    }
    throw unsupported("(?" + options + (next.map { String($0) } ?? ""))
  }

  private mutating func rest(of opening: String) throws(ExpressionError) -> String {
    let body = try alternatives()
    guard skip(")") else { throw malformed("a ( is not closed") }
    return opening + body + ")"
  }

  // MARK: Escapes

  /// Continues behind a backslash outside of classes.
  private mutating func escape() throws(ExpressionError) -> String {
    if let named = try classEscape(word: .wordByItself) { return named.pattern }
    switch next {
    case "A", "Z", "z", "G", "K", "N", "R": return "\\\(take()!)"
    case "O":
      position += 1
      return "(?s:.)"
    case "b", "B":
      let isNegated = take() == "B"
      let word = CharacterClass.wordByItself.pattern
      let (one, other) = isNegated ? ("=", "!") : ("!", "=")
      return "(?:(?<=\(word))(?\(one)\(word))|(?<!\(word))(?\(other)\(word)))"
    case .some("1"..."9"):
      let digits = run { ("0"..."9").contains($0) }
      guard digits.count == 1 else { throw unsupported("\\\(digits)") }
      return "\\g{\(digits)}"
    default: return try code(of: scalarEscape())
    }
  }

  /// `\s`, `\p{…}` and others that mean a set of characters, if one of them is next behind a backslash.
  private mutating func classEscape(
    word: CharacterClass = .word
  ) throws(ExpressionError) -> CharacterClass? {
    guard let letter = next else { throw malformed("it ends in a backslash") }
    let named: CharacterClass
    switch letter {
    case "s", "S": named = .space
    case "w", "W": named = word
    case "d", "D": named = .digit
    case "h", "H": named = .hexadecimalDigit
    case "p", "P":
      guard following == "{" else { return nil }
      return try property(word: word)
    default: return nil
    }
    position += 1
    return letter.properties.isUppercase ? named.inverted : named
  }

  /// Continues at the letter of `\p{…}` or `\P{…}`.
  private mutating func property(word: CharacterClass) throws(ExpressionError) -> CharacterClass {
    let letter = take()!
    position += 1
    let isInverted = skip("^")
    let name = run { $0 != "}" }
    let text = "\\\(letter){\(isInverted ? "^" : "")\(name)}"
    guard skip("}") else { throw malformed("\\\(letter){ is not closed") }
    guard let named = CharacterClass.property(name, word: word, isKnown: hasProperty) else {
      throw unsupported(text)
    }
    return (letter == "P") != isInverted ? named.inverted : named
  }

  /// Continues behind the backslash of an escape that means one character.
  private mutating func scalarEscape() throws(ExpressionError) -> Unicode.Scalar {
    guard let letter = take() else { throw malformed("it ends in a backslash") }
    switch letter {
    case "t": return "\t"
    case "n": return "\n"
    case "r": return "\r"
    case "f": return "\u{C}"
    case "v": return "\u{B}"
    case "a": return "\u{7}"
    case "e": return "\u{1B}"
    case "0":
      return try scalar(run(2) { ("0"..."7").contains($0) }, radix: 8, of: "\\0")
    case "u":
      return try scalar(run(4, while: \.properties.isASCIIHexDigit), radix: 16, of: "\\u", count: 4)
    case "x" where skip("{"):
      let digits = run(while: \.properties.isASCIIHexDigit)
      guard skip("}") else { throw unsupported("\\x{ with more than one number") }
      return try scalar(digits, radix: 16, of: "\\x{")
    case "x":
      let digits = run(2, while: \.properties.isASCIIHexDigit)
      let value = try scalar(digits, radix: 16, of: "\\x")
      // A byte of UTF-8.
      guard value.isASCII, !digits.isEmpty else { throw unsupported("\\x\(digits)") }
      return value
    case "g", "k", "X", "y", "Y", "c", "C", "M", "o", "Q", "E": throw unsupported("\\\(letter)")
    default: return letter
    }
  }

  private func scalar(
    _ digits: String, radix: Int, of escape: String, count: Int? = nil
  ) throws(ExpressionError) -> Unicode.Scalar {
    guard count == nil || digits.count == count,
      let value = digits.isEmpty ? 0 : UInt32(digits, radix: radix), let scalar = Unicode.Scalar(value)
    else { throw malformed("\(escape)\(digits) is no character") }
    return scalar
  }

  /// A character by its number.
  private func code(of scalar: Unicode.Scalar) -> String { "\\x{\(String(scalar.value, radix: 16))}" }

  // MARK: Classes

  /// Continues behind `[`.
  private mutating func characterClass() throws(ExpressionError) -> CharacterClass {
    try enter()
    defer { depth -= 1 }
    let isNegated = skip("^")
    var operands: [CharacterClass] = []
    var current = CharacterClass()
    // A bracket at once stands for itself.
    if skip("]") { current.items += code(of: "]") }
    while !skip("]") {
      if skip("&&") {
        operands.append(current)
        current = CharacterClass()
      } else if let posix = try posixBracket() {
        current.formUnion(posix)
      } else if skip("[") {
        current.formUnion(try characterClass())
      } else {
        try addElement(to: &current)
      }
    }
    operands.append(current)
    if operands.contains(where: \.isEmpty) { throw unsupported("an intersection with nothing") }
    let result = CharacterClass.intersection(of: operands)
    return isNegated ? result.inverted : result
  }

  /// A character, a range of them or an escape.
  private mutating func addElement(to current: inout CharacterClass) throws(ExpressionError) {
    if next == "\\" {
      position += 1
      if let named = try classEscape() {
        if next == "-", following != "]" { throw malformed("a range begins with a class") }
        return current.formUnion(named)
      }
      position -= 1
    }
    let low = try classScalar()
    current.items += code(of: low)
    guard next == "-", let following, following != "]", following != "[" else { return }
    position += 1
    let start = position
    if skip("\\"), try classEscape() != nil { throw malformed("a range ends with a class") }
    position = start
    let high = try classScalar()
    guard low <= high else { throw malformed("the range \(low)-\(high) is empty") }
    current.items += "-" + code(of: high)
  }

  /// A character as it stands, or an escape that means one.
  private mutating func classScalar() throws(ExpressionError) -> Unicode.Scalar {
    guard let scalar = take() else { throw malformed("a [ is not closed") }
    guard scalar == "\\" else { return scalar }
    switch next {
    case "b":
      position += 1
      return "\u{8}"
    case .some("1"..."7"):
      let digits = run(3) { ("0"..."7").contains($0) }
      return try self.scalar(digits, radix: 8, of: "\\")
    default: return try scalarEscape()
    }
  }

  /// `[:alpha:]` or `[:^alpha:]`, if one is next.
  private mutating func posixBracket() throws(ExpressionError) -> CharacterClass? {
    let start = position
    guard skip("[:") else { return nil }
    let isNegated = skip("^")
    let name = run(while: Self.isWord)
    guard skip(":]") else {
      position = start
      return nil
    }
    guard let named = CharacterClass.posix(name) else {
      throw unsupported("[:\(isNegated ? "^" : "")\(name):]")
    }
    return isNegated ? named.inverted : named
  }
}
