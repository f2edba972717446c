import Glibc
import SystemPackage

/// The few directory operations that SystemPackage lacks.
package enum DirectoryFiles {
  /// The names in a directory, without `.` and `..`, sorted; byte for byte, as what is not UTF-8 must be
  /// moved and removed too.
  package static func names(in directory: FilePath) throws(Errno) -> [FilePath.Component] {
    guard let stream = directory.withPlatformString({ opendir($0) }) else { throw Errno(rawValue: errno) }
    defer { closedir(stream) }
    var names: [FilePath.Component] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
        tuple.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: tuple.pointee)) {
          FilePath.Component(platformString: $0)
        }
      }
      if let name, name.kind == .regular { names.append(name) }
    }
    guard errno == 0 else { throw Errno(rawValue: errno) }
    return names.sorted { $0.string < $1.string }
  }

  /// Removes a file, or a directory with all that is in it; follows no links.
  ///
  /// Goes on after an error, and returns whether everything is gone.
  @discardableResult
  package static func removeTree(_ root: FilePath) -> Bool {
    // A stack of its own, as the tree may be deeper than the thread's stack.
    var pending: [(path: FilePath, isListed: Bool)] = [(root, false)]
    var isGone = true
    while let (path, isListed) = pending.popLast() {
      if !isListed, isDirectory(path), let names = try? names(in: path), !names.isEmpty {
        pending.append((path, true))
        pending += names.map { (path.appending($0), false) }
      } else if path.withPlatformString({ remove($0) }) != 0, errno != ENOENT {
        isGone = false
      }
    }
    return isGone
  }

  /// Renames a file or directory; replaces a file, or an empty directory by a directory.
  package static func move(_ source: FilePath, to target: FilePath) throws(Errno) {
    let status = source.withPlatformString { source in
      target.withPlatformString { rename(source, $0) }
    }
    if status != 0 { throw Errno(rawValue: errno) }
  }

  /// Gives a file a second name; fails if that is taken. A link is itself what gets one.
  package static func link(_ source: FilePath, to target: FilePath) throws(Errno) {
    let status = source.withPlatformString { source in
      target.withPlatformString { Glibc.link(source, $0) }
    }
    if status != 0 { throw Errno(rawValue: errno) }
  }

  /// Creates one directory with the permissions that the process gives new ones.
  package static func makeDirectory(_ path: FilePath) throws(Errno) {
    if path.withPlatformString({ mkdir($0, 0o777) }) != 0 { throw Errno(rawValue: errno) }
  }

  /// Removes an empty directory.
  @discardableResult
  package static func removeEmpty(_ path: FilePath) -> Bool {
    path.withPlatformString { rmdir($0) } == 0
  }

  /// The absolute path of something that exists, without links, `.` and `..`.
  package static func realPath(_ path: FilePath) throws(Errno) -> FilePath {
    guard let resolved = path.withPlatformString({ realpath($0, nil) }) else {
      throw Errno(rawValue: errno)
    }
    defer { free(resolved) }
    return FilePath(platformString: resolved)
  }

  /// The process's working directory.
  package static var workingDirectory: FilePath? { try? realPath(".") }

  /// Whether something stands at a path, be it a link to nothing.
  package static func exists(_ path: FilePath) -> Bool {
    (try? path.stat(followTargetSymlink: false)) != nil
  }

  /// Whether a directory itself, not a link to one, stands at a path.
  package static func isDirectory(_ path: FilePath) -> Bool {
    (try? path.stat(followTargetSymlink: false))?.type == .directory
  }
}

/// The names in a directory, sorted by their bytes, without `.` and `..`.
package func fileNames(in directory: FilePath) throws -> [String] {
  do {
    return try DirectoryFiles.names(in: directory).map(\.string).sorted {
      $0.utf8.lexicographicallyPrecedes($1.utf8)
    }
  } catch { throw FileError.system(action: "list", path: directory, errno: error) }
}
