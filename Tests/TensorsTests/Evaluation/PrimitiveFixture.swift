import Foundation
import Tensors
import Testing

/// The cases that scripts/make-primitive-fixtures.py wrote.
struct PrimitiveFixture {
  struct Case: Decodable, CustomTestStringConvertible {
    let name: String
    let operation: String
    let inputs: [Operand]
    let result: Stored
    let ulps: Int?
    let error: Double?
    let dimension: Int?
    let sizes: [Int]?
    let dtype: String?

    var testDescription: String { name }
  }

  struct Stored: Decodable {
    let dtype: String
    let shape: [Int]
    let offset: Int
  }

  enum Operand: Decodable {
    case number(Double)
    case tensor(Stored)

    private enum Keys: CodingKey { case number }

    init(from decoder: any Decoder) throws {
      let keys = try decoder.container(keyedBy: Keys.self)
      guard keys.contains(.number) else {
        self = .tensor(try Stored(from: decoder))
        return
      }
      // JSON has no infinities; they are written as words.
      let word = try? keys.decode(String.self, forKey: .number)
      self = .number(try word.flatMap(Double.init) ?? keys.decode(Double.self, forKey: .number))
    }
  }

  let cases: [Case]
  private let data: Data

  static let shared = try! PrimitiveFixture()

  private init() throws {
    let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let folder = tests.appending(path: "Fixtures/primitives")
    cases = try JSONDecoder().decode(
      [Case].self, from: Data(contentsOf: folder.appending(path: "cases.json")))
    data = try Data(contentsOf: folder.appending(path: "data.bin"))
  }

  func bytes(_ stored: Stored) -> [UInt8] {
    let count = stored.shape.reduce(1, *) * DType(rawValue: stored.dtype)!.byteWidth!
    return Array(data[stored.offset..<stored.offset + count])
  }
}

extension PrimitiveFixture.Case {
  /// The case's expression, with one reference for the caller.
  func build(in bench: Bench) throws -> NodeID {
    let graph = bench.graph
    let nodes = try inputs.map { input in
      switch input {
      case .number(let value): try bench.number(value)
      case .tensor(let stored):
        try bench.stored(
          bytes: PrimitiveFixture.shared.bytes(stored), stored.shape, DType(rawValue: stored.dtype)!)
      }
    }
    defer { nodes.forEach(graph.release) }
    let first = nodes[0]
    if nodes.count == 1, let unary = UnaryOperation.allCases.first(where: { $0.name == operation }) {
      return try graph.unary(unary, first)
    }
    if let binary = BinaryOperation.allCases.first(where: { $0.name == operation }) {
      return try graph.binary(binary, first, nodes[1])
    }
    switch operation {
    case "where": return try graph.select(first, nodes[1], nodes[2])
    case "clamp": return try graph.clamp(first, nodes[1], nodes[2])
    case "to": return try graph.convert(first, to: DType(rawValue: dtype!)!)
    case "sum": return try graph.reduce(.sum, first, dimension: dimension, operation: operation)
    case "min": return try graph.reduce(.minimum, first, dimension: dimension, operation: operation)
    case "max": return try graph.reduce(.maximum, first, dimension: dimension, operation: operation)
    case "dot":
      return try graph.reduce(.dot, first, with: nodes[1], dimension: dimension, operation: operation)
    case "mean": return try graph.mean(first, dimension: dimension)
    case "norm": return try graph.norm(first, dimension: dimension)
    case "var": return try graph.variance(first, dimension: dimension)
    case "count_nonzero": return try graph.countNonzero(first, dimension: dimension)
    case "softmax": return try graph.softmax(first, dimension: dimension)
    case "kth_largest": return try graph.kthLargest(first, k: nodes[1])
    case "topk_mask": return try graph.topMask(first, k: nodes[1])
    case "rank": return try graph.ranks(first, dimension: dimension!)
    case "reshape": return try graph.reshape(first, sizes!)
    case "transpose": return try graph.transpose(first, sizes![0], sizes![1])
    case "narrow": return try graph.narrow(first, dimension: dimension!, start: sizes![0], length: sizes![1])
    case "index_select": return try graph.gather(first, dimension: dimension!, indices: sizes!)
    case "cat": return try graph.concatenate(nodes, dimension: dimension!)
    case "stack": return try graph.stack(nodes, dimension: dimension!)
    case "pad":
      guard case .number(let value) = inputs[1] else { preconditionFailure("pad without a value") }
      return try graph.pad(first, dimension: dimension!, before: sizes![0], after: sizes![1], value: value)
    default: preconditionFailure("no operation \(operation)")
    }
  }

  /// Whether an element may be what is expected; both are of the result's dtype.
  func accepts(_ found: Double, for expected: Double) -> Bool {
    if isSame(found, expected) { return true }
    if let ulps {
      let distance = Double(Float(expected).ulp) * Double(ulps)
      return abs(found - expected) <= distance
    }
    return abs(found - expected) <= error ?? -1
  }
}
