import Basics
import Glibc
import SystemPackage
import Tensors

/// A file without a name that holds elements between passes; the system frees it when it is closed.
package final class ScratchFile: ByteSource, ByteSink, Sendable {
  package let byteCount: Int
  private let descriptor: FileDescriptor
  private let directory: FilePath

  package var label: String { "a scratch file in \(directory)" }

  /// Makes a scratch file in a directory that has room for it.
  package init(byteCount: Int, in directory: FilePath) throws {
    self.byteCount = byteCount
    self.directory = directory
    var template = Array("\(directory)/.mergekit-scratch-XXXXXX\0".utf8.map(CChar.init(bitPattern:)))
    let raw = mkstemp(&template)
    guard raw >= 0 else {
      throw Self.failure("make", directory, Errno(rawValue: errno))
    }
    unlink(template)
    _ = fcntl(raw, F_SETFD, FD_CLOEXEC)
    descriptor = FileDescriptor(rawValue: raw)
    guard ftruncate(descriptor.rawValue, byteCount) == 0 else {
      let error = Errno(rawValue: errno)
      try? descriptor.close()
      throw Self.failure("make", directory, error)
    }
  }

  deinit { try? descriptor.close() }

  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      do {
        let count = try descriptor.read(fromAbsoluteOffset: Int64(offset + done), into: rest)
        guard count > 0 else { throw Errno.ioError }
        done += count
      } catch let error as Errno {
        throw Self.failure("read", directory, error)
      }
    }
  }

  package func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws {
    do {
      _ = try descriptor.writeAll(toAbsoluteOffset: Int64(offset), buffer)
    } catch let error as Errno {
      throw Self.failure("write", directory, error)
    }
  }

  private static func failure(_ action: String, _ directory: FilePath, _ error: Errno) -> FileError {
    .system(action: "\(action) a scratch file in", path: directory, errno: error)
  }
}
