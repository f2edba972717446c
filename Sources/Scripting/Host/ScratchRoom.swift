/// When to look for tensors that a script no longer holds. Lua counts the memory that they take and collects in time; it
/// knows nothing of scratch files, which a loop over large matrices would fill the disk with.
struct ScratchRoom {
  /// Bytes of scratch that are made from one collection to the next.
  static let interval = 1 << 30

  private var made = 0

  /// Counts scratch that is about to be made, and says whether a collection is due before.
  mutating func isCollectionDue(beforeMaking bytes: Int) -> Bool {
    made += bytes
    guard made > Self.interval else { return false }
    made = bytes
    return true
  }
}
