import Synchronization

/// What storing a tensor has found in its elements that nobody meant: whoever asks for it with a target looks here
/// when the tensor is done.
package final class StoreFindings: Sendable {
  /// Elements that are not finite.
  package struct NonFinite: Sendable, Equatable {
    package var nans: Int
    package var infinities: Int

    package init(nans: Int = 0, infinities: Int = 0) {
      self.nans = nans
      self.infinities = infinities
    }

    package var isEmpty: Bool { nans + infinities == 0 }
  }

  private struct State {
    var nonFinite = NonFinite()
    /// The files, and the place of the other among those that are compared.
    var differing: (first: String, other: String, place: Int)?
  }

  private let state = Mutex(State())

  package init() {}

  package var nonFinite: NonFinite { state.withLock { $0.nonFinite } }

  /// The files of two tensors of which the first was copied, though the other, the first that does, holds something
  /// else.
  package var differing: (first: String, other: String)? {
    state.withLock { state in state.differing.map { ($0.first, $0.other) } }
  }

  package var isEmpty: Bool { nonFinite.isEmpty && differing == nil }

  func noteDifference(from first: String, to other: String, at place: Int) {
    // Whichever thread comes first.
    state.withLock { if place < $0.differing?.place ?? .max { $0.differing = (first, other, place) } }
  }

  /// Counts those of stored elements that are not finite.
  func look(at raw: UnsafeRawPointer, dtype: DType, count: Int) {
    guard count > 0, Conversion.hasNonFinite(raw, dtype: dtype, count: count) else { return }
    let found = Self.count(raw, dtype, count)
    state.withLock {
      $0.nonFinite.nans += found.nans
      $0.nonFinite.infinities += found.infinities
    }
  }

  private static func count(_ raw: UnsafeRawPointer, _ dtype: DType, _ count: Int) -> NonFinite {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: count) { values in
      let start = values.baseAddress!
      Conversion.loadDoubles(from: raw, dtype: dtype, into: start, count: count)
      var found = NonFinite()
      for index in 0..<count where !start[index].isFinite {
        if start[index].isNaN { found.nans += 1 } else { found.infinities += 1 }
      }
      return found
    }
  }
}
