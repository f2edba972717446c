import CUTF8Proc

/// Unicode's normal forms.
enum NormalForm: String, Sendable {
  case nfc = "NFC"
  case nfd = "NFD"
  case nfkc = "NFKC"
  case nfkd = "NFKD"

  /// The text in this form. ASCII is in every form already.
  func normalize(_ text: [UInt8]) -> [UInt8] {
    guard !text.withUnsafeBufferPointer({ $0.isASCII }) else { return text }
    var options = UTF8PROC_STABLE.rawValue
    switch self {
    case .nfc: options |= UTF8PROC_COMPOSE.rawValue
    case .nfd: options |= UTF8PROC_DECOMPOSE.rawValue
    case .nfkc: options |= UTF8PROC_COMPOSE.rawValue | UTF8PROC_COMPAT.rawValue
    case .nfkd: options |= UTF8PROC_DECOMPOSE.rawValue | UTF8PROC_COMPAT.rawValue
    }
    var result: UnsafeMutablePointer<UInt8>?
    let count = text.withUnsafeBufferPointer {
      utf8proc_map($0.baseAddress, $0.count, &result, utf8proc_option_t(rawValue: options))
    }
    // Fails on invalid UTF-8, which a text here never is, and where no memory is left.
    guard count >= 0, let result else { fatalError("utf8proc: \(String(cString: utf8proc_errmsg(count)))") }
    defer { result.deallocate() }
    return Array(UnsafeBufferPointer(start: result, count: count))
  }
}
