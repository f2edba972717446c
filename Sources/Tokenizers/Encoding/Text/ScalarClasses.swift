/// The classes of characters that tokenizers know, by the versions of Unicode that the reference has.
///
/// The Hugging Face package takes them from several Rust libraries, some of which stopped at Unicode 8 or 9:
/// a character that was assigned later is in no class there. Its tables were compared with these functions
/// over all of Unicode.
enum ScalarClass {
  /// White space, by Unicode's property.
  @inline(__always)
  static func isWhitespace(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return scalar.value == 0x20 || (0x09...0x0D).contains(scalar.value) }
    return scalar.properties.isWhitespace
  }

  /// What `\w` of Rust's regular expressions matches (Unicode 16).
  static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII {
      let lower = scalar.value | 0x20
      return (0x61...0x7A).contains(lower) || (0x30...0x39).contains(scalar.value) || scalar == "_"
    }
    let properties = scalar.properties
    guard scalar.isAssigned(by: 16) else { return false }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
    default: return properties.isAlphabetic || properties.isJoinControl
    }
  }

  /// ASCII's punctuation and symbols, and the punctuation of Unicode 8.
  static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII {
      switch scalar.value {
      case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: return true
      default: return false
      }
    }
    switch scalar.properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
      .finalPunctuation, .otherPunctuation:
      return scalar.isAssigned(by: 8)
    default:
      // Once punctuation, since then a symbol and a mark.
      return scalar.value == 0x166D || scalar.value == 0x111C9
    }
  }

  /// Digits and other numbers.
  static func isNumeric(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return (0x30...0x39).contains(scalar.value) }
    switch scalar.properties.generalCategory {
    case .decimalNumber, .letterNumber, .otherNumber: return true
    default: return false
    }
  }

  /// What BERT's normalizer drops: control and format characters of Unicode 8, and those of private use.
  static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return scalar.value < 0x20 || scalar.value == 0x7F }
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse: return scalar.isAssigned(by: 8)
    default: return false
    }
  }

  /// Marks without width, by Unicode 8: what BERT's normalizer calls accents.
  static func isNonspacingMark(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value < 0x300 { return false }
    switch scalar.value {
    // Their categories were others then.
    case 0x1734, 0x1171E: return true
    case 0x1885, 0x1886, 0xA9BD, 0x111C9: return false
    default: return scalar.properties.generalCategory == .nonspacingMark && scalar.isAssigned(by: 8)
    }
  }

  /// Marks of every kind, by Unicode 9: what the normalizer StripAccents drops.
  static func isCombiningMark(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value < 0x300 { return false }
    switch scalar.value {
    case 0x1CF2, 0x1CF3: return true
    case 0x111C9: return false
    default: break
    }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: return scalar.isAssigned(by: 9)
    default: return false
    }
  }

  /// Whether the reference's normal forms, of Unicode 9, do not know a character.
  @inline(__always)
  static func isNewerThanNormalForms(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    // Most of what texts have.
    case 0..<0x05EF, 0x3041...0x3096, 0x4E00...0x9FD5, 0xAC00...0xD7A3: false
    default: !scalar.isAssigned(by: 9)
    }
  }

  /// All that Unicode 9 knows but the space and what is for private use.
  static func hasScript(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return scalar != " " }
    switch scalar.properties.generalCategory {
    case .privateUse, .unassigned: return false
    default: return scalar.isAssigned(by: 9)
    }
  }

  /// The ideographs that BERT's normalizer puts spaces around.
  static func isIdeograph(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
      0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
      return true
    default: return false
    }
  }
}

extension Unicode.Scalar {
  /// Whether a version of Unicode knows the character; those of private use always.
  fileprivate func isAssigned(by major: Int) -> Bool {
    guard let age = properties.age else { return properties.generalCategory == .privateUse }
    return age.major < major || age.major == major && age.minor == 0
  }
}
