/// Reads a box of elements that lie apart in a source, in the box's own order.
///
/// Runs that are contiguous in the source are read as one, also where they are spread over the box: a
/// transposed tile is read by the source's rows.
struct StridedRead {
  let source: any ByteSource
  let width: Int

  func read(_ element: Int, _ axes: ArraySlice<IndexMap.Axis>, into target: UnsafeMutableRawPointer) throws {
    // Positions in the target, beside those in the source.
    var box: [(size: Int, stride: Int, step: Int)] = []
    var step = 1
    for axis in axes.reversed() {
      box.append((axis.size, axis.stride, step))
      step *= axis.size
    }
    let count = step
    guard count > 0 else { return }
    // What repeats is read once and copied afterwards; what is contiguous in the source is read whole.
    let run = box.firstIndex { $0.stride == 1 && $0.size > 1 }
    let runSize = run.map { box[$0].size } ?? 1
    let runStep = run.map { box[$0].step } ?? 1
    if let run { box.remove(at: run) }
    let repeated = box.filter { $0.stride == 0 }
    box.removeAll { $0.stride == 0 }

    try withUnsafeTemporaryAllocation(byteCount: max(1, runSize * width), alignment: 8) { bytes in
      var counters = [Int](repeating: 0, count: box.count)
      while true {
        var from = element
        var to = 0
        for (axis, counter) in zip(box, counters) {
          from += counter * axis.stride
          to += counter * axis.step
        }
        if runStep == 1 {
          let run = UnsafeMutableRawBufferPointer(start: target + to * width, count: runSize * width)
          try source.read(into: run, at: from * width)
        } else {
          let run = UnsafeMutableRawBufferPointer(rebasing: bytes[..<(runSize * width)])
          try source.read(into: run, at: from * width)
          scatter(run.baseAddress!, count: runSize, to: target + to * width, step: runStep)
        }
        guard advance(&counters, box) else { break }
      }
    }
    try spread(repeated, box + [(runSize, 1, runStep)], in: target)
  }

  /// Copies the elements that have been read to where they repeat.
  private func spread(
    _ repeated: [(size: Int, stride: Int, step: Int)], _ read: [(size: Int, stride: Int, step: Int)],
    in target: UnsafeMutableRawPointer
  ) throws {
    var filled = read
    for axis in repeated {
      var counters = [Int](repeating: 0, count: filled.count)
      repeat {
        let from = zip(filled, counters).reduce(0) { $0 + $1.0.step * $1.1 }
        for index in 1..<max(1, axis.size) {
          copyElement(target + from * width, to: target + (from + index * axis.step) * width)
        }
      } while advance(&counters, filled)
      filled.append(axis)
    }
  }

  private func advance(_ counters: inout [Int], _ box: [(size: Int, stride: Int, step: Int)]) -> Bool {
    for axis in counters.indices {
      counters[axis] += 1
      if counters[axis] < box[axis].size { return true }
      counters[axis] = 0
    }
    return false
  }

  private func scatter(
    _ bytes: UnsafeMutableRawPointer, count: Int, to target: UnsafeMutableRawPointer, step: Int
  ) {
    func each<Word: FixedWidthInteger>(_ type: Word.Type) {
      let words = bytes.assumingMemoryBound(to: type)
      let places = target.assumingMemoryBound(to: type)
      for index in 0..<count { places[index * step] = words[index] }
    }
    switch width {
    case 1: each(UInt8.self)
    case 2: each(UInt16.self)
    case 4: each(UInt32.self)
    default: each(UInt64.self)
    }
  }

  @inline(__always)
  private func copyElement(_ from: UnsafeMutableRawPointer, to: UnsafeMutableRawPointer) {
    switch width {
    case 1: to.storeBytes(of: from.load(as: UInt8.self), as: UInt8.self)
    case 2: to.storeBytes(of: from.load(as: UInt16.self), as: UInt16.self)
    case 4: to.storeBytes(of: from.load(as: UInt32.self), as: UInt32.self)
    default: to.storeBytes(of: from.load(as: UInt64.self), as: UInt64.self)
    }
  }
}
