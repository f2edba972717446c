import Synchronization
import Tensors
import TestSupport
import Testing

/// Expressions under way at once: what they share, and what becomes of them when something fails.
@Suite struct EvaluatorTests {
  /// Completions in the order in which they came.
  private final class Outcomes {
    var list: [(name: String, failure: (any Error)?)] = []

    func completion(_ name: String) -> (Result<Void, any Error>) -> Void {
      { result in
        switch result {
        case .success: self.list.append((name, nil))
        case .failure(let error): self.list.append((name, error))
        }
      }
    }

    subscript(_ name: String) -> (any Error)?? { list.first { $0.name == name }.map(\.failure) }
  }

  @Test(arguments: [1, 3])
  func expressionsShareBarriersThatAreUnderWay(_ threads: Int) throws {
    let bench = Bench(threads: threads)
    let elements = noise(1000)
    // Opened only when all expressions are planned.
    let gate = GatedSource(byteCount: 4)
    let closed = try bench.stored(gate, [1], .f32)
    let source = RecordingSource(encode(elements, .f32))
    let x = try bench.graph.binary(.add, bench.stored(source, [1000], .f32), closed)
    let norm = try bench.graph.norm(x, dimension: nil)
    let evaluator = bench.evaluator()
    let outcomes = Outcomes()
    let targets = (0..<20).map { _ in MemorySource(byteCount: 4000) }
    for (index, target) in targets.enumerated() {
      let factor = try bench.graph.binary(.multiply, norm, bench.number(Double(index)))
      try evaluator.store(
        bench.graph.binary(.multiply, x, factor), as: .f32, to: target,
        completion: outcomes.completion("\(index)"))
    }
    #expect(evaluator.jobCount == 20)
    gate.open()
    try evaluator.finish()
    #expect(outcomes.list.count == 20 && outcomes.list.allSatisfy { $0.failure == nil })
    #expect(source.bytesRead == 4000 * 21, "the norm is computed once")
    let exact = elements.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    for (index, target) in targets.enumerated() {
      let found = decode(target.bytes, .f32)
      #expect(abs(found[3] - Double(elements[3]) * exact * Double(index)) <= 1e-6 * exact * Double(index))
    }
  }

  @Test(arguments: [DType.bf16, .f16, .f8e4m3, .f8e5m2])
  func whatIsRoundedToTheDtypeOfItsTargetIsStoredTheSame(_ dtype: DType) throws {
    let bench = Bench()
    let evaluator = bench.evaluator()
    let x = try bench.graph.binary(.multiply, bench.tensor(noise(1000), [1000]), bench.number(3))
    let targets = (0..<2).map { _ in MemorySource(byteCount: 1000 * dtype.bitWidth / 8) }
    try evaluator.store(x, as: dtype, to: targets[0]) { _ in }
    try evaluator.store(bench.graph.convert(x, to: dtype), as: dtype, to: targets[1]) { _ in }
    try evaluator.finish()
    #expect(targets[0].bytes == targets[1].bytes)
  }

  @Test func aFailureReachesThoseThatWaitForIt() throws {
    let bench = Bench()
    let evaluator = bench.evaluator()
    let outcomes = Outcomes()
    let bad = try bench.stored(FailingSource(byteCount: 400, good: 0, "source"), [100], .f32)
    let good = try bench.tensor(noise(100), [100])
    let badNorm = try bench.graph.norm(bad, dimension: nil)
    let goodNorm = try bench.graph.norm(good, dimension: nil)
    func store(_ name: String, _ node: NodeID) throws {
      try evaluator.store(
        node, as: .f32, to: MemorySource(byteCount: 400), completion: outcomes.completion(name))
    }
    try store("both", bench.graph.binary(.multiply, good, bench.graph.binary(.add, badNorm, goodNorm)))
    try store("waits", bench.graph.binary(.add, good, badNorm))
    try store(
      "waits for both", bench.graph.binary(.divide, good, bench.graph.binary(.divide, goodNorm, badNorm)))
    try store("needs the good one", bench.graph.binary(.add, good, goodNorm))
    try store("apart", bench.graph.unary(.negate, good))
    try evaluator.finish()
    #expect(outcomes.list.count == 5)
    for name in ["both", "waits", "waits for both"] {
      #expect(outcomes[name] as? TestFailure == TestFailure(name: "source"), "\(name)")
    }
    #expect(outcomes["apart"] as? TestFailure == nil)
    // The evaluator goes on.
    let outcome = try bench.value(bench.graph.reduce(.sum, good, operation: "sum"))
    #expect(abs(outcome - noise(100).reduce(0.0) { $0 + Double($1) }) < 1e-9)
  }

  @Test(arguments: [1, 2, 7])
  func failuresInTheMiddleOfASourceAndOfASink(_ threads: Int) throws {
    let bench = Bench(threads: threads, tileSize: 100)
    let evaluator = bench.evaluator()
    let outcomes = Outcomes()
    let bad = try bench.stored(FailingSource(byteCount: 1_200_000, good: 900_000, "late"), [300_000], .f32)
    let good = try bench.graph.filled(Shape([300_000]), with: 1)
    let sink = CountingSink()
    try evaluator.store(
      bench.graph.binary(.add, bad, good), as: .f32, to: sink, completion: outcomes.completion("read"))
    try evaluator.store(bad, as: .f32, to: CountingSink(), completion: outcomes.completion("copy"))
    try evaluator.store(good, as: .bf16, to: FailingSink(), completion: outcomes.completion("write"))
    try evaluator.finish()
    #expect(outcomes["read"] as? TestFailure == TestFailure(name: "late"))
    #expect(outcomes["copy"] as? TestFailure == TestFailure(name: "late"))
    #expect(outcomes["write"] as? TestFailure == TestFailure(name: "sink"))
    #expect(sink.bytesWritten <= 900_000)
  }

  /// Expressions that are stored together read what they share once, also where one waits for another's
  /// barrier.
  @Test func severalAtOnce() throws {
    let bench = Bench()
    let source = RecordingSource(encode([1, 2, 3, 4], .f32))
    let x = try bench.stored(source, [4], .f32)
    let scaled = try bench.graph.binary(.multiply, x, bench.graph.reduce(.sum, x, operation: "sum"))
    let other = try bench.stored([5, 6], [2], .f32)
    let nodes = [
      try bench.graph.unary(.negate, x), scaled, x, scaled, try bench.graph.unary(.negate, other),
    ]
    let targets = nodes.map { MemorySource(byteCount: bench.graph.shape(of: $0).count * 4) }
    let evaluator = bench.evaluator()
    var ends = 0
    try evaluator.store(
      zip(nodes, targets).map { ($0, Evaluator.Target(sink: $1, dtype: .f32)) }
    ) { result in
      if case .success = result { ends += 1 }
    }
    try evaluator.finish()
    #expect(ends == 1)
    #expect(
      targets.map { decode($0.bytes, .f32) }
        == [[-1, -2, -3, -4], [10, 20, 30, 40], [1, 2, 3, 4], [10, 20, 30, 40], [-5, -6]])
    // Once for the sum, once for the two results, once for the copy.
    #expect(source.bytesRead == 3 * 16)

    var failures: [String] = []
    let failing = Evaluator.Target(sink: FailingSink(), dtype: .f32)
    try evaluator.store([(nodes[0], failing), (nodes[4], failing)]) { failures.append("\($0)") }
    try evaluator.finish()
    #expect(failures.count == 1)
    var isDone = false
    try evaluator.store([]) { _ in isDone = true }
    #expect(isDone)
  }

  @Test func cancellingDropsEverything() throws {
    let bench = Bench()
    let gate = GatedSource(byteCount: 4_000_000)
    let x = try bench.stored(gate, [1_000_000], .f32)
    let before = bench.graph.liveCount
    let evaluator = bench.evaluator()
    let outcomes = Outcomes()
    let norm = try bench.graph.norm(x, dimension: nil)
    for _ in 0..<3 {
      let scaled = try bench.graph.binary(.multiply, x, norm)
      try evaluator.store(scaled, as: .bf16, to: CountingSink(), completion: outcomes.completion("scaled"))
      bench.graph.release(scaled)
    }
    try evaluator.store(x, as: .f32, to: CountingSink(), completion: outcomes.completion("copy"))
    bench.graph.release(norm)
    gate.open()
    evaluator.cancel()
    #expect(evaluator.jobCount == 0 && outcomes.list.isEmpty)
    #expect(bench.graph.liveCount == before)
    try evaluator.advance(waiting: true)
    // It can be used again.
    #expect(try evaluator.value(of: bench.graph.reduce(.sum, x, operation: "sum")) == 0)
  }

  @Test func anEvaluatorMayGoWhileWorkIsUnderWay() throws {
    let bench = Bench()
    let x = try bench.stored(EndlessSource(count: 10_000_000, period: 7), [10_000_000], .f32)
    weak var gone: Evaluator?
    do {
      let evaluator = bench.evaluator()
      gone = evaluator
      try evaluator.store(bench.graph.unary(.exp, x), as: .f32, to: CountingSink()) { _ in }
    }
    #expect(gone == nil)
  }

  @Test func anInterruptEndsTheWait() throws {
    let bench = Bench()
    let gate = GatedSource(byteCount: 4)
    let x = try bench.stored(gate, [1], .f32)
    let asked = Counter()
    // It comes when it is asked for the second time.
    let options = Evaluator.Options(threads: 1, isInterrupted: { asked.next() > 1 })
    let evaluator = Evaluator(graph: bench.graph, options: options)
    #expect(throws: TensorError.cancelled) {
      try evaluator.value(of: bench.graph.reduce(.sum, x, operation: "sum"))
    }
    gate.open()
    evaluator.cancel()
    #expect("\(TensorError.cancelled)" == "interrupted")
  }

  private final class Counter: Sendable {
    private let count = Mutex(0)
    func next() -> Int {
      count.withLock {
        $0 += 1
        return $0
      }
    }
  }

  @Test func completionsMayAskForMore() throws {
    let bench = Bench()
    let evaluator = bench.evaluator()
    let x = try bench.tensor([1, 2, 3], [3])
    let sum = try bench.graph.reduce(.sum, x, operation: "sum")
    var found: [Double] = []
    try evaluator.store(bench.graph.binary(.add, x, sum), as: .f32, to: MemorySource(byteCount: 12)) { _ in
      found.append(try! evaluator.value(of: bench.graph.norm(x, dimension: nil)))
      try! evaluator.store(bench.graph.unary(.negate, x), as: .f32, to: MemorySource(byteCount: 12)) { _ in
        found.append(-1)
      }
    }
    try evaluator.finish()
    #expect(found == [(14.0).squareRoot(), -1])
  }

  // MARK: Deferred calls

  @Test func deferredCallsRunOnceOnNumbers() throws {
    let bench = Bench()
    let x = try bench.tensor([3, 4], [2])
    let norm = try bench.graph.norm(x, dimension: nil)
    let sum = try bench.graph.reduce(.sum, x, operation: "sum")
    var calls: [[Double]] = []
    let results = try bench.graph.deferred(
      [norm, sum, bench.number(2)],
      DeferredCall(outputs: 3) { inputs in
        calls.append(inputs)
        return [inputs[0] * inputs[1], inputs[2]]
      })
    #expect(calls.isEmpty)
    let scaled = try bench.graph.binary(.multiply, x, results[0])
    #expect(try bench.compute(bench.graph.binary(.add, scaled, results[1])) == [107, 142])
    // What the function leaves out is not a number.
    #expect(try bench.value(results[2]).isNaN)
    #expect(calls == [[5, 7, 2]])
    results.forEach(bench.graph.release)
    let nested = try bench.graph.deferred(
      [bench.number(1)], DeferredCall(outputs: 1) { _ in [try bench.evaluator().value(of: sum)] })
    #expect(try bench.value(nested[0]) == 7)
  }

  @Test func deferredCallsMayFail() throws {
    let bench = Bench()
    let x = try bench.tensor([3, 4], [2])
    let evaluator = bench.evaluator()
    let sum = try bench.graph.reduce(.sum, x, operation: "sum")
    let lazy = try bench.graph.norm(x, dimension: nil)
    let results = try bench.graph.deferred(
      [sum], DeferredCall(outputs: 1) { _ in throw TestFailure(name: "deferred") })
    #expect(throws: TestFailure(name: "deferred")) { try evaluator.value(of: results[0]) }
    let asking = try bench.graph.deferred(
      [sum], DeferredCall(outputs: 1) { _ in [try evaluator.value(of: lazy)] })
    #expect(throws: TensorError.inDeferred(operation: "item")) { try evaluator.value(of: asking[0]) }
    #expect(throws: TensorError.needsScalar(operation: "defer", Shape([2]))) {
      try bench.graph.deferred([x], DeferredCall(outputs: 1) { $0 })
    }
  }

  @Test func onlyOneElementHasAValue() throws {
    let bench = Bench()
    #expect(throws: TensorError.needsScalar(operation: "item", Shape([2]))) {
      try bench.value(bench.tensor([1, 2], [2]))
    }
    #expect(try bench.value(bench.tensor([0.5], [])) == 0.5)
    #expect(try bench.value(bench.tensor([0.5], [1, 1, 1])) == 0.5)
    #expect(try bench.value(bench.number(1.1)) == 1.1)
  }
}
