import Glibc
import Synchronization
import SystemPackage
import Tensors

/// Writes the files of a layout: headers at once, tensors in any order and from several threads.
///
/// If writing fails, or the writer goes without `finish()`, the files stay as they are: whoever made the
/// directory removes it.
package final class SafetensorsWriter: Sendable {
  /// What is written.
  package let layout: SafetensorsLayout

  private let directory: FilePath
  private let files: [OutputFile]

  /// Creates the files in an existing directory, at their full size and with their headers.
  ///
  /// Throws `CheckpointError`: one of the files exists, or there is not enough space. The files that had
  /// been created by then are removed.
  package init(layout: SafetensorsLayout, directory: FilePath) throws {
    OpenFileLimit.raise()
    self.layout = layout
    self.directory = directory
    let space = DiskSpace(directory: directory, needed: layout.fileBytes)
    if let free = space.free, free < space.needed { throw space.diskFull(free: free) }
    var files: [OutputFile] = []
    do {
      for shard in layout.shards {
        let file = try OutputFile(path: directory.appending(shard.fileName), space: space)
        files.append(file)
        try file.allocate(shard.byteCount)
        try shard.header.withUnsafeBytes { try file.write($0, at: 0) }
      }
    } catch {
      for file in files { file.remove() }
      throw error
    }
    self.files = files
  }

  /// Where the data of a tensor goes, by its position in `layout.tensors`.
  package func sink(_ tensor: Int) -> any ByteSink {
    let placement = layout.placements[tensor]
    return TensorSink(file: files[placement.shard], placement: placement)
  }

  /// Closes the files, then writes the index if there are several. The sinks cannot be used any more.
  package func finish() throws {
    for file in files { try file.close() }
    guard let text = layout.indexText else { return }
    let space = DiskSpace(directory: directory, needed: text.utf8.count)
    let file = try OutputFile(path: directory.appending(indexFileName), space: space)
    try Array(text.utf8).withUnsafeBytes { try file.write($0, at: 0) }
    try file.close()
  }
}

/// A tensor's part of an output file.
private final class TensorSink: ByteSink {
  private let file: OutputFile
  private let placement: SafetensorsLayout.Placement

  init(file: OutputFile, placement: SafetensorsLayout.Placement) {
    self.file = file
    self.placement = placement
  }

  func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws {
    precondition(
      offset >= 0 && offset <= placement.byteCount && buffer.count <= placement.byteCount - offset,
      "written beyond the tensor")
    try file.write(buffer, at: placement.offset + offset)
  }
}

/// The space that an output takes and that there was before its first file.
private struct DiskSpace {
  let directory: FilePath
  let needed: Int
  /// `nil` where the file system does not say.
  let free: Int?

  init(directory: FilePath, needed: Int) {
    self.directory = directory
    self.needed = needed
    var status = statvfs()
    let result = directory.withPlatformString { statvfs($0, &status) }
    let (bytes, overflow) = status.f_bavail.multipliedReportingOverflow(by: status.f_frsize)
    free = result == 0 && status.f_blocks > 0 && !overflow ? Int(clamping: bytes) : nil
  }

  func diskFull(free: Int) -> CheckpointError {
    .diskFull(directory: directory, needed: needed, free: free)
  }
}

/// A file that is created, written and closed; closed at the latest when the last reference goes.
private final class OutputFile: Sendable {
  private let path: FilePath
  private let space: DiskSpace
  /// -1 once it is closed, so that a late write fails and hits no other file.
  private let descriptor: Atomic<CInt>

  /// Creates a file, which must not exist.
  init(path: FilePath, space: DiskSpace) throws {
    self.path = path
    self.space = space
    do {
      let opened = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
      descriptor = Atomic(opened.rawValue)
    } catch let error as Errno {
      throw CheckpointError.opening(path, error, to: "create")
    }
  }

  deinit {
    try? close()
  }

  /// Gives the file its full size, and its space on the disk where the file system can.
  func allocate(_ byteCount: Int) throws {
    let descriptor = open
    var result: CInt
    repeat { result = posix_fallocate(descriptor.rawValue, 0, byteCount) } while result == EINTR
    switch Errno(rawValue: result) {
    case Errno(rawValue: 0): return
    case .notSupported, .invalidArgument, .noFunction:
      try reporting("resize") { try descriptor.resize(to: Int64(byteCount)) }
    case let error: throw failure("resize", error)
    }
  }

  /// Writes all of the buffer.
  func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws {
    try reporting("write") { try open.writeAll(toAbsoluteOffset: Int64(offset), buffer) }
  }

  /// Closes the file; some file systems report only now that a write failed.
  func close() throws {
    let rawValue = descriptor.exchange(-1, ordering: .acquiringAndReleasing)
    if rawValue >= 0 { try reporting("write") { try FileDescriptor(rawValue: rawValue).close() } }
  }

  /// Closes and deletes the file.
  func remove() {
    try? close()
    _ = path.withPlatformString { unlink($0) }
  }

  private var open: FileDescriptor { FileDescriptor(rawValue: descriptor.load(ordering: .acquiring)) }

  private func reporting<Value>(_ action: String, _ body: () throws -> Value) throws {
    do {
      _ = try body()
    } catch let error as Errno {
      throw failure(action, error)
    }
  }

  private func failure(_ action: String, _ error: Errno) -> CheckpointError {
    [.noSpace, .diskQuotaExceeded].contains(error)
      ? space.diskFull(free: space.free ?? 0)
      : .system(action: action, path: path, errno: error)
  }
}
