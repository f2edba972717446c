import Glibc
import SystemPackage

/// What has to survive a loss of power, and changes that happen as a whole.
extension DirectoryFiles {
  /// Waits until the contents of a file or directory are on the disk.
  package static func sync(_ path: FilePath) throws(Errno) {
    let descriptor = path.withPlatformString { open($0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) }
    guard descriptor >= 0 else { throw Errno(rawValue: errno) }
    defer { close(descriptor) }
    var result: CInt
    repeat { result = fsync(descriptor) } while result != 0 && errno == EINTR
    let error = Errno(rawValue: errno)
    // A file system that keeps nothing has nothing to wait for.
    if result != 0, error != .invalidArgument, error != .notSupported { throw error }
  }

  /// Waits until all files and directories below a directory, and itself, are on the disk.
  package static func syncTree(_ root: FilePath) throws(Errno) {
    var directories = [root]
    var files: [FilePath] = []
    var next = 0
    while next < directories.count {
      let directory = directories[next]
      next += 1
      for name in try names(in: directory) {
        let path = directory.appending(name)
        if try type(at: path, followsLink: false) == .directory {
          directories.append(path)
        } else {
          files.append(path)
        }
      }
    }
    // All are on their way to the disk before the first is waited for.
    for file in files { beginWriting(file) }
    for file in files { try sync(file) }
    for directory in directories.reversed() { try sync(directory) }
  }

  private static func beginWriting(_ path: FilePath) {
    let descriptor = path.withPlatformString { open($0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) }
    guard descriptor >= 0 else { return }
    // SYNC_FILE_RANGE_WRITE is 2.
    _ = LinuxCalls.syncFileRange?(descriptor, 0, 0, 2)
    close(descriptor)
  }

  /// Swaps two files or directories as one change. Throws `.invalidArgument` or `.noFunction` where the file
  /// system cannot.
  package static func exchange(_ first: FilePath, _ second: FilePath) throws(Errno) {
    guard let call = LinuxCalls.renameAt2 else { throw .noFunction }
    let status = first.withPlatformString { first in
      // RENAME_EXCHANGE is 2.
      second.withPlatformString { call(AT_FDCWD, first, AT_FDCWD, $0, 2) }
    }
    if status != 0 { throw Errno(rawValue: errno) }
  }

  /// Whether something stands at a path, be it a link to nothing. What cannot be found out is an error, and not taken
  /// for an absence.
  package static func isPresent(_ path: FilePath) throws(Errno) -> Bool {
    do throws(Errno) {
      _ = try path.stat(followTargetSymlink: false)
      return true
    } catch .noSuchFileOrDirectory, .notDirectory { return false }
  }

  /// What stands at a path, or where a link there leads to; `nil` for nothing. What cannot be found out is an error.
  package static func type(at path: FilePath, followsLink: Bool = true) throws(Errno) -> FileType? {
    do throws(Errno) {
      return try path.stat(followTargetSymlink: followsLink).type
    } catch .noSuchFileOrDirectory, .notDirectory { return nil }
  }

  /// Creates a directory and those above it up to one that exists.
  package static func makeDirectories(_ path: FilePath) throws(Errno) {
    if isDirectory(path) { return }
    do throws(Errno) {
      try makeDirectory(path)
    } catch .noSuchFileOrDirectory {
      try makeDirectories(path.removingLastComponent())
      try makeDirectory(path)
    } catch .fileExists {}
  }

  /// Writes a small file so that it has its whole contents or does not exist.
  package static func writeWhole(_ bytes: [UInt8], to path: FilePath, isDurable: Bool) throws(Errno) {
    let directory = path.removingLastComponent()
    let temporary = directory.appending("\(path.lastComponent?.string ?? "").new")
    do {
      let file = try FileDescriptor.open(
        temporary, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: [.ownerReadWrite])
      try file.closeAfter { _ = try file.writeAll(bytes) }
    } catch { throw error as? Errno ?? .ioError }
    if isDurable { try sync(temporary) }
    try move(temporary, to: path)
    if isDurable { try sync(directory) }
  }
}

/// Calls of Linux that Swift does not see, looked up by name; `nil` where the C library has none.
private enum LinuxCalls {
  typealias RenameAt2 =
    @convention(c) (CInt, UnsafePointer<CChar>, CInt, UnsafePointer<CChar>, CUnsignedInt) -> CInt
  typealias SyncFileRange = @convention(c) (CInt, Int64, Int64, CUnsignedInt) -> CInt

  static let renameAt2 = dlsym(nil, "renameat2").map { unsafeBitCast($0, to: RenameAt2.self) }
  static let syncFileRange = dlsym(nil, "sync_file_range").map { unsafeBitCast($0, to: SyncFileRange.self) }
}
