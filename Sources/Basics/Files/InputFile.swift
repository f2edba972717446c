import Glibc
import SystemPackage

/// A regular file, open for reading; closed when the last reference goes.
package final class InputFile: Sendable {
  /// Where it is.
  package let path: FilePath
  /// Which file it is, as it was when it was opened.
  package let identity: FileIdentity
  /// `nil` for one in memory.
  private let descriptor: FileDescriptor?
  private let contents: [UInt8]

  /// Which symbolic links are followed.
  package enum Links: Sendable {
    /// Those that lead to within the file's folder, or into a hub cache's blobs: for what others made.
    case withinFolder
    /// All: for a file that the user named.
    case all
  }

  /// Opens a regular file.
  package init(path: FilePath, links: Links = .withinFolder) throws {
    OpenFileLimit.raise()
    if case .withinFolder = links { try FileLinks.requireContained(path) }
    self.path = path
    contents = []
    let descriptor: FileDescriptor
    do {
      // Opening a pipe would wait for a writer without `.nonBlocking`; it changes nothing for files.
      descriptor = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .nonBlocking])
    } catch let error as Errno {
      throw FileError.opening(path, error, to: "read")
    }
    do {
      let stat = try descriptor.stat()
      guard stat.type == .regular else { throw FileError.notRegularFile(path: path) }
      identity = FileIdentity(stat)
      self.descriptor = descriptor
    } catch let error as Errno {
      try? descriptor.close()
      throw FileError.system(action: "read", path: path, errno: error)
    } catch {
      try? descriptor.close()
      throw error
    }
  }

  /// A file that is in memory only, and has a path for messages.
  package init(contents: [UInt8], path: FilePath) {
    self.path = path
    self.contents = contents
    descriptor = nil
    identity = FileIdentity(byteCountInMemory: contents.count)
  }

  deinit {
    try? descriptor?.close()
  }

  /// Fills the buffer from byte `offset` on and returns how many bytes there were: fewer than it takes
  /// if the file ends before.
  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws -> Int {
    guard let descriptor else {
      let part = contents.dropFirst(offset).prefix(buffer.count)
      buffer.copyBytes(from: part)
      return part.count
    }
    var done = 0
    while done < buffer.count {
      let count: Int
      do {
        count = try descriptor.read(
          fromAbsoluteOffset: Int64(offset + done), into: .init(rebasing: buffer[done...]))
      } catch let error as Errno {
        throw FileError.system(action: "read", path: path, errno: error)
      }
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// The bytes from `offset` on; fewer than `count` if the file ends before.
  package func bytes(at offset: Int, count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      let target = UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count)
      initializedCount = try read(into: target, at: offset)
    }
  }

  /// Asks the system to read a range ahead. Only a hint, so nothing comes of a failure.
  package func advise(_ range: Range<Int>) {
    guard let descriptor else { return }
    _ = posix_fadvise(descriptor.rawValue, range.lowerBound, range.count, POSIX_FADV_WILLNEED)
  }
}
