import Glibc
import SystemPackage

/// The bytes of a file that is small enough to be held: 1 GB at most, far beyond any tokenizer's.
package func fileContents(_ path: FilePath, links: InputFile.Links = .withinFolder) throws -> [UInt8] {
  let file = try InputFile(path: path, links: links)
  guard file.identity.byteCount <= 1_000_000_000 else {
    throw FileError.tooLarge(path: path, byteCount: file.identity.byteCount)
  }
  return try file.bytes(at: 0, count: file.identity.byteCount)
}
