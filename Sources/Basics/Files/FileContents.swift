import SystemPackage

/// The most bytes of a file that is held whole, unless its reader asks for fewer: 1 GB, far beyond any tokenizer's.
package let largestHeldFile = 1_000_000_000

/// The bytes of a regular file that is small enough to be held.
package func fileContents(
  _ path: FilePath, atMost limit: Int = largestHeldFile, links: InputFile.Links = .withinFolder
) throws -> [UInt8] {
  try InputFile(path: path, links: links).contents(atMost: limit)
}

extension InputFile {
  /// All of its bytes, of which there are at most `limit`.
  ///
  /// Files of /proc and their like say that they are empty, and are not.
  package func contents(atMost limit: Int = largestHeldFile) throws -> [UInt8] {
    var contents: [UInt8] = []
    var expected = identity.byteCount
    while true {
      guard expected <= limit else {
        throw FileError.tooLarge(path: path, byteCount: expected, limit: limit)
      }
      let wanted = max(expected - contents.count, 0) + 1
      let more = try bytes(at: contents.count, count: wanted)
      contents = contents.isEmpty ? more : contents + more
      if more.count < wanted { return contents }
      // It has grown since it was opened, or did not say how large it is.
      expected = contents.count + (1 << 16)
    }
  }
}
