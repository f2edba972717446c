/// Reads a box of elements that lie apart in a source, in the box's own order.
///
/// What lies close together in the source is read at once, and arranged in memory; so a transposed tile is
/// read by the source's rows.
struct StridedRead {
  let source: any ByteSource
  let width: Int

  /// An axis of the box.
  private struct Axis {
    let size: Int
    /// Elements between neighbours in the source.
    let stride: Int
    /// Elements between neighbours in the target.
    let step: Int
  }

  /// Bytes that are read as one however few of them are wanted.
  private static let smallRead = 4096
  /// Bytes that are read at once, at most, unless they are wanted as they lie.
  private static let largestRead = 4 << 20

  /// Puts the elements of a box that begins at element `start` of the source at `target`, one after the
  /// other. `scratch` is this thread's.
  func read(
    _ start: Int, _ axes: ArraySlice<IndexMap.Axis>, into target: UnsafeMutableRawPointer, scratch: TileBuffer
  ) throws {
    var box: [Axis] = []
    var step = 1
    for axis in axes.reversed() {
      box.append(Axis(size: axis.size, stride: axis.stride, step: step))
      step *= axis.size
    }
    guard step > 0 else { return }

    // As many of the densest axes as make a read of which half is wanted.
    let moving = box.filter { $0.stride != 0 }.sorted { $0.stride < $1.stride }
    var (span, wanted, dense) = (1, 1, 0)
    for axis in moving {
      let wider = span + (axis.size - 1) * axis.stride
      let isDense = wider <= 2 * wanted * axis.size && wider * width <= Self.largestRead
      guard isDense || wider * width <= Self.smallRead else { break }
      (span, wanted, dense) = (wider, wanted * axis.size, dense + 1)
    }
    let outer = Array(moving[dense...])
    let largest = dense == 0 ? 0 : moving[dense - 1].stride
    let inner = box.filter { $0.stride <= largest }
    let isContiguous = inner.allSatisfy { $0.size == 1 || ($0.stride == 1 && $0.step == 1) }

    let bytes = isContiguous ? nil : UnsafeMutableRawPointer(scratch.ensure(span * width))
    var counters = [Int](repeating: 0, count: outer.count)
    repeat {
      var (from, to) = (start, 0)
      for (axis, counter) in zip(outer, counters) {
        from += counter * axis.stride
        to += counter * axis.step
      }
      let place = target + to * width
      try source.read(
        into: UnsafeMutableRawBufferPointer(start: bytes ?? place, count: span * width), at: from * width)
      if let bytes { arrange(bytes, inner, into: place) }
    } while Self.advance(&counters, outer)
  }

  /// Copies the elements of a box from where they were read to where they belong.
  private func arrange(_ bytes: UnsafeRawPointer, _ box: [Axis], into target: UnsafeMutableRawPointer) {
    switch width {
    case 1: arrange(bytes, box, into: target, UInt8.self)
    case 2: arrange(bytes, box, into: target, UInt16.self)
    case 4: arrange(bytes, box, into: target, UInt32.self)
    default: arrange(bytes, box, into: target, UInt64.self)
    }
  }

  @inline(__always)
  private func arrange<Word: FixedWidthInteger>(
    _ bytes: UnsafeRawPointer, _ box: [Axis], into target: UnsafeMutableRawPointer, _ type: Word.Type
  ) {
    let words = bytes.assumingMemoryBound(to: type)
    let places = target.assumingMemoryBound(to: type)
    // The longest axis is the innermost loop.
    guard let longest = box.indices.max(by: { box[$0].size < box[$1].size }) else {
      places[0] = words[0]
      return
    }
    let (size, stride, step) = (box[longest].size, box[longest].stride, box[longest].step)
    var others = box
    others.remove(at: longest)
    var counters = [Int](repeating: 0, count: others.count)
    repeat {
      var (from, to) = (0, 0)
      for index in others.indices {
        from &+= counters[index] &* others[index].stride
        to &+= counters[index] &* others[index].step
      }
      let (source, place) = (words + from, places + to)
      if step == 1, stride == 1 {
        place.update(from: source, count: size)
      } else if step == 1, stride == 0 {
        place.update(repeating: source[0], count: size)
      } else {
        for index in 0..<size { place[index &* step] = source[index &* stride] }
      }
    } while Self.advance(&counters, others)
  }

  /// The next position in a box; `false` after the last.
  private static func advance(_ counters: inout [Int], _ box: [Axis]) -> Bool {
    for axis in counters.indices {
      counters[axis] += 1
      if counters[axis] < box[axis].size { return true }
      counters[axis] = 0
    }
    return false
  }
}
