import Foundation

/// A path below Tests/Fixtures.
package func fixture(_ name: String) -> String {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures").appendingPathComponent(name).path
}

/// Whether two lists of elements are as near as float32 arithmetic allows.
package func isClose(_ found: [Float], _ expected: [Double], relative: Double = 2e-6, absolute: Double = 1e-7)
  -> Bool
{
  found.count == expected.count
    && zip(found, expected).allSatisfy { found, expected in
      found.isNaN && expected.isNaN
        || abs(Double(found) - expected) <= absolute + relative * abs(expected)
        || Double(found) == expected
    }
}
