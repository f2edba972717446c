import Tensors
import Testing

/// What storing finds in elements: those that are not finite, and copies that differ.
@Suite struct StoreFindingsTests {
  private func findings(
    _ bench: Bench, _ node: NodeID, as dtype: DType
  ) throws -> (findings: StoreFindings, bytes: [UInt8]) {
    let target = MemorySource(byteCount: dtype.byteCount(bench.graph.shape(of: node).count)!)
    let findings = StoreFindings()
    let evaluator = bench.evaluator()
    var outcome: Result<Void, any Error>?
    try evaluator.store(node, Evaluator.Target(sink: target, dtype: dtype, findings: findings)) {
      outcome = $0
    }
    try evaluator.finish()
    try outcome!.get()
    return (findings, target.bytes)
  }

  private static let dtypes: [DType] = [.f64, .f32, .f16, .bf16, .f8e5m2]

  /// Counts are those of the elements as they are stored, for any threads and tiles.
  @Test func elementsThatAreNotFiniteAreCounted() throws {
    var elements = (0..<10_000).map { Float($0 % 7) }
    elements[3] = .nan
    elements[5000] = .infinity
    elements[9999] = -.infinity
    let expected = StoreFindings.NonFinite(nans: 1, infinities: 2)
    withEvery("dtype", in: Self.dtypes) { dtype in
      for (threads, tileSize) in [(1, nil), (2, 1000), (3, 7)] as [(Int, Int?)] {
        let bench = Bench(threads: threads, tileSize: tileSize)
        let stored = try bench.stored(elements, [100, 100], dtype)
        // Computed, and copied.
        let computed = try bench.graph.binary(.multiply, stored, bench.number(2))
        #expect(try findings(bench, computed, as: dtype).findings.nonFinite == expected)
        #expect(try findings(bench, stored, as: dtype).findings.nonFinite == expected)
      }
    }
  }

  @Test func overflowIsFoundWhereItIsStored() throws {
    let bench = Bench()
    let large = try bench.graph.binary(.multiply, bench.stored([1, 2, 3], [3], .f32), bench.number(30_000))
    #expect(try findings(bench, large, as: .f32).findings.isEmpty)
    #expect(try findings(bench, large, as: .f16).findings.nonFinite == .init(nans: 0, infinities: 1))
    #expect(try findings(bench, large, as: .bf16).findings.isEmpty)
    // What is too large for this format is NaN.
    #expect(try findings(bench, large, as: .f8e4m3).findings.nonFinite == .init(nans: 3, infinities: 0))
  }

  @Test func finiteElementsAreNoFindings() throws {
    let bench = Bench()
    withEvery("dtype", in: Self.dtypes) { dtype in
      let node = try bench.stored([0, -0, 1, -57_344, 6e-5], [5], dtype)
      #expect(try findings(bench, node, as: dtype).findings.isEmpty)
    }
    #expect(try findings(bench, bench.stored([Float](), [0], .f32), as: .f32).findings.isEmpty)
  }

  /// Every code of the formats of one and two bytes, alone and at the end of a row of zeros.
  @Test(arguments: Conversion.Level.available)
  func codesAreToldApart(level: Conversion.Level) {
    for dtype in [DType.f16, .bf16, .f8e4m3, .f8e5m2] {
      let width = dtype.byteWidth!
      for code in 0..<(1 << (8 * width)) {
        var bytes = [UInt8](repeating: 0, count: 70 * width)
        for byte in 0..<width { bytes[69 * width + byte] = UInt8(truncatingIfNeeded: code >> (8 * byte)) }
        bytes.withUnsafeBytes { raw in
          let last = raw.baseAddress! + 69 * width
          let isFinite = Conversion.loadDouble(from: last, dtype: dtype).isFinite
          for (start, count) in [(last, 1), (raw.baseAddress!, 70)] {
            let found = Conversion.hasNonFinite(start, dtype: dtype, count: count, level: level)
            if found == isFinite { Issue.record("\(dtype.rawValue) \(code)") }
          }
        }
      }
    }
  }

  // MARK: Copies

  @Test func copiesThatDifferAreErrorsOrFindings() throws {
    let bench = Bench()
    let nodes = try [[1, 2], [1, 2], [1, 3], [1, 4]].enumerated().map { position, bytes in
      try bench.stored(bytes: bytes.map(UInt8.init), [2], .u8, label: "file \(position)")
    }
    let loose = try bench.graph.identical(nodes, isRequired: false)
    let found = try findings(bench, loose, as: .u8)
    #expect(found.bytes == [1, 2])
    #expect(found.findings.differing?.first == "file 0")
    #expect(found.findings.differing?.other == "file 2")
    #expect(
      try findings(bench, bench.graph.identical(Array(nodes[..<2]), isRequired: false), as: .u8).findings
        .isEmpty)
    // Nobody asks.
    #expect(try bench.bytes(loose, as: .u8) == [1, 2])
    #expect(throws: TensorError.self) { try findings(bench, bench.graph.identical(nodes), as: .u8) }
  }
}
