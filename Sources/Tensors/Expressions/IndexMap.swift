/// How the elements of one row-major space are found in another: element i of the first, written in
/// mixed radix over `axes`, is element `offset + Σ coordinate · stride` of the second.
///
/// Transposes, slices and broadcasts are such maps; a reshape is the identity.
package struct IndexMap: Hashable, Sendable {
  package struct Axis: Hashable, Sendable {
    package var size: Int
    package var stride: Int

    package init(size: Int, stride: Int) {
      self.size = size
      self.stride = stride
    }
  }

  let offset: Int
  /// Outermost first, without axes of size one, neighbours merged where one stride continues the other.
  package let axes: [Axis]
  /// Elements of the first space.
  let count: Int

  /// Element i is element i.
  package static func identity(count: Int) -> IndexMap {
    IndexMap(offset: 0, axes: [Axis(size: count, stride: 1)])
  }

  package init(offset: Int, axes: [Axis]) {
    self.offset = offset
    count = axes.reduce(1) { $0 * $1.size }
    var merged: [Axis] = []
    for axis in axes where axis.size != 1 {
      if let last = merged.last, last.stride == axis.stride * axis.size {
        merged[merged.count - 1] = Axis(size: last.size * axis.size, stride: axis.stride)
      } else {
        merged.append(axis)
      }
    }
    self.axes = merged
  }

  /// Whether element i is element `offset + i`.
  var isLinear: Bool { axes.isEmpty || (axes.count == 1 && axes[0].stride == 1) }

  var isIdentity: Bool { isLinear && offset == 0 }

  /// Whether several elements of the first space are one of the second.
  var repeats: Bool { axes.contains { $0.stride == 0 } }

  /// The map that stretches `shape` to `target` by the broadcasting rule.
  static func broadcast(_ shape: Shape, to target: Shape) -> IndexMap {
    if shape.count == target.count { return .identity(count: target.count) }
    let strides = shape.strides
    let missing = target.rank - shape.rank
    let axes = target.dimensions.indices.map { dimension in
      let own = dimension - missing
      let stride = own < 0 || shape.dimensions[own] == 1 ? 0 : strides[own]
      return Axis(size: target.dimensions[dimension], stride: stride)
    }
    return IndexMap(offset: 0, axes: axes)
  }

  /// This map followed by `next`, from this map's first space to `next`'s second one; `nil` if the
  /// result is no strided map (a reshape that cuts across a transpose).
  func followed(by next: IndexMap) -> IndexMap? {
    if count == 0 || next.isIdentity { return self }
    if next.isLinear { return IndexMap(offset: offset + next.offset, axes: axes) }
    if isIdentity && count == next.count { return next }

    // Each axis of this map must move within one axis of `next`, or be cut where it crosses from one
    // to the next; and no sum of steps may carry.
    var weights = [Int](repeating: 1, count: next.axes.count)
    for axis in stride(from: next.axes.count - 2, through: 0, by: -1) {
      weights[axis] = weights[axis + 1] * next.axes[axis + 1].size
    }
    var reach = [Int](repeating: 0, count: next.axes.count)
    var newOffset = next.offset
    for (axis, target) in next.axes.enumerated() {
      let coordinate = offset / weights[axis] % target.size
      reach[axis] = coordinate
      newOffset += coordinate * target.stride
    }
    var result: [Axis] = []
    for axis in axes {
      if axis.stride == 0 || axis.size == 0 {
        result.append(axis)
        continue
      }
      var pieces: [Axis] = []
      var size = axis.size
      var step = axis.stride
      while size > 1 {
        guard let target = weights.firstIndex(where: { step % $0 == 0 && step >= $0 }) else { return nil }
        let local = step / weights[target]
        let room = next.axes[target].size
        guard local < room else { return nil }
        let steps = min(size, (room + local - 1) / local)
        // An axis that goes on past this one must fill it exactly.
        if steps < size { guard steps * local == room, size % steps == 0 else { return nil } }
        reach[target] += (steps - 1) * local
        pieces.append(Axis(size: steps, stride: local * next.axes[target].stride))
        size /= steps
        step *= steps
      }
      result.append(contentsOf: pieces.reversed())
    }
    for (axis, target) in next.axes.enumerated() where reach[axis] >= target.size { return nil }
    return IndexMap(offset: newOffset, axes: result)
  }

  /// The element of the second space for element `index` of the first.
  func callAsFunction(_ index: Int) -> Int {
    if isLinear { return offset + index }
    var rest = index
    var element = offset
    for axis in axes.reversed() {
      let (quotient, coordinate) = rest.quotientAndRemainder(dividingBy: axis.size)
      element += coordinate * axis.stride
      rest = quotient
    }
    return element
  }
}

extension IndexMap {
  /// Cuts a range of the first space into boxes (a range along one axis, the axes inside it whole) and
  /// calls `body` with, for each, the start in the first space, the element of the second where it
  /// begins, and its axes.
  func forEachBox(
    in range: Range<Int>, _ body: (_ start: Int, _ element: Int, _ axes: ArraySlice<Axis>) throws -> Void
  ) rethrows {
    var start = range.lowerBound
    while start < range.upperBound {
      // The widest box that begins here: as many inner axes as are at zero and fit.
      var inner = 1
      var depth = axes.count
      while depth > 0 {
        let size = axes[depth - 1].size
        let next = inner * size
        if start % next != 0 || start + next > range.upperBound { break }
        inner = next
        depth -= 1
      }
      let element = self(start)
      if depth == 0 {
        try body(start, element, axes[...])
        start += inner
        continue
      }
      let axis = axes[depth - 1]
      let coordinate = start / inner % axis.size
      let steps = max(1, min(axis.size - coordinate, (range.upperBound - start) / inner))
      var box = axes[(depth - 1)...]
      box[depth - 1] = Axis(size: steps, stride: axis.stride)
      try body(start, element, box)
      start += steps * inner
    }
  }
}
