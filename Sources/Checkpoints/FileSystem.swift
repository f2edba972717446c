import Glibc
import SystemPackage

/// Which file a descriptor has open, and in which state: equal for two paths of one file.
package struct FileIdentity: Hashable, Sendable {
  /// The device that the file is on.
  package let device: UInt64
  /// The file's number on the device.
  package let inode: UInt64
  /// The file's length in bytes.
  package let byteCount: Int
  /// The time of the last change to its contents: whole seconds since 1970.
  package let modifiedSeconds: Int
  /// The nanoseconds of that second.
  package let modifiedNanoseconds: Int

  init(_ stat: Stat) {
    device = UInt64(truncatingIfNeeded: stat.deviceID.rawValue)
    inode = UInt64(truncatingIfNeeded: stat.inode.rawValue)
    byteCount = Int(stat.size)
    modifiedSeconds = stat.st_mtim.tv_sec
    modifiedNanoseconds = stat.st_mtim.tv_nsec
  }
}

/// A regular file, open for reading; closed when the last reference goes.
final class InputFile: Sendable {
  let path: FilePath
  let identity: FileIdentity
  private let descriptor: FileDescriptor

  /// Opens a regular file, following symbolic links.
  init(path: FilePath) throws {
    OpenFileLimit.raise()
    self.path = path
    do {
      // Opening a pipe would wait for a writer without `.nonBlocking`; it changes nothing for files.
      descriptor = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .nonBlocking])
    } catch let error as Errno {
      throw CheckpointError.opening(path, error)
    }
    do {
      let stat = try descriptor.stat()
      guard stat.type == .regular else { throw CheckpointError.notRegularFile(path: path) }
      identity = FileIdentity(stat)
    } catch let error as Errno {
      try? descriptor.close()
      throw CheckpointError.system(action: "inspect", path: path, errno: error)
    } catch {
      try? descriptor.close()
      throw error
    }
  }

  deinit {
    try? descriptor.close()
  }

  /// Fills the buffer from byte `offset` on and returns how many bytes there were: fewer than it takes
  /// if the file ends before.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws -> Int {
    var done = 0
    while done < buffer.count {
      let count: Int
      do {
        count = try descriptor.read(
          fromAbsoluteOffset: Int64(offset + done), into: .init(rebasing: buffer[done...]))
      } catch let error as Errno {
        throw CheckpointError.system(action: "read", path: path, errno: error)
      }
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// The bytes from `offset` on; fewer than `count` if the file ends before.
  func bytes(at offset: Int, count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      let target = UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count)
      initializedCount = try read(into: target, at: offset)
    }
  }

  /// Asks the system to read a range ahead. Only a hint, so nothing comes of a failure.
  func advise(_ range: Range<Int>) {
    _ = posix_fadvise(descriptor.rawValue, range.lowerBound, range.count, POSIX_FADV_WILLNEED)
  }
}

/// The limit of open files: a checkpoint may have more shards than the usual soft limit of 1024.
enum OpenFileLimit {
  private static let limit: Int = {
    var limit = rlimit()
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    guard getrlimit(resource, &limit) == 0 else { return 0 }
    var raised = limit
    raised.rlim_cur = limit.rlim_max
    if setrlimit(resource, &raised) == 0 { limit = raised }
    return Int(clamping: limit.rlim_cur)
  }()

  /// Raises the soft limit to the hard one, once.
  static func raise() { _ = limit }

  /// The soft limit.
  static var current: Int { limit }
}

extension CheckpointError {
  /// The error of an `open` that failed.
  static func opening(_ path: FilePath, _ error: Errno, to action: String = "open") -> CheckpointError {
    error == .tooManyOpenFiles
      ? .tooManyOpenFiles(path: path, limit: OpenFileLimit.current)
      : .system(action: action, path: path, errno: error)
  }
}

/// The names in a directory, sorted by their bytes, without `.` and `..`.
package func fileNames(in directory: FilePath) throws -> [String] {
  func failure() -> CheckpointError {
    .system(action: "list", path: directory, errno: Errno(rawValue: errno))
  }
  guard let stream = directory.withPlatformString({ opendir($0) }) else { throw failure() }
  defer { closedir(stream) }
  var names: [String] = []
  while true {
    errno = 0
    guard let entry = readdir(stream) else {
      if errno != 0 { throw failure() }
      break
    }
    let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    if name != "." && name != ".." { names.append(name) }
  }
  return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}

/// The bytes of a file that is small enough to be held: 1 GB at most, far beyond any tokenizer's.
package func fileContents(_ path: FilePath) throws -> [UInt8] {
  let file = try InputFile(path: path)
  guard file.identity.byteCount <= 1_000_000_000 else {
    throw CheckpointError.tooLarge(path: path, byteCount: file.identity.byteCount)
  }
  return try file.bytes(at: 0, count: file.identity.byteCount)
}

extension JSON {
  /// Parses a file; errors name it with line and column.
  package init(contentsOf path: FilePath, duplicateKeys: DuplicateKeys = .lastWins) throws {
    let bytes = try fileContents(path)
    do {
      self = try JSON(parsing: bytes, duplicateKeys: duplicateKeys)
    } catch {
      throw CheckpointError.invalidJSON(path: path, error: error)
    }
  }

  /// Parses a file of which large parts are not to be held, as `init(parsing:skipping:streaming:_:)` does.
  package init(
    contentsOf path: FilePath, skipping skipped: [String]?, streaming streamed: [String]? = nil,
    _ body: @escaping (_ key: String, _ value: JSON) -> Void = { _, _ in }
  ) throws {
    let bytes = try fileContents(path)
    do {
      self = try JSON(parsing: bytes, skipping: skipped, streaming: streamed, body)
    } catch {
      throw CheckpointError.invalidJSON(path: path, error: error)
    }
  }
}
