/// A set of characters, as PCRE2 is to look for one of them.
struct CharacterClass {
  /// What stands between the brackets of a class.
  var items = ""
  /// Patterns of one character that no item can say, such as intersections; they belong to the set, too.
  var others: [String] = []
  /// Whether the set is of all other characters.
  var isNegated = false

  /// A pattern that matches one character of the set.
  var pattern: String {
    guard !others.isEmpty else { return isNegated ? "[^\(items)]" : "[\(items)]" }
    let alternatives = (items.isEmpty ? [] : ["[\(items)]"]) + others
    let union = alternatives.count == 1 ? alternatives[0] : "(?>\(alternatives.joined(separator: "|")))"
    return isNegated ? "(?:(?!\(union))(?s:.))" : union
  }

  var isEmpty: Bool { items.isEmpty && others.isEmpty }

  var inverted: CharacterClass { CharacterClass(items: items, others: others, isNegated: !isNegated) }

  /// Adds the characters of another set.
  mutating func formUnion(_ other: CharacterClass) {
    if other.isNegated || !other.others.isEmpty {
      others.append(other.pattern)
    } else {
      items += other.items
    }
  }

  /// The characters that are in all of some sets.
  static func intersection(of sets: [CharacterClass]) -> CharacterClass {
    guard sets.count > 1 else { return sets[0] }
    let conditions = sets.dropFirst().map {
      $0.isNegated ? "(?!\($0.inverted.pattern))" : "(?=\($0.pattern))"
    }
    return CharacterClass(others: ["(?:\(conditions.joined())\(sets[0].pattern))"])
  }

  // MARK: Those with names

  /// Unicode's property White_Space: `\s` of PCRE2 has U+180E, too.
  static let space = CharacterClass(
    items: #"\x09-\x0D\x20\x85\xA0\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}"#)
  static let digit = CharacterClass(items: #"\p{Nd}"#)
  static let hexadecimalDigit = CharacterClass(items: "0-9A-Fa-f")
  /// `\w` in classes; PCRE2 takes all numbers for it, and no marks.
  static let word = CharacterClass(items: #"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}"#)
  /// `\w` elsewhere, for which Oniguruma has another table, with six more signs of Latin-1.
  static let wordByItself = CharacterClass(items: word.items + #"\xB2\xB3\xB9\xBC-\xBE"#)

  /// A class by its name in brackets, such as `[:alpha:]`.
  static func posix(_ name: String) -> CharacterClass? {
    switch name {
    case "alnum": CharacterClass(items: #"\p{Alphabetic}\p{Nd}"#)
    case "alpha": CharacterClass(items: #"\p{Alphabetic}"#)
    case "ascii": CharacterClass(items: #"\x00-\x7F"#)
    case "blank": CharacterClass(items: #"\x09\p{Zs}"#)
    case "cntrl": CharacterClass(items: #"\p{Cc}"#)
    case "digit": digit
    case "graph": CharacterClass(items: #"\p{Z}\p{Cc}\p{Cs}\p{Cn}"#, isNegated: true)
    case "lower": CharacterClass(items: #"\p{Lowercase}"#)
    case "print": CharacterClass(items: #"\p{Zl}\p{Zp}\p{Cc}\p{Cs}\p{Cn}"#, isNegated: true)
    case "punct": CharacterClass(items: #"\p{P}\p{S}"#)
    case "space": space
    case "upper": CharacterClass(items: #"\p{Uppercase}"#)
    case "xdigit": hexadecimalDigit
    case "word": word
    default: nil
    }
  }

  /// A class by the name of a property of Unicode, in which case, spaces, `-` and `_` do not count.
  ///
  /// `word` is what `\w` means at its place, and `isKnown` says whether PCRE2 has a property. A script's name
  /// alone means the characters of the script here, and in PCRE2 also those that other scripts share with it.
  static func property(
    _ name: String, word: CharacterClass, isKnown: (String) -> Bool
  ) -> CharacterClass? {
    guard name.utf8.allSatisfy({ $0 < 0x80 }) else { return nil }
    let plain = name.filter { !" -_".contains($0) }.lowercased()
    switch plain {
    case "wspace", "whitespace": return space
    case "punct": return CharacterClass(items: #"\p{P}"#)
    case "word": return word
    case "assigned": return CharacterClass(items: #"\P{Cn}"#)
    default: break
    }
    if let named = posix(plain) { return named }
    guard !plain.isEmpty, plain.allSatisfy({ $0.isLetter || $0.isNumber }) else { return nil }
    let candidates =
      categories[plain].map { [$0] } ?? (plain.count > 2 || plain == "yi" ? ["sc:\(plain)", plain] : [plain])
    return candidates.first(where: isKnown).map { CharacterClass(items: "\\p{\($0)}") }
  }

  /// The long names of the general categories, of which PCRE2 knows the short ones.
  private static let categories = [
    "letter": "L", "casedletter": "L&", "lc": "L&", "uppercaseletter": "Lu", "lowercaseletter": "Ll",
    "titlecaseletter": "Lt", "modifierletter": "Lm", "otherletter": "Lo",
    "mark": "M", "combiningmark": "M", "nonspacingmark": "Mn", "spacingmark": "Mc", "enclosingmark": "Me",
    "number": "N", "decimalnumber": "Nd", "letternumber": "Nl", "othernumber": "No",
    "punctuation": "P", "connectorpunctuation": "Pc", "dashpunctuation": "Pd", "openpunctuation": "Ps",
    "closepunctuation": "Pe", "initialpunctuation": "Pi", "finalpunctuation": "Pf", "otherpunctuation": "Po",
    "symbol": "S", "mathsymbol": "Sm", "currencysymbol": "Sc", "modifiersymbol": "Sk", "othersymbol": "So",
    "separator": "Z", "spaceseparator": "Zs", "lineseparator": "Zl", "paragraphseparator": "Zp",
    "other": "C", "control": "Cc", "format": "Cf", "surrogate": "Cs", "privateuse": "Co", "unassigned": "Cn",
  ]
}
