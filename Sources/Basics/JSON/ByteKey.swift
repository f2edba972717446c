import Glibc

/// A string that hashes and compares by its bytes; `String` itself equates canonically equivalent ones.
package struct ByteKey: Hashable {
  package let string: String
  /// Kept, so that a growing dictionary does not read every key again.
  let bytesHash: Int

  package init(string: String) {
    self.string = string
    var hasher = Hasher()
    string.withBytes { hasher.combine(bytes: $0) }
    bytesHash = hasher.finalize()
  }

  package static func == (left: ByteKey, right: ByteKey) -> Bool {
    left.bytesHash == right.bytesHash && left.string.hasSameBytes(as: right.string)
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(bytesHash)
  }
}

extension String {
  /// Whether both have the same UTF-8.
  package func hasSameBytes(as other: String) -> Bool {
    guard utf8.count == other.utf8.count else { return false }
    return withBytes { left in
      other.withBytes { right in
        guard let first = left.baseAddress, let second = right.baseAddress else { return true }
        return memcmp(first, second, left.count) == 0
      }
    }
  }

  /// Calls `body` with the UTF-8.
  fileprivate func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    utf8.withContiguousStorageIfAvailable { body(UnsafeRawBufferPointer($0)) }
      ?? Array(utf8).withUnsafeBytes(body)
  }
}
