import CUTF8Proc

/// Unicode's normal forms, by the version 9 that the reference has: characters that were assigned later stay as
/// they are, and nothing is composed with them or moves past them.
enum NormalForm: String, Sendable {
  case nfc = "NFC"
  case nfd = "NFD"
  case nfkc = "NFKC"
  case nfkd = "NFKD"

  /// The text in this form. ASCII is in every form already.
  func normalize(_ text: [UInt8]) -> [UInt8] {
    text.withUnsafeBufferPointer { bytes in
      guard !bytes.isASCII else { return text }
      var result: [UInt8] = []
      result.reserveCapacity(text.count + text.count / 8)
      var position = 0
      var start = 0
      while position < bytes.count {
        let end = position
        if ScalarClass.isNewerThanNormalForms(bytes.nextScalar(&position)) {
          append(bytes[part: start..<end], to: &result)
          result.append(contentsOf: bytes[end..<position])
          start = position
        }
      }
      append(bytes[part: start..<bytes.count], to: &result)
      return result
    }
  }

  private func append(_ part: UTF8Bytes, to result: inout [UInt8]) {
    guard !part.isEmpty else { return }
    var options = UTF8PROC_STABLE.rawValue
    switch self {
    case .nfc: options |= UTF8PROC_COMPOSE.rawValue
    case .nfd: options |= UTF8PROC_DECOMPOSE.rawValue
    case .nfkc: options |= UTF8PROC_COMPOSE.rawValue | UTF8PROC_COMPAT.rawValue
    case .nfkd: options |= UTF8PROC_DECOMPOSE.rawValue | UTF8PROC_COMPAT.rawValue
    }
    var normalized: UnsafeMutablePointer<UInt8>?
    let count = utf8proc_map(
      part.baseAddress, part.count, &normalized, utf8proc_option_t(rawValue: options))
    // Fails on invalid UTF-8, which a text here never is, and where no memory is left.
    guard count >= 0, let normalized else {
      fatalError("utf8proc: \(String(cString: utf8proc_errmsg(count)))")
    }
    defer { normalized.deallocate() }
    result.append(contentsOf: UnsafeBufferPointer(start: normalized, count: count))
  }
}
