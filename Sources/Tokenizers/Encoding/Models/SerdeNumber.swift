/// Numbers of JSON as the Rust library serde_json reads them, which the reference has its scores from.
enum SerdeNumber {
  /// The number of a literal of JSON; `nil` for one beyond the range of a double.
  ///
  /// serde_json divides the digits, as far as they fit into 64 bits, by a power of ten, which rounds twice: the
  /// last bit of every fourth score or so is another one than that of the nearest double. It decides where two
  /// ways to cut a text have scores that are equal but for rounding.
  static func value(of literal: String) -> Double? {
    var digits = Substring(literal).utf8
    let isNegative = digits.first == UInt8(ascii: "-")
    if isNegative { digits.removeFirst() }
    var significand: UInt64 = 0
    var exponent = 0
    var isFull = false
    var isFraction = false
    while let byte = digits.first, byte == UInt8(ascii: ".") || isDigit(byte) {
      digits.removeFirst()
      guard isDigit(byte) else {
        isFraction = true
        continue
      }
      let (tens, overflows) = significand.multipliedReportingOverflow(by: 10)
      let (sum, carries) = tens.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
      isFull = isFull || overflows || carries
      if isFull {
        if !isFraction { exponent += 1 }
      } else {
        significand = sum
        if isFraction { exponent -= 1 }
      }
    }
    if !digits.isEmpty {
      let power = Int(String(digits.dropFirst()) ?? "") ?? 0
      // Far beyond any double, on either side.
      exponent += max(-100_000, min(100_000, power))
    }
    return scaled(Double(significand), by: exponent).map { isNegative ? -$0 : $0 }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }

  private static func scaled(_ significand: Double, by exponent: Int) -> Double? {
    var (value, exponent) = (significand, exponent)
    while exponent < -308, value != 0 {
      value /= 1e308
      exponent += 308
    }
    guard value != 0 else { return 0 }
    guard exponent <= 308, let power = powers[abs(exponent)] else { return nil }
    value = exponent < 0 ? value / power : value * power
    return value.isFinite ? value : nil
  }

  /// The doubles nearest to the powers of ten.
  private static let powers = (0...308).map { Double("1e\($0)") }
}
