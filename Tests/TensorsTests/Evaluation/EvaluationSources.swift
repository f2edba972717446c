import Glibc
import Synchronization
import Tensors

/// A source in memory that remembers how it was read.
final class RecordingSource: ByteSource {
  private let memory: MemorySource
  private let record = Mutex((largest: 0, total: 0))
  let label: String

  init(_ bytes: [UInt8], label: String = "a recording source") {
    memory = MemorySource(bytes)
    self.label = label
  }

  var byteCount: Int { memory.byteCount }
  var largestRead: Int { record.withLock { $0.largest } }
  var bytesRead: Int { record.withLock { $0.total } }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    record.withLock {
      $0.largest = max($0.largest, buffer.count)
      $0.total += buffer.count
    }
    guard offset >= 0, offset + buffer.count <= byteCount else { throw TestFailure(name: "out of bounds") }
    memory.read(into: buffer, at: offset)
  }
}

/// A source of any size whose elements are computed: float32 element i is i % period.
final class EndlessSource: ByteSource {
  let byteCount: Int
  let label = "an endless source"
  private let period: Int
  private let largest = Mutex(0)

  init(count: Int, period: Int) {
    byteCount = count * 4
    self.period = period
  }

  var largestRead: Int { largest.withLock { $0 } }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    largest.withLock { $0 = max($0, buffer.count) }
    let elements = buffer.bindMemory(to: Float.self)
    var value = offset / 4 % period
    for index in elements.indices {
      elements[index] = Float(value)
      value += 1
      if value == period { value = 0 }
    }
  }
}

/// A sink that keeps nothing but what it was asked.
final class CountingSink: ByteSink {
  private let record = Mutex((largest: 0, total: 0))

  var largestWrite: Int { record.withLock { $0.largest } }
  var bytesWritten: Int { record.withLock { $0.total } }

  func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) {
    record.withLock {
      $0.largest = max($0.largest, buffer.count)
      $0.total += buffer.count
    }
  }
}

/// What failing sources, sinks and functions throw.
struct TestFailure: Error, Equatable {
  var name: String
}

/// A source that fails from some byte on.
final class FailingSource: ByteSource {
  let byteCount: Int
  let label = "a failing source"
  private let good: Int
  private let failure: TestFailure

  init(byteCount: Int, good: Int, _ name: String) {
    self.byteCount = byteCount
    self.good = good
    failure = TestFailure(name: name)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    guard offset + buffer.count <= good else { throw failure }
    buffer.initializeMemory(as: UInt8.self, repeating: 0)
  }
}

/// A sink that takes nothing.
final class FailingSink: ByteSink {
  func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws { throw TestFailure(name: "sink") }
}

/// A source that waits until it is opened, then holds zeros.
final class GatedSource: ByteSource {
  let byteCount: Int
  let label = "a gated source"
  private let isOpen = Atomic(false)

  init(byteCount: Int) { self.byteCount = byteCount }

  func open() { isOpen.store(true, ordering: .releasing) }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    while !isOpen.load(ordering: .acquiring) { usleep(200) }
    buffer.initializeMemory(as: UInt8.self, repeating: 0)
  }
}
