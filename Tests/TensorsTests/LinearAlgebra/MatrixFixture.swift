import Foundation
import Tensors
import Testing

/// The cases that scripts/make-linear-algebra-fixtures.py wrote.
struct MatrixFixture {
  struct Place: Decodable {
    let shape: [Int]
    let offset: Int
  }

  private let cases: [String: [String: Place]]
  private let data: [UInt8]

  static let shared = try! MatrixFixture()

  private init() throws {
    let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let folder = tests.appending(path: "Fixtures/linear-algebra")
    cases = try JSONDecoder().decode(
      [String: [String: Place]].self, from: Data(contentsOf: folder.appending(path: "cases.json")))
    data = try Array(Data(contentsOf: folder.appending(path: "data.bin")))
  }

  /// The elements of a matrix of a case.
  func elements(_ name: String, _ key: String) throws -> [Float] {
    let place = try #require(cases[name]?[key])
    let count = place.shape.reduce(1, *)
    return decode(Array(data[place.offset..<place.offset + count * 4]), .f32).map { Float($0) }
  }

  /// The matrix as a stored tensor.
  func tensor(_ name: String, _ key: String, in bench: Bench) throws -> NodeID {
    try bench.tensor(elements(name, key), #require(cases[name]?[key]).shape)
  }
}

/// Expects two lists to differ by no more than a part of the largest number expected.
func expectClose(
  _ found: [Float], _ expected: [Float], within tolerance: Float = 1e-5, _ what: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard found.count == expected.count else {
    Issue.record(
      "\(what): \(found.count) elements instead of \(expected.count)", sourceLocation: sourceLocation)
    return
  }
  let scale = expected.reduce(0) { max($0, $1.magnitude) }
  guard
    let index = found.indices.first(where: { !((found[$0] - expected[$0]).magnitude <= tolerance * scale) })
  else { return }
  Issue.record(
    "\(what): element \(index): expected \(expected[index]), found \(found[index])",
    sourceLocation: sourceLocation)
}
