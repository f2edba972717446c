/// A name in quotes, with its quotes and control characters escaped.
package func quoted(_ name: String) -> String { JSON.string(name).text(.compact) }

/// `0x0A`.
package func hexadecimal(_ byte: UInt8) -> String {
  "0x" + (byte < 0x10 ? "0" : "") + String(byte, radix: 16, uppercase: true)
}
